"""Why a connection ends. The hundred that a code stands in tells a device what to do; the rest is for logs."""

import enum


class Close(enum.IntEnum):
    """Close codes of Tidings (RFC 6455 leaves 4000-4999 to applications)."""

    REPLACED_BY_RESTART = 4000
    """The server starts again: come back at once."""
    SLOW_CONSUMER = 4001
    """The device did not read what it was sent: come back at once, nothing is lost."""
    SILENT = 4002
    """Nothing was heard for 25 seconds: come back at once."""
    MOVED = 4100
    """The server is going down or is overloaded: come back after a jittered wait."""
    TOO_MANY = 4101
    """Too many connections or frames from this address: come back after a jittered wait."""
    NOT_SIGNED_IN = 4200
    """The credential is not valid (any more), or none was shown in time: sign in again."""
    DEVICE_REMOVED = 4201
    """This device was signed out or removed: sign in again."""
    NEWER_CONNECTION = 4300
    """The same device connected again: stop, the newer connection goes on."""
    PROTOCOL = 4301
    """Frames that no version of the protocol knows: stop and tell the person."""


def advice(code: int) -> str:
    """Return what a device does on close code `code`: now, later, sign-in or stop."""
    match code // 100:
        case 40:
            return "now"
        case 42:
            return "sign-in"
        case 43:
            return "stop"
        case _:
            return "later"
