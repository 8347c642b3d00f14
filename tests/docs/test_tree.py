"""What stands in the tree: nothing of one machine, no place that packages come from, and no file that is too long."""

import re
import subprocess

from support.pages import ROOT

LISTED = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
FILES = [name for name in LISTED.split("\0") if name and (ROOT / name).is_file()]
TEXTS = {name: (ROOT / name).read_text() for name in FILES if not name.endswith((".png", ".bin", ".gz"))}

PLACE = re.compile(r"(?<![\w.~])/(?:root|home/[a-z]|Users/[A-Z]|work|mnt)\b")
"""Where somebody's files are."""
SOURCE = re.compile(
    r"registry\.(?:npmjs|yarnpkg)|pypi\.org|pythonhosted|--(?:extra-)?index-url|--find-links|registry\s*=\s*.?https?:"
)
"""Where somebody's packages come from."""

MADE = re.compile(
    r"LICENSE|requirements(-dev)?\.txt|web/package-lock\.json|web/src/wire/frames\.ts|web/src/locales/\w+\.json"
    r"|tests/vectors/.+|docs/protocol\.md"
)
"""Data, or made from something else."""
MOST_LINES = 400
MOST_LINES_OF_TESTS = 800


def found(pattern: re.Pattern[str]) -> list[str]:
    """Return where a pattern stands in the tree; this file says what it is and is left out."""
    own = "tests/docs/test_tree.py"
    return [f"{name}: {hit[0]}" for name, text in TEXTS.items() if name != own for hit in pattern.finditer(text)]


def test_no_file_names_a_path_of_one_machine() -> None:
    assert found(PLACE) == []


def test_no_file_names_a_place_that_packages_come_from() -> None:
    assert found(SOURCE) == []


def test_no_file_is_longer_than_one_idea() -> None:
    lines = {name: len(text.splitlines()) for name, text in TEXTS.items() if not MADE.fullmatch(name)}
    most = {name: MOST_LINES_OF_TESTS if name.startswith("tests/") else MOST_LINES for name in lines}
    assert [f"{name}: {count}" for name, count in lines.items() if count > most[name]] == []


def test_what_is_made_is_there_to_be_left_out() -> None:
    assert len(TEXTS) > 300
    assert {name for name in FILES if MADE.fullmatch(name)} >= {"LICENSE", "docs/protocol.md", "requirements.txt"}
