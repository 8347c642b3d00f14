"""Links as QR codes, drawn in characters: two rows of a code in each line."""

import os
import sys
from typing import Final

import segno

BORDER: Final = 2
BLACK_ON_WHITE: Final = "\x1b[38;5;16;48;5;231m"
PLAIN: Final = "\x1b[0m"


def code_of(link: str, *, inverted: bool = False) -> list[str]:
    """Return the code of a link as lines. Dark is drawn and light left out; `inverted` the other way round."""
    rows = [[bool(module) for module in row] for row in segno.make(link, error="l").matrix_iter(border=BORDER)]
    if len(rows) % 2:
        rows.append([False] * len(rows[0]))
    signs = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}
    return [
        "".join(
            signs[upper != inverted, lower != inverted] for upper, lower in zip(rows[at], rows[at + 1], strict=True)
        )
        for at in range(0, len(rows), 2)
    ]


def show(link: str) -> None:
    """Print the code of a link, and a line below it, unless the output knows no such signs.

    Black on white where colours are known. Elsewhere light is drawn: most terminals are dark.
    """
    if not "█".encode(sys.stdout.encoding, "ignore"):
        return
    in_colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    for line in code_of(link, inverted=not in_colours):
        print(f"{BLACK_ON_WHITE}{line}{PLAIN}" if in_colours else line)
    print()
