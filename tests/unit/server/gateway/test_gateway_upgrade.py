"""Requests to upgrade, taken apart."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.raw import handshake
from tidings.server.gateway.upgrade import Denied, Request, check_handshake, parse

KEY = base64.b64encode(bytes(16)).decode()


def request(**changed: str | None) -> Request:
    """Return a good handshake with headers changed (_ for -)."""
    headers = {"Sec-WebSocket-Key": KEY} | {name.replace("_", "-"): value for name, value in changed.items()}
    return parse(handshake(80, headers=headers))


def test_a_request_is_taken_apart() -> None:
    asked = parse(b"GET /v1/socket?a=b?c HTTP/1.1\r\nHost: here:80\r\nORIGIN:http://here:80 \r\n\r\n")
    assert asked == Request("GET", "/v1/socket", {"host": "here:80", "origin": "http://here:80"})


def test_headers_that_are_repeated_are_joined() -> None:
    asked = parse(
        b"GET / HTTP/1.1\r\nCookie: a=1\r\nX-Forwarded-For: 1.1.1.1\r\ncookie: b=2\r\nx-forwarded-for: 2.2.2.2\r\n"
    )
    assert asked.headers == {"cookie": "a=1; b=2", "x-forwarded-for": "1.1.1.1, 2.2.2.2"}


def test_a_header_has_one_colon_that_counts_and_may_be_empty() -> None:
    asked = parse(b"GET / HTTP/1.1\r\nA: b: c\r\nEmpty:\r\nnone\r\n\r\n")
    assert asked.headers == {"a": "b: c", "empty": ""}


@given(value=st.binary(max_size=50).filter(lambda value: b"\r" not in value and b"\n" not in value))
def test_any_bytes_in_a_header_are_taken(value: bytes) -> None:
    asked = parse(b"GET / HTTP/1.1\r\nX: a" + value + b"a\r\n\r\n")
    assert asked.headers["x"].encode("latin-1") == b"a" + value + b"a"


def test_a_handshake_of_rfc_6455_is_taken() -> None:
    assert check_handshake(request()) == KEY


@pytest.mark.parametrize(
    "key",
    [
        None,
        "",
        "x",
        KEY[:-2],
        base64.b64encode(bytes(15)).decode(),
        base64.b64encode(bytes(17)).decode(),
        "!" * 24,
        " " * 24,
        "é" * 24,
        KEY[:20] + "\t" + KEY[21:],
    ],
)
def test_a_key_is_sixteen_bytes_in_base64(key: str | None) -> None:
    with pytest.raises(Denied) as denied:
        check_handshake(request(Sec_WebSocket_Key=key))
    assert denied.value.status == 400


@pytest.mark.parametrize("version", [None, "", "8", "7", "12", "14", "13, 8", "thirteen"])
def test_there_is_one_version(version: str | None) -> None:
    with pytest.raises(Denied) as denied:
        check_handshake(request(Sec_WebSocket_Version=version))
    assert denied.value.status == 400


@pytest.mark.parametrize("method", ["POST", "HEAD", "PUT", "OPTIONS", "get"])
def test_only_a_get_is_upgraded(method: str) -> None:
    with pytest.raises(Denied) as denied:
        check_handshake(request()._replace(method=method))
    assert denied.value.status == 400
