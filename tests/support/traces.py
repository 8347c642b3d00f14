"""Traces of what should be gone: samples of bytes that are looked for in every file of a folder."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final

SAMPLE: Final = 16
"""Bytes of a sample."""
PAGE: Final = 4096
EMPTY: Final = bytes(PAGE)


def samples_of(data: bytes) -> set[bytes]:
    """Return samples that lie side by side: whatever is left of `data` in one piece of some size holds one."""
    return {data[at : at + SAMPLE] for at in range(0, len(data) - SAMPLE + 1, SAMPLE)}


def traces(folder: Path, samples: AbstractSet[bytes]) -> dict[str, set[bytes]]:
    """Return the samples that stand in the files of a folder, by the name of the file."""
    found: dict[str, set[bytes]] = {}
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        for data in _stretches(path.read_bytes()):
            here = samples & {data[at : at + SAMPLE] for at in range(len(data) - SAMPLE + 1)}
            if here:
                found.setdefault(path.name, set()).update(here)
    return found


def _stretches(data: bytes) -> Iterator[bytes]:
    """Yield the parts of a file that are not whole pages of zeros, each with a little of what is around it."""
    start: int | None = None
    for at in range(0, len(data), PAGE):
        if data[at : at + PAGE] == EMPTY:
            if start is not None:
                yield data[start : at + SAMPLE]
            start = None
        elif start is None:
            start = max(at - SAMPLE, 0)
    if start is not None:
        yield data[start:]
