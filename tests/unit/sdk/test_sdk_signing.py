"""Signed JSON as the Matrix specification has it, and links as people paste them."""

import pytest

from tidings.sdk.crypto.signing import (
    BadSignature,
    SigningKey,
    canonical,
    decode,
    encode,
    parse,
    public_key,
    verify_object,
)
from tidings.sdk.sync.enrolment import split_invite


def test_canonical_json_is_that_of_the_specification() -> None:
    """The examples stand in the appendix "Canonical JSON"."""
    value = {"b": "2", "a": "1", "signatures": {"x": 1}, "unsigned": {"y": 1}}
    assert canonical(value) == b'{"a":"1","b":"2"}'
    assert canonical({"a": "日本語"}) == '{"a":"日本語"}'.encode()
    assert canonical({"本": 2, "日": 1}) == '{"日":1,"本":2}'.encode()
    assert canonical({"a": None, "nested": {"b": [], "a": True}}) == b'{"a":null,"nested":{"a":true,"b":[]}}'


def test_a_signed_object_is_verified_and_any_change_is_found() -> None:
    key = SigningKey()
    value = {"user_id": "@a:b", "keys": {f"ed25519:{key.public}": key.public}}
    key.sign_object(value, "@a:b")
    verify_object(value, "@a:b", key.public, key.public)
    assert public_key(value) == key.public
    with pytest.raises(BadSignature):
        verify_object(value | {"user_id": "@c:b"}, "@a:b", key.public, key.public)
    with pytest.raises(BadSignature):
        verify_object(value, "@c:b", key.public, key.public)
    with pytest.raises(BadSignature):
        verify_object(value, "@a:b", key.public, SigningKey().public)
    again = SigningKey(key.seed)
    assert again.public == key.public


@pytest.mark.parametrize("text", ["", "[]", "1", "{", "[" * 100_000, '"x"'])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(BadSignature):
        parse(text)


def test_base64_is_read_with_and_without_padding_and_nothing_else_is() -> None:
    assert decode(encode(b"\x00\xff")) == decode("AP8=") == b"\x00\xff"
    for text in ("A", "A!==", "AP8_", "AP 8"):
        with pytest.raises(BadSignature):
            decode(text)


@pytest.mark.parametrize(
    "value",
    [{}, {"keys": {}}, {"keys": []}, {"keys": {"ed25519:a": "b"}}, {"keys": {"ed25519:a": "a", "ed25519:b": "b"}}],
)
def test_a_cross_signing_key_is_one_key_under_its_own_name(value: dict[str, object]) -> None:
    with pytest.raises(BadSignature):
        public_key(value)


def test_an_invite_link_is_taken_apart() -> None:
    assert split_invite("https://t.example:8440/#/join/abc_-1") == ("https://t.example:8440", "abc_-1")
    for link in ("", "abc", "https://t.example/", "https://t.example/#/join/", "ftp://t.example/#/join/a", "/#/join/a"):
        with pytest.raises(ValueError, match="invite link"):
            split_invite(link)
