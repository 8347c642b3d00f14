"""Words for people, and what strangers write, made safe for a terminal."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.cli.qr import code_of
from tidings.cli.terminal import words
from tidings.cli.terminal.screens.welcome import address_of
from tidings.cli.terminal.theme import DARK, LIGHT, guess
from tidings.sdk import Distrusted, IdentityChanged, NotSignedIn, SendFailed, ServerRefused, Unreachable
from tidings.wire.errors import NotAllowed, RateLimited, Refusal, TooLarge

TODAY = date(2026, 11, 22)


def at(*when: int) -> int:
    """Return a local time in milliseconds."""
    return int(datetime(*when).astimezone().timestamp() * 1000)  # type: ignore[arg-type]


@given(st.text())
def test_nothing_that_is_shown_commands_a_terminal(text: str) -> None:
    shown = words.safe(text)
    assert all(sign == "\n" or (ord(sign) >= 32 and not 0x7F <= ord(sign) < 0xA0) for sign in shown)
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")
    assert "\n" not in words.one_line(text)


def test_plain_text_of_any_script_stays_as_it_is() -> None:
    for text in ("Zażółć gęślą jaźń", "نلتقي عند المرسى", "שלום", "こんにちは", "👩‍👩‍👧 🏳️‍🌈", "a\nb"):
        assert words.safe(text) == text


@pytest.mark.parametrize(
    ("when", "shown"),
    [
        (at(2026, 11, 22, 0, 5), "00:05"),
        (at(2026, 11, 21, 23, 59), "Sat"),
        (at(2026, 11, 16, 12, 0), "Mon"),
        (at(2026, 11, 15, 12, 0), "15 Nov"),
        (at(2025, 11, 22, 12, 0), "2025-11-22"),
    ],
)
def test_a_list_shows_a_time_as_short_as_can_be(when: int, shown: str) -> None:
    assert words.short_time(when, TODAY) == shown


def test_days_have_names() -> None:
    assert words.day(TODAY, TODAY) == "Today"
    assert words.day(date(2026, 11, 21), TODAY) == "Yesterday"
    assert words.day(date(2026, 11, 15), TODAY) == "Sunday, 15 November"
    assert words.day(date(2025, 12, 31), TODAY) == "Wednesday, 31 December 2025"


def test_last_seen_says_nothing_where_nothing_is_told() -> None:
    assert words.last_seen(0, TODAY) == ""
    assert words.last_seen(at(2026, 11, 22, 9, 5), TODAY) == "last seen today, 09:05"
    assert words.last_seen(at(2026, 11, 15, 9, 5), TODAY) == "last seen Sunday, 15 November, 09:05"


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (ServerRefused(401, "WRONG_PASSWORD", "x"), "The name or the password is wrong."),
        (ServerRefused(400, "NEW_CODE", "Told by the server."), "Told by the server."),
        (SendFailed("NOT_ALLOWED"), "It was not sent: this person takes no messages from you now."),
        (SendFailed("NEW_CODE"), "It was not sent (NEW_CODE)."),
        (Refusal(NotAllowed()), "This is not possible with this person."),
        (Refusal(RateLimited(1000)), "Too many tries. Wait a minute, then try again."),
        (Refusal(TooLarge(1)), "The server refuses this (TooLarge)."),
        (Unreachable("x"), "No answer from here:8440. Check the address, and that you are online."),
        (NotSignedIn("signed out"), "signed out"),
        (RuntimeError("inside"), "RuntimeError"),
    ],
)
def test_failures_are_said_in_a_line(error: Exception, shown: str) -> None:
    assert words.failure(error, "http://here:8440/#/join/code") == shown


def test_another_identity_is_told_apart_from_a_server_that_lies() -> None:
    changed, lies = words.worry(IdentityChanged("@bob:here"), "Bob"), words.worry(Distrusted("@bob:here", "x"), "Bob")
    assert "Bob started again" in changed
    assert "Bob did not sign" in lies


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("chat.example.org", "https://chat.example.org"),
        (" https://chat.example.org/#/join/x ", "https://chat.example.org"),
        ("localhost:8440", "http://localhost:8440"),
        ("127.0.0.1:8440/", "http://127.0.0.1:8440"),
        ("[::1]:8440", "http://[::1]:8440"),
        ("localhost.example.org", "https://localhost.example.org"),
        ("[::1", "https://[::1"),
        ("http://[::1", "http://[::1"),
        ("[2001:db8::1]:443", "https://[2001:db8::1]:443"),
    ],
)
def test_a_server_is_reached_by_tls_unless_it_is_on_this_machine(written: str, address: str) -> None:
    assert address_of(written) == address


def test_a_light_terminal_gets_light_colours_and_both_themes_have_the_same_names() -> None:
    assert (guess("0;15"), guess("15;0"), guess("")) == ("light", "dark", "dark")
    assert LIGHT.keys() == DARK.keys()


def test_a_code_may_be_drawn_dark_on_light_or_light_on_dark() -> None:
    drawn, inverted = code_of("https://example.org"), code_of("https://example.org", inverted=True)
    assert len({len(line) for line in drawn}) == 1
    pairs = {(a, b) for line, other in zip(drawn, inverted, strict=True) for a, b in zip(line, other, strict=True)}
    assert pairs == {(" ", "█"), ("█", " "), ("▀", "▄"), ("▄", "▀")}


def test_time_zones_are_those_of_the_reader() -> None:
    moment = int(datetime(2026, 6, 1, 12, 0, tzinfo=UTC).timestamp() * 1000)
    assert words.local(moment) == datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
