"""Handles: what a person writes, what it stands for, and what could be taken for it."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.server.domain import handles

LETTERS = string.ascii_lowercase + string.digits
INNER = LETTERS + "._-"
good = st.builds(
    lambda first, inner, last: first + inner + last,
    st.sampled_from(LETTERS),
    st.text(INNER, min_size=1, max_size=30),
    st.sampled_from(LETTERS),
)


@given(handle=good)
def test_a_handle_stands_for_itself_however_it_is_written(handle: str) -> None:
    for written in (handle, f"@{handle}", handle.upper(), f"  @{handle.title()} "):
        assert handles.fold(written) == handle


@pytest.mark.parametrize(
    "written",
    [
        "",
        "@",
        "ab",
        "@ab",
        "a" * 33,
        ".ada",
        "ada.",
        "-ada",
        "ada-",
        "_ada",
        "a da",
        "ada@",
        "@@ada",
        "ad\na",
        "ada\n x",
    ],
)
def test_what_is_no_handle_stands_for_nothing(written: str) -> None:
    assert handles.fold(written) is None


@given(written=st.text())
def test_whatever_is_written_gives_a_handle_or_nothing(written: str) -> None:
    folded = handles.fold(written)
    assert folded is None or (
        3 <= len(folded) <= 32 and set(folded) <= set(INNER) and folded[0] in LETTERS and folded[-1] in LETTERS
    )
    if folded is not None:
        assert handles.fold(folded) == folded


@pytest.mark.parametrize("written", ["\u0430da", "\uff41da", "ada\u00e9", "ada\u200b", "ad\u0131a", "\u212aada"])
def test_letters_that_only_look_like_ours_make_no_handle(written: str) -> None:
    assert handles.fold(written) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("modern", "modem"),
        ("ada.b", "ada-b"),
        ("ada_b", "ada.b"),
        ("oscar", "0scar"),
        ("lily", "1i1y"),
        ("susan", "5u5an"),
        ("wendy", "vvendy"),
    ],
)
def test_handles_that_look_alike_have_one_skeleton(one: str, other: str) -> None:
    assert handles.skeleton(one) == handles.skeleton(other)
    assert one != other


@given(handle=good)
def test_a_skeleton_is_its_own(handle: str) -> None:
    skeleton = handles.skeleton(handle)
    assert handles.skeleton(skeleton) == skeleton


def test_handles_that_do_not_look_alike_have_different_skeletons() -> None:
    assert len({handles.skeleton(handle) for handle in ("ada", "bob", "cem", "dan", "eve")}) == 5


@pytest.mark.parametrize("handle", ["admin", "adm1n", "adrnin", "tidings", "t1d1ng5", "r00t", "everyone", "5y5tem"])
def test_names_of_authority_and_what_looks_like_them_are_for_nobody(handle: str) -> None:
    assert handles.is_reserved(handle)


def test_other_names_are_free() -> None:
    assert not any(handles.is_reserved(handle) for handle in ("ada", "admins", "tiding", "bob"))
