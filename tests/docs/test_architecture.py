"""Every function that docs/architecture.md names is there."""

import importlib
import re

import pytest

from support.pages import ROOT, page

TEXT = page("docs/architecture.md")
PYTHON = sorted(set(re.findall(r"`((?:server|sdk|wire|cli)(?:\.\w+)+)`", TEXT)))
SCRIPT = sorted(set(re.findall(r"`([\w/]+(?:\.\w+)+)#([\w.]+)`", TEXT)))
FILES = sorted(set(re.findall(r"`([\w./]+/[\w./]+)`", TEXT)))


@pytest.mark.parametrize("name", PYTHON)
def test_every_name_in_python_is_there(name: str) -> None:
    parts = ["tidings", *name.split(".")]
    found, place = None, len(parts)
    while found is None:
        try:
            found = importlib.import_module(".".join(parts[:place]))
        except ModuleNotFoundError:
            place -= 1
    for attribute in parts[place:]:
        found = getattr(found, attribute)


@pytest.mark.parametrize(("file", "name"), SCRIPT)
def test_every_name_in_typescript_is_there(file: str, name: str) -> None:
    text = (ROOT / "web/src" / file).read_text()
    holder, _, member = name.rpartition(".")
    if holder:
        begin = re.search(rf"^export class {holder}\b.*?^}}$", text, re.MULTILINE | re.DOTALL)
        assert begin is not None, holder
        assert re.search(rf"^  (?:private |static |async )*{member}[(<]", begin[0], re.MULTILINE)
    else:
        assert re.search(rf"^ *(?:export )?(?:async )?function {member}[(<]", text, re.MULTILINE)


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_there(name: str) -> None:
    places = [ROOT, ROOT / "src/tidings", ROOT / "web/src"]
    assert any((place / name).exists() for place in places)


def test_the_names_are_found_on_the_page() -> None:
    assert len(PYTHON) > 40
    assert len(SCRIPT) > 15
    assert len(FILES) > 5
