"""Run axe-core on the page in a browser."""

from functools import lru_cache
from pathlib import Path
from typing import Any
from weakref import WeakSet

from playwright.sync_api import BrowserContext, Page

FOLDER = Path(__file__).resolve().parents[1] / "vendor"
# WCAG 2.2 at level AA, and what axe-core's makers advise beyond it.
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
GRAVE = ("moderate", "serious", "critical")
_judged: WeakSet[BrowserContext] = WeakSet()
"""Browser contexts whose pages have axe-core from their start: to send it to each page took as long as to run it."""


@lru_cache(maxsize=1)
def _source() -> str:
    return next(FOLDER.glob("axe-core@*/axe.min.js")).read_text(encoding="utf-8")


def faults(page: Page) -> list[str]:
    """Return the accessibility faults of the current page, from moderate ones upwards, as a line for each element."""
    # By the browser's debugger: no script element, so that the page keeps its own content policy.
    if page.context not in _judged:
        page.context.add_init_script(_source())
        _judged.add(page.context)
    if page.evaluate("typeof axe") == "undefined":  # it came before
        page.evaluate(_source())
    found: list[dict[str, Any]] = page.evaluate(
        "async (tags) => (await axe.run({ runOnly: tags, resultTypes: ['violations'] })).violations", TAGS
    )
    return [
        f"{fault['impact']} {fault['id']}: {fault['help']}: {node['html'][:160]} ({_why(node)})"
        for fault in found
        if fault["impact"] in GRAVE
        for node in fault["nodes"]
    ]


def _why(node: dict[str, Any]) -> str:
    return "; ".join(check["message"] for check in [*node["any"], *node["all"], *node["none"]])[:300]
