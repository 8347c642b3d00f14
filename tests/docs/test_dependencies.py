"""Each library stands on docs/dependencies.md, and nothing else does."""

import json
import re
import tomllib

import pytest

from support.pages import page, rows, section

PROJECT = tomllib.loads(page("pyproject.toml"))["project"]
WEB = json.loads(page("web/package.json"))


def named(requirements: list[str]) -> set[str]:
    """Return the names in requirements."""
    return {re.split(r"[\[=<>~! ]", requirement)[0] for requirement in requirements}


@pytest.mark.parametrize(
    ("heading", "wanted"),
    [
        ("Python, to run", named(PROJECT["dependencies"])),
        ("Python, to build", named(PROJECT["optional-dependencies"]["build"])),
        ("Python, to test", named(PROJECT["optional-dependencies"]["dev"])),
        ("Web, in the page or to build it", set(WEB["dependencies"])),
        ("Web, to test", set(WEB["devDependencies"])),
    ],
)
def test_the_page_tells_of_the_libraries_of_the_manifests(heading: str, wanted: set[str]) -> None:
    table = rows(section(page("docs/dependencies.md"), heading))
    assert {name for cells in table for name in re.findall("`(.+?)`", cells[0])} == wanted


@pytest.mark.parametrize("path", ["requirements.txt", "requirements-dev.txt"])
def test_every_pin_has_a_hash(path: str) -> None:
    pins = re.split(r"\n(?=\S)", page(path).strip())
    assert len(pins) > 30
    assert [pin.splitlines()[0] for pin in pins if "--hash=sha256:" not in pin] == []


def test_every_package_of_the_web_client_is_pinned_by_its_content() -> None:
    packages = {name: each for name, each in json.loads(page("web/package-lock.json"))["packages"].items() if name}
    assert len(packages) > 30
    assert [name for name, package in packages.items() if "integrity" not in package] == []
