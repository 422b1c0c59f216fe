"""Summarises the saved curves: one JSON object, a table, a drawing for each data set."""

import os
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.efficiency import loop
from benchmarks.efficiency.compare import Comparison, Estimate, compare, efficiency, mean_with_interval
from benchmarks.efficiency.drawing import draw

BASELINE = "uniform"
RIVALS = ("uniform", "margin")
ALPHA = 0.05


def summarise(works: list[loop.Work], folder: Path) -> dict[str, Any]:
    """Summarise the saved results, and draw a figure for each data set into the folder."""
    names = list(dict.fromkeys(work.source.name for work in works))
    return {
        "machine": _machine(),
        "level": 0.95,
        "data": {name: _of_data([work for work in works if work.source.name == name], folder) for name in names},
    }


def _machine() -> dict[str, Any]:
    return {
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
    }


def _of_data(works: list[loop.Work], folder: Path) -> dict[str, Any]:
    plan = works[0].plan
    labels = np.array(plan.labels)
    runs_of = {name: [_result(work, name) for work in works] for name in works[0].strategies}
    curves = {name: np.array([result["accuracy"] for result in results]) for name, results in runs_of.items()}
    target, needs, shares = efficiency(labels, curves, BASELINE, RIVALS)
    figure = folder / f"{works[0].source.name}.svg"
    draw(figure, _finding(works[0].source.name, needs, shares), labels, curves, target)
    return {
        **{key: runs_of[BASELINE][0][key] for key in ("pool", "tests", "classes", "features")},
        "network": works[0].source.network,
        "wrong_answers": works[0].source.wrong_answers,
        "broken_items": works[0].source.broken_items,
        "seeds": [work.seed for work in works],
        **asdict(plan),
        "labels": labels.tolist(),
        "target_accuracy": target,
        "figure": str(figure),
        "strategies": {
            name: {
                "accuracy": [asdict(mean_with_interval(column)) for column in runs.T],
                "labels_to_target": asdict(needs[name]),
                **{f"share_of_{rival}": asdict(of[name]) for rival, of in shares.items()},
                "against": {
                    rival: _against(labels, compare(runs, curves[rival]))
                    for rival in RIVALS
                    if rival in curves and rival != name
                },
                "seconds": round(sum(result["seconds"] for result in runs_of[name]), 1),
            }
            for name, runs in curves.items()
        },
    }


def _result(work: loop.Work, strategy: str) -> dict[str, Any]:
    result = loop.saved(work, strategy)
    if result is None:
        raise ValueError(
            f"the result of {work.source.name}, {strategy}, seed {work.seed} has vanished from {work.folder}"
        )
    return result


def _against(labels: np.ndarray, comparison: Comparison) -> dict[str, Any]:
    """Return the differences in accuracy to a rival, and where they are significant after correction."""
    points = labels[1:].tolist()
    return {
        "mean_difference": asdict(comparison.mean_difference),
        "differences": [asdict(difference) for difference in comparison.differences],
        "p_worse": comparison.p_worse,
        "p_better": comparison.p_better,
        "worse_at": _significant(points, comparison.p_worse),
        "better_at": _significant(points, comparison.p_better),
        "significantly_worse": bool(_significant(points, comparison.p_worse)),
    }


def _significant(points: list[int], p_values: list[float | None]) -> list[int]:
    return [point for point, p in zip(points, p_values, strict=True) if p is not None and p < ALPHA]


def _finding(name: str, needs: dict[str, Estimate], shares: dict[str, dict[str, Estimate]]) -> str:
    """Say what a figure shows, as its title."""
    reached = [
        f"{strategy} {100 * share.value:.0f} %"
        for strategy, share in shares[BASELINE].items()
        if strategy != BASELINE and share.value is not None
    ]
    missed = [strategy for strategy, need in needs.items() if need.value is None]
    title = f"{name}: labels for uniform's final accuracy, of uniform's: {', '.join(reached)}" if reached else name
    return title + (f"; not reached by {', '.join(missed)}" if missed else "")


def table(result: dict[str, Any]) -> str:
    """Format the result as a table: intervals in brackets, accuracies and differences in per cent."""
    machine = result["machine"]
    lines = [f"{machine['cores']} cores, load {machine['load']}, torch {machine['torch']}; 95 % intervals over seeds"]
    for name, data in result["data"].items():
        factor = data["candidate_factor"]
        lines += [
            "",
            f"{name}: pool of {data['pool']:,} items, {data['classes']} classes, {data['tests']:,} test items, "
            f"{len(data['seeds'])} seeds",
            f"{100 * data['wrong_answers']:g} % of the answers wrong, "
            f"{100 * data['broken_items']:g} % of the items broken",
            f"batches of {data['batch']} after a first of {data['seed_batch']}; candidate_factor "
            f"{'as needed' if factor is None else f'{factor:g}'}, mean_cluster_size {data['mean_cluster_size']:g}",
            f"uniform ends at {100 * data['target_accuracy']:.2f} % with {data['labels'][-1]:,} labels; "
            f"curves in {data['figure']}",
            f"{'':<16}{'labels to that':>20}{'% of uniform':>18}{'% of margin':>18}  mean difference to each",
        ]
        for strategy, figures in data["strategies"].items():
            lines.append(
                f"{strategy:<16}{cell(figures['labels_to_target'], 1, 0):>20}"
                f"{cell(figures['share_of_uniform'], 100, 0):>18}{cell(figures.get('share_of_margin'), 100, 0):>18}"
                f"  {_differences(figures['against'])}"
            )
        lines += _verdicts(data["strategies"])
    return "\n".join(lines)


def _verdicts(strategies: dict[str, Any]) -> list[str]:
    lines = []
    for name, figures in strategies.items():
        for rival, against in figures["against"].items():
            for word in ("worse", "better"):
                if against[f"{word}_at"]:
                    points = ", ".join(f"{point:,}" for point in against[f"{word}_at"])
                    lines.append(f"  {name} is significantly {word} than {rival} at {points} labels")
    return lines or ["  no significant difference to uniform or margin at any point"]


def _differences(against: dict[str, Any]) -> str:
    return "   ".join(f"{rival} {cell(each['mean_difference'], 100, 2, sign='+')}" for rival, each in against.items())


def cell(estimate: dict[str, float | None] | None, scale: float, digits: int, sign: str = "") -> str:
    """Format value [low, high]; "–" stands for a target not reached, "∞" for a bound beyond the budget."""
    if estimate is None or estimate["value"] is None:
        return "not reached"
    shown = f"{scale * estimate['value']:{sign},.{digits}f}"
    if estimate["low"] is None and estimate["high"] is None:
        return shown
    low, high = (
        "∞" if bound is None else f"{scale * bound:{sign},.{digits}f}" for bound in (estimate["low"], estimate["high"])
    )
    return f"{shown} [{low}, {high}]"
