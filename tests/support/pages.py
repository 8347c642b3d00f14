"""The pages of the documentation, and what stands in them."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\|(.+)\|$", re.MULTILINE)


def page(path: str) -> str:
    """Return the text of a page by its path from the top of the checkout."""
    return (ROOT / path).read_text()


def pages() -> list[Path]:
    """Return all pages that people read."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def code_blocks(text: str, language: str) -> Iterator[str]:
    """Yield the code blocks of a language."""
    for found in _FENCE.finditer(text):
        if found[1] == language:
            yield found[2]


def section(text: str, heading: str) -> str:
    """Return what stands below a heading, up to the next one of its level or above."""
    start = re.search(rf"^(#+) {re.escape(heading)}$", text, re.MULTILINE)
    assert start is not None, heading
    rest = text[start.end() :]
    end = re.search(rf"^#{{1,{len(start[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def rows(text: str) -> list[list[str]]:
    """Return the cells of the tables in a text; heads and rules are left out."""
    found = [[cell.strip() for cell in row[1].split("|")] for row in _ROW.finditer(text)]
    rules = {number for number, cells in enumerate(found) if all(re.fullmatch(":?-+:?", cell) for cell in cells)}
    heads = {number - 1 for number in rules}
    return [cells for number, cells in enumerate(found) if number not in rules | heads]
