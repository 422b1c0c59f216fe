"""What the next batch would hold, in words. Values in, words out."""

from __future__ import annotations

from labeling.arrays.forecast import Foretold, Sample
from labeling.web.shared.words import count, number, percent

NAMES = {
    "highest-margin": "Highest margin",
    "mean-margin": "Mean margin",
    "clusters": "Clusters",
    "largest": "From one cluster",
    "first-pass": "First pass",
}
UNKNOWN = ("–", "")


def rows(found: Foretold | None) -> dict[str, tuple[str, str]]:
    """For each row its figure, and what belongs to it. The same rows whatever is found, for the page keeps them."""
    if found is None:
        return {**dict.fromkeys(NAMES, UNKNOWN), "highest-margin": ("–", "not foretold for this strategy")}
    return {
        "highest-margin": (f"{found.highest_margin:.3f}", "of a candidate: 0 is all doubt, 1 none"),
        "mean-margin": (f"{found.mean_margin:.3f}", "of the items that are picked"),
        "clusters": UNKNOWN if found.clusters is None else (number(found.clusters), "that the candidates fall in"),
        "largest": _largest(found),
        "first-pass": _first_pass(found),
    }


def _largest(found: Foretold) -> tuple[str, str]:
    if found.most is None or found.most_of is None:
        return UNKNOWN
    return f"at most {number(found.most)}", f"of the {count(found.most_of, 'candidate')} in it"


def _first_pass(found: Foretold) -> tuple[str, str]:
    if found.first_pass is None:
        return "–", "there are no passes"
    return percent(found.first_pass), "of the picked items, each from another cluster"


def basis(sample: Sample | None, *, first: bool, guarded: bool) -> str:
    """What the rows stand on, or why there are none."""
    if first:
        return "What will be picked is foretold once there is a model."
    if sample is None:
        return "What will be picked is foretold once the pool has been surveyed, right after the next batch is open."
    of = "" if sample.exact else f", estimated from a sample of {number(len(sample.margins))} of {number(sample.open)}"
    guard = " The class guard is not reckoned with." if guarded else ""
    return f"As version {sample.version} saw the pool when batch {sample.batch} was picked{of}.{guard}"
