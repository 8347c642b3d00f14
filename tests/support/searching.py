"""Looks for words in bytes, however they were packed: as text, in base64, in UTF-16, compressed, one inside another."""

import base64
import gzip
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Final

ENCODINGS: Final[Mapping[str, Callable[[str], bytes]]] = {
    "utf-8": str.encode,
    "upper case": lambda word: word.upper().encode(),
    "utf-16-le": lambda word: word.encode("utf-16-le"),
    "utf-16-be": lambda word: word.encode("utf-16-be"),
    "hex": lambda word: word.encode().hex().encode(),
    "base64": lambda word: base64.b64encode(word.encode()),
    "base64, one byte further": lambda word: base64.b64encode(b"~" + word.encode()),
    "base64, two bytes further": lambda word: base64.b64encode(b"~~" + word.encode()),
    "base64 of utf-16": lambda word: base64.b64encode(word.encode("utf-16-le")),
    "base64 for addresses": lambda word: base64.urlsafe_b64encode("ÿ¿".encode() + word.encode()),
    "gzip": lambda word: gzip.compress(word.encode() * 3),
    "zlib": lambda word: zlib.compress(word.encode() * 3),
    "zlib, quick": lambda word: zlib.compress(word.encode() * 3, 1),
    "gzip in base64": lambda word: base64.b64encode(gzip.compress(word.encode() * 3)),
    "gzip of base64": lambda word: gzip.compress(base64.b64encode(b"~" + word.encode())),
    "gzip of gzip of utf-16": lambda word: gzip.compress(gzip.compress(word.encode("utf-16-le"))),
}
"""What a word may look like. The tests plant every one of them, and all must be found."""

DEPTH: Final = 3
MOST: Final = 1 << 24
"""Bytes that are taken out of one compressed run."""
FEWEST: Final = 12
"""Decompressed bytes below which a run was none: any two bytes in a few thousand look like the start of one."""
BASE64_RUN: Final = re.compile(rb"[A-Za-z0-9+/_-]{24,}")
PACKED: Final = re.compile(rb"\x1f\x8b\x08|[\x08\x18\x28\x38\x48\x58\x68\x78][\x00-\xff]", re.DOTALL)
EMPTY: Final = re.compile(rb"\0{65,}")
ADDRESSES: Final = bytes.maketrans(b"-_", b"+/")


class Searcher:
    """Searches for words in small letters, long enough that chance does not make them."""

    def __init__(self, *words: str) -> None:
        assert all(len(word) >= 16 and word == word.lower() for word in words)
        self._shapes = [(shape, word) for word in words for shape in _plain_shapes(word)]
        self._shortest = min(len(shape) for (shape, _), _ in self._shapes)
        self._known: dict[tuple[bytes, int], set[str]] = {}
        """What was found in what was unpacked: the same runs stand in many files, and come out of many bytes."""

    def find(self, data: bytes) -> set[str]:
        """Return the words that are in `data`, in any shape."""
        return self._search(EMPTY.sub(bytes(64), data), DEPTH)

    def _search(self, data: bytes, depth: int) -> set[str]:
        found: set[str] = set()
        if len(data) >= self._shortest:
            small = data.lower()
            found.update(word for (shape, exact), word in self._shapes if shape in (data if exact else small))
        for inner in _unpacked(data) if depth else ():
            key = inner, depth - 1
            if key not in self._known:
                self._known[key] = self._search(*key)
            found |= self._known[key]
        return found


def _plain_shapes(word: str) -> Iterator[tuple[bytes, bool]]:
    """Yield what to look for; and whether its case matters."""
    yield word.encode(), False
    yield word.encode("utf-16-le"), False
    yield word.encode("utf-16-be"), False
    yield word.encode().hex().encode(), False
    for text in (word.encode(), word.encode("utf-16-le"), word.encode("utf-16-be")):
        for before in range(3):
            # The first and the last characters depend on the neighbours.
            whole = base64.b64encode(bytes(before) + text)
            yield whole[(before * 8 + 5) // 6 : (before + len(text)) * 8 // 6], True


def _unpacked(data: bytes) -> Iterator[bytes]:
    """Yield whatever is packed in `data`."""
    for run in BASE64_RUN.finditer(data):
        text = run.group().translate(ADDRESSES)
        for start in range(4):
            whole = text[start : start + (len(text) - start) // 4 * 4]
            yield base64.b64decode(whole)
    yield from _inflated(data, 0, -15)  # as WebSockets compress a message, without a header
    for found in PACKED.finditer(data):
        # One candidate may hide the next, which starts at its second byte.
        for at in range(found.start(), found.end()):
            if data[at : at + 2] == b"\x1f\x8b":
                yield from _inflated(data, at, 31)
            elif data[at] & 15 == 8 and int.from_bytes(data[at : at + 2], "big") % 31 == 0:
                yield from _inflated(data, at, 15)


def _inflated(data: bytes, at: int, wbits: int) -> Iterator[bytes]:
    """Yield what `data` from `at` on is when decompressed, as far as that goes."""
    stream = zlib.decompressobj(wbits)
    # In pieces: a run that is cut short gives what it holds.
    found = bytearray()
    try:
        for start in range(at, len(data), 4096):
            found += stream.decompress(data[start : start + 4096], MOST - len(found))
            if stream.eof or len(found) >= MOST:
                break
    except zlib.error:
        pass
    if len(found) >= FEWEST:
        yield bytes(found)
