"""What axe (https://github.com/dequelabs/axe-core) finds wrong with a page, for people who see or move otherwise."""

from pathlib import Path
from typing import Any, Final

from playwright.async_api import Page

AXE: Final = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
COLOURS: Final = ["color-contrast", "link-in-text-block"]
"""The rules of axe's default ones that depend on colours."""
RUN: Final = """async (rules) => {
  const runOnly = rules && { type: "rule", values: rules };
  const { violations } = await axe.run(document, { resultTypes: ["violations"], ...(runOnly && { runOnly }) });
  return violations.map(({ id, help, nodes }) => ({
    id, help, nodes: nodes.map(({ html, failureSummary }) => `${html.slice(0, 160)}: ${failureSummary}`),
  }));
}"""


async def violations(page: Page, *, colours_only: bool = False) -> list[dict[str, Any]]:
    """Return the rules that the page breaks, best practices included; or only those about colours."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE.read_text())
    found: list[dict[str, Any]] = await page.evaluate(RUN, COLOURS if colours_only else None)
    return found
