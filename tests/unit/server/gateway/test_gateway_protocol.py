"""A connection's dialogue without the connection: bytes in, commands or answers out."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidings.server.gateway.protocol import TAGS, Dialogue, Hangup
from tidings.wire import codec
from tidings.wire.closes import Close
from tidings.wire.commands import Ack, Command, Hello, MarkRead, Watch
from tidings.wire.errors import BadFrame, Unsupported
from tidings.wire.events import Challenge, Refused

NONCE = bytes(range(32))
CONVERSATION = "!" + "c" * 53
HELLO = Hello(7, "@" + "a" * 53, "DEVICEDEVI", b"", 0, 0, bytes(64))
READ = MarkRead(CONVERSATION, 7)


def dialogue(*, text: bool = False, greeted: bool = True) -> Dialogue:
    chosen = codec.codecs_for_server()[codec.SUBPROTOCOL_JSON if text else codec.SUBPROTOCOL]
    made = Dialogue(chosen, NONCE)
    made.greeted = greeted
    return made


def packed(*fields: object, text: bool = False) -> bytes:
    return msgspec.json.encode(fields) if text else msgspec.msgpack.encode(fields)


@pytest.mark.parametrize("text", [False, True])
def test_the_first_frame_is_the_challenge(*, text: bool) -> None:
    opening = dialogue(text=text, greeted=False).opening("t0")
    chosen = codec.codecs_for_device()[codec.SUBPROTOCOL_JSON if text else codec.SUBPROTOCOL]
    assert chosen.decode(opening) == Challenge(NONCE, "t0")


@pytest.mark.parametrize("text", [False, True])
def test_hello_comes_first_and_once(*, text: bool) -> None:
    talk = dialogue(text=text, greeted=False)
    data = talk.codec.encode(HELLO)
    assert talk.receive(data, text=text) == HELLO
    talk.greeted = True
    assert talk.receive(data, text=text) == Refused(7, BadFrame("greeted already"))


@pytest.mark.parametrize("text", [False, True])
def test_commands_come_after_hello(*, text: bool) -> None:
    talk = dialogue(text=text, greeted=False)
    data = talk.codec.encode(READ)
    with pytest.raises(Hangup) as hangup:
        talk.receive(data, text=text)
    assert hangup.value.code == Close.NOT_SIGNED_IN
    talk.greeted = True
    assert talk.receive(data, text=text) == READ


@pytest.mark.parametrize("text", [False, True])
def test_a_message_of_the_other_subprotocol_ends_the_connection(*, text: bool) -> None:
    talk = dialogue(text=text)
    with pytest.raises(Hangup) as hangup:
        talk.receive(talk.codec.encode(READ), text=not text)
    assert hangup.value.code == Close.PROTOCOL


def test_fault_11_nobody_is_told_what_is_wrong_before_hello() -> None:
    with pytest.raises(Hangup) as hangup:
        dialogue(greeted=False).receive(b"\xc1", text=False)
    assert hangup.value.code == Close.PROTOCOL


@pytest.mark.parametrize("text", [False, True])
def test_fault_11_a_bad_frame_is_refused_by_its_id(*, text: bool) -> None:
    talk = dialogue(text=text)
    refused = talk.receive(packed("query_keys", 41, [], text=text), text=text)
    assert isinstance(refused, Refused)
    assert refused.id == 41
    assert isinstance(refused.error, BadFrame)
    assert 0 < len(refused.error.reason) <= 200


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("number", [-1, 2**53, 1.5, True, "7", None, [7]])
def test_fault_11_what_is_no_id_is_not_repeated(number: object, *, text: bool) -> None:
    refused = dialogue(text=text).receive(packed("query_keys", number, [], text=text), text=text)
    assert isinstance(refused, Refused)
    assert refused.id is None


def test_a_position_is_not_taken_for_an_id() -> None:
    for fields in (("ack", 5, "x"), ("set_presence", 5), ("watch", 5)):
        refused = dialogue().receive(packed(*fields), text=False)
        assert isinstance(refused, Refused)
        assert (refused.id, type(refused.error)) == (None, BadFrame)
    assert [TAGS[name] for name in ("ack", "watch", "send", "hello")] == [False, False, True, True]


@pytest.mark.parametrize("text", [False, True])
def test_a_command_of_a_newer_version_is_unsupported(*, text: bool) -> None:
    talk = dialogue(text=text)
    assert talk.receive(packed("levitate", 8, "up", text=text), text=text) == Refused(8, Unsupported())
    assert talk.receive(packed("levitate", "up", text=text), text=text) == Refused(None, Unsupported())


@pytest.mark.parametrize(
    "data", [b"", b"\xc0", b"\x90", b"\x91\xa5hello", b"\x92\x01\x07", b"\x92\xc0\xc0", b"\x91" * 90_000 + b"\xc0"]
)
def test_fault_11_what_is_no_frame_at_all_is_refused_without_an_id(data: bytes) -> None:
    refused = dialogue().receive(data, text=False)
    assert isinstance(refused, Refused)
    assert refused.id in (None, 7)
    assert isinstance(refused.error, BadFrame)


def test_every_tag_is_known() -> None:
    assert len(TAGS) == len(Command.__args__)


@settings(max_examples=500)
@given(data=st.binary(max_size=200), text=st.booleans(), greeted=st.booleans())
def test_fault_11_any_bytes_give_a_command_an_answer_or_an_end(data: bytes, *, text: bool, greeted: bool) -> None:
    talk = dialogue(text=text, greeted=greeted)
    try:
        result: object = talk.receive(data, text=text)
    except Hangup as hangup:
        result = hangup.code
    if isinstance(result, Close):
        assert not greeted
        assert result in (Close.PROTOCOL, Close.NOT_SIGNED_IN)
    elif isinstance(result, Refused):
        chosen = codec.codecs_for_device()[codec.SUBPROTOCOL]
        assert chosen.decode(chosen.encode(result)) == result


@settings(max_examples=500)
@given(
    command=st.sampled_from([READ, Ack(3, [1, 2]), Watch(["@" + "a" * 53])]),
    place=st.integers(0, 200),
    byte=st.integers(0, 255),
)
def test_fault_11_a_byte_that_changed_on_the_way_breaks_nothing(command: Command, place: int, byte: int) -> None:
    talk = dialogue()
    data = bytearray(talk.codec.encode(command))
    data[place % len(data)] = byte
    result = talk.receive(bytes(data), text=False)
    assert isinstance(result, Refused | MarkRead | Ack | Watch)
