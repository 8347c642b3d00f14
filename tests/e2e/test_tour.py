"""A tour of all screens, told once: it takes their pictures, and no way of looking at them finds anything wrong."""

import os
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from playwright.async_api import Browser, Page

from support.axe import violations
from support.browser import DESKTOP, PHONE
from support.pictures import small_png
from support.scenes import SCREENS, story, tell

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

ROOT: Final = Path(__file__).parents[2]
SIZES: Final = {"desktop": DESKTOP, "phone": PHONE}
SETTLED: Final = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
EXCESS: Final = "document.documentElement.scrollWidth - innerWidth"
MOST_BYTES: Final = 4_000_000


async def changes_sides(page: Page) -> None:
    """Check that everything in a conversation is where someone looks who reads from right to left."""
    sides = await page.evaluate(
        "['aside', 'main', 'article.own .bubble', 'article:not(.own) .bubble', 'main form > button']"
        ".map((one) => document.querySelector(one).getBoundingClientRect())"
        ".map(({ left, right }) => (left + right) / 2)"
    )
    list_at, talk_at, own_at, other_at, send_at = sides
    assert list_at > talk_at
    assert own_at < other_at
    assert send_at < talk_at


OUTSIDE = """() => [...document.querySelectorAll("#app *, dialog *")]
  .filter((one) => {
    const { left, right, width } = one.getBoundingClientRect();
    return width > 1 && one.checkVisibility() && (left < -1 || right > innerWidth + 1);
  })
  .map((one) => `${one.tagName}.${one.className} ${one.textContent.slice(0, 40)}`)"""
"""What is outside of the window."""

BARE = """() => {
  const edged = (one) => {
    const { borderTopStyle, borderTopWidth, outlineStyle } = getComputedStyle(one);
    return outlineStyle !== "none" || (borderTopStyle !== "none" && parseFloat(borderTopWidth) > 0);
  };
  const outlined = (one) => getComputedStyle(one).outlineStyle !== "none";
  const wanted = "article .bubble, .primary, .plain, .danger, dialog[open], .face, [aria-pressed]";
  const chosen = "[aria-pressed=true], [aria-current=page], label:has(:checked)";
  return [
    ...[...document.querySelectorAll(wanted)].filter((one) => one.checkVisibility() && !edged(one)),
    ...[...document.querySelectorAll(chosen)].filter((one) => one.checkVisibility() && !outlined(one)),
  ].map((one) => `${one.tagName}.${one.className} ${one.textContent.slice(0, 40)}`);
}"""
"""What only a background tells from its surroundings, which the colours of a system take away."""


class Tour(NamedTuple):
    """What was seen on the way."""

    folder: Path
    """Where the pictures are: build/tour; with TIDINGS_TOUR, which `make tour` sets, the documentation; then small."""
    is_kept: bool
    screens: list[str]
    too_wide: dict[str, int]
    """Pictures that are wider than their window, and by how many pixels."""
    wrong: dict[str, list[Any]]
    """What was found on each screen, looked at in each way."""


@pytest.fixture(scope="module")
async def tour(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Tour:
    """Show every screen in both sizes and themes, from right to left, with more contrast, and in bare colours."""
    kept = os.environ.get("TIDINGS_TOUR")
    folder = ROOT / (kept or "build/tour")
    folder.mkdir(parents=True, exist_ok=True)
    seen = Tour(folder, bool(kept), [], {}, {})
    darkroom = await browser.new_page()

    async def show(screen: str, page: Page) -> None:
        seen.screens.append(screen)
        for size, viewport in SIZES.items():
            await page.set_viewport_size(viewport)
            for theme in ("light", "dark"):
                name = f"{screen}-{size}-{theme}"
                await page.emulate_media(color_scheme=theme)
                await page.evaluate(SETTLED)
                picture = await page.screenshot(animations="disabled", caret="hide")
                (folder / f"{name}.png").write_bytes(await small_png(darkroom, picture) if kept else picture)
                seen.too_wide[name] = await page.evaluate(EXCESS)
                # The other theme has the same elements, in other colours.
                seen.wrong[name] = await violations(page, colours_only=theme == "dark")
            await page.evaluate("document.documentElement.dir = 'rtl'")
            seen.wrong[f"{screen}-{size}, right to left"] = await page.evaluate(OUTSIDE)
            if (screen, size) == ("conversation", "desktop"):
                await changes_sides(page)
            await page.evaluate("document.documentElement.dir = 'ltr'")
        await page.set_viewport_size(DESKTOP)
        await page.emulate_media(color_scheme="light", contrast="more")
        seen.wrong[f"{screen}, more contrast"] = await violations(page, colours_only=True)
        await page.emulate_media(contrast="no-preference", forced_colors="active")
        seen.wrong[f"{screen}, forced colours"] = await page.evaluate(BARE)
        await page.emulate_media(forced_colors="none")

    async with story(tmp_path_factory.mktemp("tour"), browser) as told:
        await tell(told, show)
    return seen


async def test_every_screen_has_its_picture_and_is_not_wider_than_its_window(tour: Tour) -> None:
    assert tuple(tour.screens) == SCREENS
    assert len(tour.too_wide) == len(SCREENS) * 4
    assert {name: excess for name, excess in tour.too_wide.items() if excess > 0} == {}
    total = sum(picture.stat().st_size for picture in tour.folder.glob("*.png"))
    print(f"{len(SCREENS)} screens, {total} bytes in {tour.folder}")
    assert not tour.is_kept or total < MOST_BYTES


async def test_axe_finds_nothing_on_any_screen_and_no_way_of_looking_breaks_one(tour: Tour) -> None:
    """Both themes and sizes, with more contrast, with the colours of the system alone, and from right to left."""
    assert tuple(tour.screens) == SCREENS
    assert len(tour.wrong) == len(SCREENS) * 8
    wrong = [f"{where}: {one}" for where, all_wrong in tour.wrong.items() for one in all_wrong]
    assert not wrong, "\n".join(wrong)
