"""Words for people: times, states, errors. And what strangers write, made safe for a terminal."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from tidings.sdk import Distrusted, IdentityChanged, SendFailed, ServerRefused, TidingsError, Unreachable
from tidings.sdk.events import State
from tidings.wire.errors import NotAllowed, RateLimited, Refusal

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# Marks that turn the direction of all that follows; a name could hide behind them. Plain right-to-left needs none.
_TURNING: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")

TICKS: Final[dict[State, str]] = {
    "pending": "◷",
    "sent": "✓",
    "delivered": "✓✓",
    "read": "✓✓",
    "failed": "✗ not sent",
    "expired": "✗ never arrived",
}
TICK_WORDS: Final[dict[State, str]] = {
    "pending": "waiting",
    "sent": "sent",
    "delivered": "arrived",
    "read": "read",
    "failed": "not sent",
    "expired": "never arrived",
}


def safe(text: str) -> str:
    """Return a text in which nothing commands the terminal: control characters become visible signs."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    text = _TURNING.sub("", text.replace("\t", "    "))
    return _CONTROL.sub(_sign, text)


def one_line(text: str) -> str:
    """Return a safe text in one line."""
    return " ".join(safe(text).split())


def _sign(found: re.Match[str]) -> str:
    code = ord(found.group())
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else "\ufffd"


def local(milliseconds: int) -> datetime:
    """Return a time by this machine's clock and zone."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).astimezone()


def clock(milliseconds: int) -> str:
    """Return the time of day."""
    return f"{local(milliseconds):%H:%M}"


def day(when: date, today: date) -> str:
    """Return the name of a day."""
    if when == today:
        return "Today"
    if when == today - timedelta(days=1):
        return "Yesterday"
    year = f" {when.year}" if when.year != today.year else ""
    return f"{when:%A}, {when.day} {when:%B}{year}"


def short_time(milliseconds: int, today: date) -> str:
    """Return a time for a list: the time of day, a weekday, a date."""
    when = local(milliseconds)
    age = (today - when.date()).days
    if age <= 0:
        return f"{when:%H:%M}"
    if age < 7:
        return f"{when:%a}"
    return f"{when.day} {when:%b}" if when.year == today.year else f"{when:%Y-%m-%d}"


def last_seen(milliseconds: int, today: date) -> str:
    """Return when somebody was here last; nothing if that is not told."""
    if not milliseconds:
        return ""
    name = day(local(milliseconds).date(), today)
    return f"last seen {name.lower() if name in ('Today', 'Yesterday') else name}, {clock(milliseconds)}"


def count(number: int, one: str, many: str) -> str:
    """Return a number with its noun."""
    return f"{number} {one if number == 1 else many}"


def worry(concern: Distrusted, name: str) -> str:
    """Return what a person is told when nothing is sent to somebody."""
    if isinstance(concern, IdentityChanged):
        return (
            f"{name} started again, on a new device or with new keys. Or somebody pretends to be {name}. "
            "Ask in another way, by a call or in person."
        )
    return (
        f"The server says something about {name}'s devices that {name} did not sign. "
        "Nothing is sent until it tells the truth. Ask who runs the server."
    )


REFUSED: Final = {
    "INVITE_SPENT": "This invite was used, or has expired. If you came in by it before, sign in instead.",
    "NAME_TAKEN": "This name, or one that looks like it, is taken. Choose another.",
    "BAD_NAME": "A name has 3 to 32 letters (a to z), digits, dots, dashes or underscores.",
    "WRONG_PASSWORD": "The name or the password is wrong.",
    "NOT_FOUND": "Nobody has this name here.",
    "RATE_LIMITED": "Too many tries. Wait a minute, then try again.",
}
NOT_SENT: Final = {
    "NOT_ALLOWED": "It was not sent: this person takes no messages from you now.",
    "MAILBOX_FULL": "It was not sent: their mailbox is full. They have not been here for long.",
    "TOO_OLD": "It was not sent: it waited for too long. Write it again.",
}


def failure(error: Exception, url: str = "") -> str:
    """Return in one line why something did not work."""
    match error:
        case ServerRefused():
            return REFUSED.get(error.code, str(error))
        case SendFailed():
            return NOT_SENT.get(error.reason, f"It was not sent ({error.reason}).")
        case Unreachable():
            host = urlsplit(url).netloc or url
            return f"No answer from {host}. Check the address, and that you are online." if host else "No answer."
        case Refusal():
            return _refusal(error)
        case _:
            return str(error) if isinstance(error, TidingsError | ValueError) else type(error).__name__


def _refusal(refusal: Refusal) -> str:
    match refusal.error:
        case NotAllowed():
            return "This is not possible with this person."
        case RateLimited():
            return REFUSED["RATE_LIMITED"]
        case other:
            return f"The server refuses this ({type(other).__name__})."
