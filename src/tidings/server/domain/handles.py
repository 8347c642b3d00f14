"""Handles: the one name of an account that the server knows."""

import re
from typing import Final

_SHAPE: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{1,30})[a-z0-9]")

# Pairs that look alike in common fonts (Unicode TR 39 gives the same, restricted to these characters).
_ALIKE: Final = (
    ("rn", "m"),
    ("vv", "w"),
    ("0", "o"),
    ("1", "l"),
    ("i", "l"),
    ("5", "s"),
    ("-", "_"),
    (".", "_"),
)

RESERVED: Final = frozenset({"admin", "administrator", "everyone", "root", "server", "support", "system", "tidings"})


def fold(name: str) -> str | None:
    """Return the handle that `name` stands for, in lower case, or None if it is none.

    A leading @ is allowed, since people write it.
    """
    written = name.strip().removeprefix("@")
    folded = written.lower()
    return folded if written.isascii() and _SHAPE.fullmatch(folded) else None


def skeleton(handle: str) -> str:
    """Return what two handles have in common that a person could take for one another."""
    for look, alike in _ALIKE:
        handle = handle.replace(look, alike)
    return handle


def is_reserved(handle: str) -> bool:
    """Return whether nobody may have this handle, or one that looks like it."""
    return skeleton(handle) in _RESERVED_SKELETONS


_RESERVED_SKELETONS: Final = frozenset(skeleton(handle) for handle in RESERVED)
