"""The part of the load generator that finds stanzas in XMPP's stream, called as a library."""

import ctypes
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "bench" / "load" / "xmpp_stream.c"

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")

HEAD = "<?xml version='1.0'?><stream:stream id='1' from='localhost' xml:lang=\"en\">"
STANZAS = [
    HEAD,
    "<stream:features><mechanisms><mechanism>PLAIN</mechanism></mechanisms><c ver='a/b>'/></stream:features>",
    "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    "<presence from='u1@localhost/d' to=\"u0@localhost\" />",
    " \n<message type='chat' id='7' from='u1@localhost/d'><body>a > b, 'c' &lt;d&gt;</body><request/></message>",
    "<message id='8'><a><b><c/></b><b>/</b></a><received xmlns='urn:xmpp:receipts' id='41'/></message>",
    "<message id='9'><body><![CDATA[</body></message><x>]]></body></message>",
    "<message from='g@groups.localhost/u1'><subject/><body/></message>",
    "</stream:stream>",
]


class Splitter(ctypes.Structure):
    _fields_ = (("at", ctypes.c_size_t), ("depth", ctypes.c_uint32))


class Text(ctypes.Structure):
    _fields_ = (("at", ctypes.c_void_p), ("size", ctypes.c_size_t))

    def __bytes__(self) -> bytes:
        return ctypes.string_at(self.at, self.size) if self.at else b""


class Stanza(ctypes.Structure):
    _fields_ = (("whole", Text), ("name", Text), ("from_", Text), ("id", Text), ("type", Text))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    built = tmp_path_factory.mktemp("stream") / "stream.so"
    subprocess.run(["gcc", "-std=gnu11", "-shared", "-fPIC", "-Werror", "-Wall", "-o", built, SOURCE], check=True)
    library = ctypes.CDLL(str(built))
    library.next_stanza.restype = ctypes.c_bool
    library.read_stanza.restype = Stanza
    library.text_of.restype = library.attribute_of.restype = Text
    return library


def split(library: ctypes.CDLL, text: bytes, more: Callable[[], int]) -> list[bytes]:
    """Give the text to the splitter in pieces, as a connection does: what was not used comes again."""
    splitter, size, found = Splitter(), ctypes.c_size_t(), []
    begin = end = 0
    while end < len(text):
        end = min(len(text), end + more())
        waiting = ctypes.create_string_buffer(text[begin:end], end - begin)
        base = ctypes.addressof(waiting)
        while library.next_stanza(
            ctypes.byref(splitter),
            ctypes.c_void_p(base),
            ctypes.c_size_t(end - begin),
            ctypes.byref(size),
        ):
            found.append(text[begin : begin + size.value])
            base += size.value
            begin += size.value
    return found


def test_stanzas_are_found_however_the_stream_is_cut(library: ctypes.CDLL) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    stanzas = [stanza.encode() for stanza in STANZAS]
    text = b"".join(stanzas)
    assert split(library, text, lambda: len(text)) == stanzas
    assert split(library, text, lambda: 1) == stanzas
    for _ in range(50):
        assert split(library, text, lambda: chance.randrange(1, 40)) == stanzas


def test_what_a_stanza_says_is_read(library: ctypes.CDLL) -> None:
    def read(text: str) -> tuple[Stanza, bytes]:
        data = text.encode()
        stanza: Stanza = library.read_stanza(data, ctypes.c_size_t(len(data)))
        return stanza, data  # the stanza points into the data

    stanza, _kept = read(STANZAS[4])
    assert [bytes(stanza.name), bytes(stanza.type), bytes(stanza.id)] == [b"message", b"chat", b"7"]
    assert bytes(stanza.from_) == b"u1@localhost/d"
    assert bytes(library.text_of(ctypes.byref(stanza), b"<body")) == b"a > b, 'c' &lt;d&gt;"
    assert not bytes(library.attribute_of(ctypes.byref(stanza), b"<received", b"id"))

    stanza, _kept = read(STANZAS[5])
    assert bytes(library.attribute_of(ctypes.byref(stanza), b"<received", b"id")) == b"41"

    stanza, _kept = read(STANZAS[7])
    assert not library.text_of(ctypes.byref(stanza), b"<body").at

    stanza, _kept = read(HEAD)
    assert bytes(stanza.name) == b"stream:stream"
    stanza, _kept = read(STANZAS[8])
    assert bytes(stanza.name) == b"/stream:stream"
