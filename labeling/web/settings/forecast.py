"""The forecast of the next batch, in words. Pure functions."""

from __future__ import annotations

from labeling.arrays.forecast import BatchForecast, Sample
from labeling.web.shared.words import count, number, percent

NAMES = {
    "highest-margin": "Highest margin",
    "mean-margin": "Mean margin",
    "clusters": "Clusters",
    "largest": "From one cluster",
    "first-pass": "First pass",
}
UNKNOWN = ("–", "")


def rows(outlook: BatchForecast | None) -> dict[str, tuple[str, str]]:
    """Return the figure and the detail of each row. All rows are always present, because the page keeps them."""
    if outlook is None:
        return {**dict.fromkeys(NAMES, UNKNOWN), "highest-margin": ("–", "no forecast for this strategy")}
    return {
        "highest-margin": (f"{outlook.highest_margin:.3f}", "of a candidate: 0 is undecided, 1 is sure"),
        "mean-margin": (f"{outlook.mean_margin:.3f}", "of the items that are picked"),
        "clusters": UNKNOWN if outlook.clusters is None else (number(outlook.clusters), "that the candidates fall in"),
        "largest": _largest(outlook),
        "first-pass": _first_pass(outlook),
    }


def _largest(outlook: BatchForecast) -> tuple[str, str]:
    if outlook.most is None or outlook.most_of is None:
        return UNKNOWN
    return f"at most {number(outlook.most)}", f"of the {count(outlook.most_of, 'candidate')} in it"


def _first_pass(outlook: BatchForecast) -> tuple[str, str]:
    if outlook.first_pass is None:
        return "–", "there are no passes"
    return percent(outlook.first_pass), "of the picked items, each from another cluster"


def basis(sample: Sample | None, *, first: bool, guarded: bool) -> str:
    """Name the data behind the rows, or say why there is no forecast."""
    if first:
        return "A forecast of what will be picked needs a model."
    if sample is None:
        return "A forecast of what will be picked appears once the pool is surveyed, right after the next batch opens."
    of = "" if sample.exact else f", estimated from a sample of {number(len(sample.margins))} of {number(sample.open)}"
    guard = " The class guard is not included." if guarded else ""
    return f"As version {sample.version} saw the pool when batch {sample.batch} was picked{of}.{guard}"
