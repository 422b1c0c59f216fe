"""Summarises the simulated projects: one JSON object and a table."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from sklearn.isotonic import isotonic_regression

from benchmarks.efficiency.compare import RESAMPLES, Estimate, estimate, labels_to_reach, mean_with_interval
from benchmarks.efficiency.report import cell

BASELINE, RIVAL = "uniform", "one by one"
AIMS = {"redundant": {BASELINE: 0.25, RIVAL: 0.5}}
"""The aims by pool: the largest share of each rival's seconds, at a label error no higher than the rival's."""
AIM_ELSEWHERE = {RIVAL: 0.6}


def summarise(name: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Summarise one pool, from the `projects.run` of each seed."""
    ways = list(runs[0]["ways"])
    curves = {
        way: (
            np.array([run["ways"][way]["seconds"] for run in runs]),
            np.array([run["ways"][way]["accuracy"] for run in runs]),
        )
        for way in ways
    }
    target, needs, shares = _needs(curves)
    errors = {way: np.array([run["ways"][way]["label_error"] for run in runs]) for way in ways}
    result = {
        **{key: runs[0][key] for key in ("pool", "tests", "classes")},
        "seeds": len(runs),
        "target_accuracy": target,
        "ways": {
            way: {
                "seconds": asdict(needs[way]),
                **{f"share_of_{rival.replace(' ', '_')}": asdict(shares[rival][way]) for rival in shares},
                "label_error": asdict(mean_with_interval(errors[way])),
                "label_error_above_one_by_one": asdict(mean_with_interval(errors[way] - errors[RIVAL])),
                "accuracy": asdict(mean_with_interval(curves[way][1][:, -1])),
                "seconds_in_all": float(curves[way][0][:, -1].mean()),
                "labels": float(np.mean([run["ways"][way]["labels"] for run in runs])),
                "propagated": float(np.mean([run["ways"][way]["propagated"] for run in runs])),
                "propagated_error": _mean([run["ways"][way]["propagated_error"] for run in runs]),
            }
            for way in ways
        },
    }
    return {
        **result,
        "aims_met": {way: _meets(name, result["ways"][way]) for way in ways if way not in (BASELINE, RIVAL)},
    }


def _needs(
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]],
) -> tuple[float, dict[str, Estimate], dict[str, dict[str, Estimate]]]:
    """(target, seconds to it by way, share of the rival's seconds by rival and way), with a paired bootstrap.

    As `compare.efficiency` does it for labels; here the ways' points lie at seconds of their own. A rival that does
    not reach the target is counted with all its seconds, which favours it.
    """

    def at(rows: Any) -> tuple[float, dict[str, float], dict[str, dict[str, float]]]:
        means = {
            way: (seconds[rows].mean(axis=0), shares[rows].mean(axis=0)) for way, (seconds, shares) in curves.items()
        }
        target = float(isotonic_regression(means[BASELINE][1])[-1])
        needs = {way: labels_to_reach(*mean, target) for way, mean in means.items()}
        least = {rival: min(needs[rival], float(means[rival][0][-1])) for rival in (BASELINE, RIVAL)}
        return target, needs, {rival: {way: needs[way] / least[rival] for way in needs} for rival in least}

    seeds = len(curves[BASELINE][0])
    target, needs, shares = at(np.arange(seeds))
    rng = np.random.default_rng(0)
    draws = [at(rows) for rows in rng.integers(0, seeds, (RESAMPLES, seeds))] if seeds > 1 else []
    return (
        target,
        {way: estimate(needs[way], [draw[1][way] for draw in draws]) for way in needs},
        {
            rival: {way: estimate(of[way], [draw[2][rival][way] for draw in draws]) for way in of}
            for rival, of in shares.items()
        },
    )


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _meets(name: str, way: dict[str, Any]) -> bool:
    """Return whether the means meet the aims, whatever the intervals."""
    shares = {rival: way[f"share_of_{rival.replace(' ', '_')}"]["value"] for rival in (BASELINE, RIVAL)}
    aims = AIMS.get(name, AIM_ELSEWHERE)
    fast = all(shares[rival] is not None and shares[rival] <= aim for rival, aim in aims.items())
    return fast and way["label_error_above_one_by_one"]["value"] <= 0


def table(result: dict[str, Any]) -> str:
    """Format the result as a table: intervals in brackets, shares and errors in per cent."""
    lines = [
        f"{result['cores']} cores, load {result['load']}, {result['cpu_seconds']:,.0f} s of CPU",
        f"95 % intervals over seeds; an answer alone is wrong with a probability of {result['person_error']:g}",
        "",
        "| pool | way | seconds to uniform's final accuracy | % of uniform's | % of one by one's | label error, % | "
        "labels | of them propagated (wrong, %) | aim |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, pool in result["pools"].items():
        for way, figures in pool["ways"].items():
            cells = [
                f"{name} ({100 * pool['target_accuracy']:.2f} %)",
                way,
                cell(figures["seconds"], 1, 0),
                cell(figures["share_of_uniform"], 100, 0),
                cell(figures["share_of_one_by_one"], 100, 0),
                cell(figures["label_error"], 100, 1),
                f"{figures['labels']:,.0f}",
                _propagated(figures),
                {True: "met", False: "missed"}.get(pool["aims_met"].get(way), ""),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _propagated(figures: dict[str, Any]) -> str:
    if figures["propagated_error"] is None:
        return "0"
    return f"{figures['propagated']:,.0f} ({100 * figures['propagated_error']:.1f})"
