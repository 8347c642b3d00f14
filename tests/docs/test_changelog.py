"""Fragments of the changelog become a changelog."""

import subprocess
import sys
import tomllib

from support.pages import ROOT, page

FRAGMENTS = [file for file in (ROOT / "changelog.d").iterdir() if file.name != "README.md"]


def test_every_fragment_is_of_a_known_kind_and_appears_in_the_changelog() -> None:
    kinds = {kind["directory"] for kind in tomllib.loads(page("pyproject.toml"))["tool"]["towncrier"]["type"]}
    command = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "1.2.3"]
    draft = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for file in FRAGMENTS:
        name, kind, extension = file.name.rsplit(".", 2)
        assert name
        assert kind in kinds, file.name
        assert extension == "md"
        assert " ".join(file.read_text().split()) in " ".join(draft.split())


def test_the_kinds_are_told() -> None:
    kinds = [kind["directory"] for kind in tomllib.loads(page("pyproject.toml"))["tool"]["towncrier"]["type"]]
    assert all(f"| `{kind}` |" in page("changelog.d/README.md") for kind in kinds)


def test_a_release_is_written_behind_the_mark() -> None:
    mark = tomllib.loads(page("pyproject.toml"))["tool"]["towncrier"]["start_string"]
    assert page("CHANGELOG.md").count(mark) == 1
