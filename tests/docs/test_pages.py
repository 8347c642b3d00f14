"""All pages: what they link to is there, and what they name exists."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.pages import ROOT, page, pages

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|<img [^>]*src=\"([^\"]+)\"|<source [^>]*srcset=\"([^\"]+)\"")
CODE = re.compile(r"```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
TEST = re.compile(r"`(test_\w+)`")


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as they are made from them everywhere."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(path: Path) -> Iterator[str]:
    """Yield what a page links to."""
    for found in LINK.finditer(CODE.sub("", path.read_text())):
        yield next(target for target in found.groups() if target)


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_and_picture_leads_somewhere(path: Path) -> None:
    for target in links(path):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        found = (path.parent / name).resolve() if name else path
        assert found.exists(), target
        assert found.is_relative_to(ROOT), target
        if anchor:
            assert anchor in anchors(found.read_text()), target


def test_every_page_can_be_reached_from_the_first() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            names = [target.partition("#")[0] for target in links(path) if not re.match("[a-z]+:", target)]
            waiting += [(path.parent / name).resolve() for name in names if name.endswith(".md")]
    assert set(pages()) <= seen


def test_every_target_of_make_that_is_named_is_there() -> None:
    known = set(re.findall(r"^([a-z-]+):", page("Makefile"), re.MULTILINE))
    for path in pages():
        named = set(re.findall(r"(?:^|`)make ([a-z-]+)(?=[ `]|$)", path.read_text(), re.MULTILINE))
        assert named <= known, path


def test_every_test_that_is_named_is_there() -> None:
    files = [*(ROOT / "tests").rglob("test_*.py")]
    known = {file.stem for file in files}
    for file in files:
        known |= set(re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE))
    for path in pages():
        for name in TEST.findall(path.read_text()):
            assert any(test == name or test.startswith(f"{name}_") for test in known), f"{name} in {path.name}"
