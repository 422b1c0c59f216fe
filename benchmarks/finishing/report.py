"""Summarises the finished pools: one JSON object and a table."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.finishing.ways import Result

BASELINE = "one-by-one"

Results = dict[str, dict[float, Result]]


def summarise(runs: Sequence[Results]) -> dict[str, Any]:
    """Return a dict by way and target from the results of each seed.

    Lists have an entry a seed: `seconds_percent` of one by one's, `error_percent` of all labels, and the way's facts.
    """
    return {
        way: {
            f"{target:g}": {
                "seconds_percent": [
                    round(100 * run[way][target].seconds / run[BASELINE][target].seconds, 2) for run in runs
                ],
                "error_percent": [round(100 * run[way][target].error, 3) for run in runs],
                **{name: [run[way][target].facts[name] for run in runs] for name in runs[0][way][target].facts},
            }
            for target in runs[0][way]
        }
        for way in runs[0]
    }


def table(result: dict[str, Any]) -> str:
    """Format the result as a table: means over seeds, the worst seed in brackets; `finish` by purpose."""
    lines = [
        f"{result['cores']} cores, load {result['load']}; an answer alone is wrong with a probability of "
        f"{result['person_error']:g}",
        "Means over seeds, in brackets the highest value",
        "",
        "| pool | target, % | way | seconds, % of one by one's | wrong labels, % | certified, % | by purpose, % |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, ways in result["pools"].items():
        for target in next(iter(ways.values())):
            for way, by_target in ways.items():
                figures = by_target[target]
                seconds, errors = figures["seconds_percent"], figures["error_percent"]
                certified = f"{np.mean(figures['certified_percent']):.0f}" if "certified_percent" in figures else ""
                lines.append(
                    f"| {name} | {100 * float(target):g} | {way} | {np.mean(seconds):.0f} ({max(seconds):.0f}) | "
                    f"{np.mean(errors):.2f} ({max(errors):.2f}) | {certified} | {_purposes(figures)} |"
                )
    return "\n".join(lines)


def _purposes(figures: dict[str, Any]) -> str:
    """Return the means over seeds of the seconds by purpose, the largest first."""
    runs = figures.get("percent_by", [])
    means = {
        purpose: np.mean([run.get(purpose, 0.0) for run in runs]) for purpose in {key for run in runs for key in run}
    }
    largest_first = sorted(means.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{purpose} {mean:.1f}" for purpose, mean in largest_first)
