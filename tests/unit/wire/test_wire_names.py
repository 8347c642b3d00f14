"""Ids, close codes, signed texts and limits."""

import re
import uuid

from hypothesis import given
from hypothesis import strategies as st

from tidings.wire import ids, limits, signing
from tidings.wire.closes import Close, advice
from tidings.wire.errors import WireError

SERVER = "t0000000000000000"


def test_a_server_id_is_a_valid_host_name() -> None:
    made = {ids.new_server_id() for _ in range(50)}
    assert len(made) == 50
    assert all(re.fullmatch(r"t[0-9a-f]{16}", name) for name in made)


@given(key=st.uuids())
def test_a_wire_name_tells_its_uuid(key: uuid.UUID) -> None:
    for name in (ids.account_id(key, SERVER), ids.conversation_id(key, SERVER)):
        assert ids.uuid_of(name) == key
        assert 40 <= len(name) <= 80


def test_any_other_text_has_no_uuid() -> None:
    for name in ("", "@", "@nobody:here", "x" * 80):
        assert ids.uuid_of(name) is None


def test_a_device_id_is_ten_letters() -> None:
    made = {ids.new_device_id() for _ in range(50)}
    assert len(made) == 50
    assert all(re.fullmatch("[A-Z]{10}", name) for name in made)


@given(now=st.integers(0, 2**48 - 1))
def test_a_msg_id_is_a_uuid_of_version_7_that_tells_its_time(now: int) -> None:
    made = ids.new_msg_id(now)
    as_uuid = uuid.UUID(bytes=made)
    assert (as_uuid.version, as_uuid.variant) == (7, uuid.RFC_4122)
    assert ids.msg_id_time(made) == now


def test_msg_ids_of_the_same_time_differ() -> None:
    assert len({ids.new_msg_id(1) for _ in range(100)}) == 100


@given(one=st.integers(0, 2**48 - 1), other=st.integers(0, 2**48 - 1))
def test_msg_ids_sort_by_their_time(one: int, other: int) -> None:
    if one != other:
        assert (ids.new_msg_id(one) < ids.new_msg_id(other)) == (one < other)


def test_the_hundred_of_a_close_code_tells_what_to_do() -> None:
    assert {code.name: advice(code) for code in Close} == {
        "REPLACED_BY_RESTART": "now",
        "SLOW_CONSUMER": "now",
        "SILENT": "now",
        "MOVED": "later",
        "TOO_MANY": "later",
        "NOT_SIGNED_IN": "sign-in",
        "DEVICE_REMOVED": "sign-in",
        "NEWER_CONNECTION": "stop",
        "PROTOCOL": "stop",
    }
    assert {advice(code) for code in (1000, 1001, 1006, 1011, 4500)} == {"later"}


def test_signed_texts_name_what_they_are_for_and_cannot_be_taken_for_one_another() -> None:
    nonce = bytes(range(16))
    hello = signing.hello_text(nonce, SERVER, "@a", "DEVICE", b"box")
    renewal = signing.renewal_text(SERVER, "@a", "DEVICE", 7, nonce)
    request = signing.request_text(SERVER, "@a", "DEVICE", 7, nonce, method="GET", path="/v1/devices", body=b"")
    assert hello.split("\n") == ["tidings hello v1", "AAECAwQFBgcICQoLDA0ODw==", SERVER, "@a", "DEVICE", "Ym94"]
    assert renewal.split("\n") == ["tidings renewal v1", SERVER, "@a", "DEVICE", "7", "AAECAwQFBgcICQoLDA0ODw=="]
    empty = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    assert request.split("\n")[0] == "tidings request v1"
    assert request.split("\n")[-3:] == ["GET", "/v1/devices", empty]


@given(body=st.binary(max_size=50), other=st.binary(max_size=50))
def test_a_signed_request_is_of_one_body(body: bytes, other: bytes) -> None:
    texts = [
        signing.request_text(SERVER, "@a", "D", 7, b"n", method="POST", path="/x", body=part) for part in (body, other)
    ]
    assert (texts[0] == texts[1]) == (body == other)


def test_the_largest_send_fits_into_a_frame_even_as_json() -> None:
    shares = limits.MAX_SHARES_IN_SEND * limits.MAX_SHARE * 4 // 3
    assert limits.MAX_CIPHERTEXT * 4 // 3 + shares < limits.MAX_FRAME


def test_error_codes_are_the_names_of_the_protocol() -> None:
    assert sorted(str(kind.__struct_config__.tag) for kind in WireError.__args__) == [
        "BAD_FRAME",
        "KEY_REUSED",
        "MAILBOX_FULL",
        "NOT_ALLOWED",
        "OUT_OF_ORDER",
        "RATE_LIMITED",
        "STALE_EPOCH",
        "TOO_LARGE",
        "TOO_OLD",
        "UNAVAILABLE",
        "UNKNOWN_OUTCOME",
        "UNSUPPORTED",
    ]
