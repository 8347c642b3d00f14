"""The files of the web client as they are found and sent."""

import gzip
from pathlib import Path

import pytest

from tidings.server.http.pages import FOREVER, SMALL, Pages
from tidings.server.http.problems import NotFound

LONG = b"let a = 1;\n" * SMALL


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_bytes(b"<!doctype html>")
    (tmp_path / "sw.js").write_bytes(LONG)
    (tmp_path / "app.webmanifest").write_bytes(b"{}")
    (tmp_path / "assets" / "code-1a2b.js").write_bytes(LONG)
    (tmp_path / "assets" / "crypto-3c4d.wasm").write_bytes(bytes(range(256)) * 40)
    (tmp_path / "assets" / "crypto-3c4d.wasm.gz").write_bytes(b"packed by the build")
    (tmp_path / "assets" / "noise-5e6f").write_bytes(b"x")
    return Pages(tmp_path)


def test_a_file_is_found_by_its_path(pages: Pages) -> None:
    assert pages.find("sw.js").body == LONG
    assert pages.find("assets/code-1a2b.js").body == LONG


def test_any_other_path_is_the_page_unless_it_names_a_file(pages: Pages) -> None:
    for path in ("", "index.html", "join/abc", "conversation/7", "v2.0/about"):
        assert pages.find(path).body == b"<!doctype html>"
    for path in ("missing.js", "assets/missing.wasm", "../server.json", "join/abc.txt"):
        with pytest.raises(NotFound):
            pages.find(path)


def test_a_client_that_was_not_built_has_no_page(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        Pages(tmp_path).find("")


def test_what_is_named_by_its_hash_is_kept_for_ever_and_everything_else_asked_for_again(pages: Pages) -> None:
    assert pages.find("assets/code-1a2b.js").cache == FOREVER
    for path in ("", "sw.js", "app.webmanifest"):
        assert pages.find(path).cache == "no-cache"


def test_kinds_are_such_that_browsers_run_them(pages: Pages) -> None:
    for path, kind in [
        ("", "text/html; charset=utf-8"),
        ("sw.js", "text/javascript; charset=utf-8"),
        ("app.webmanifest", "application/manifest+json"),
        ("assets/crypto-3c4d.wasm", "application/wasm"),
        ("assets/noise-5e6f", "application/octet-stream"),
    ]:
        assert pages.find(path).kind == kind


def test_what_is_long_is_packed_once_and_what_the_build_packed_is_not_packed_again(pages: Pages) -> None:
    packed = pages.find("sw.js").packed
    assert packed is not None
    assert gzip.decompress(packed) == LONG
    assert pages.find("assets/crypto-3c4d.wasm").packed == b"packed by the build"
    assert pages.find("").packed is None


def test_what_packing_makes_longer_is_sent_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "noise.bin").write_bytes(b"\x00")
    (tmp_path / "noise.bin.gz").write_bytes(b"longer than that")
    assert Pages(tmp_path).find("noise.bin").packed is None


def test_tags_change_with_the_bytes(pages: Pages, tmp_path: Path) -> None:
    before = pages.find("sw.js").etag
    assert before == pages.find("assets/code-1a2b.js").etag
    (tmp_path / "sw.js").write_bytes(LONG + b"\n")
    assert Pages(tmp_path).find("sw.js").etag != before
