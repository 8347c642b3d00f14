"""Pictures of every screen, on a desktop and a phone, light and dark."""

import os
from pathlib import Path

import pytest
from playwright.async_api import Page

from support.browser import DESKTOP, PHONE, chromium
from support.pictures import small_png
from support.scenes import SCREENS, story, tell

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

ROOT = Path(__file__).parents[2]
SIZES = {"desktop": DESKTOP, "phone": PHONE}
SETTLED = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
MOST_BYTES = 4_000_000


async def test_every_screen_has_its_picture_and_is_not_wider_than_its_window(tmp_path: Path) -> None:
    """They go to build/tour; with TIDINGS_TOUR, which `make tour` sets, to the documentation, and are made small."""
    kept = os.environ.get("TIDINGS_TOUR")
    folder = ROOT / (kept or "build/tour")
    folder.mkdir(parents=True, exist_ok=True)
    taken: list[str] = []

    async with chromium() as browser, story(tmp_path, browser) as told:
        darkroom = await browser.new_page()

        async def show(screen: str, page: Page) -> None:
            taken.append(screen)
            for size, viewport in SIZES.items():
                await page.set_viewport_size(viewport)
                for theme in ("light", "dark"):
                    await page.emulate_media(color_scheme=theme)
                    await page.evaluate(SETTLED)
                    picture = await page.screenshot(animations="disabled", caret="hide")
                    if kept:
                        picture = await small_png(darkroom, picture)
                    (folder / f"{screen}-{size}-{theme}.png").write_bytes(picture)
                    excess = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
                    assert excess <= 0, f"{screen} is {excess} pixels too wide on a {size}"
            await page.set_viewport_size(DESKTOP)
            await page.emulate_media(color_scheme="light")

        await tell(told, show)
    assert tuple(taken) == SCREENS
    total = sum(picture.stat().st_size for picture in folder.glob("*.png"))
    print(f"{len(SCREENS)} screens, {total} bytes in {folder}")
    assert not kept or total < MOST_BYTES
