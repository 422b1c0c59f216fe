"""Formats the figures of all runs as rows, and the rows as text."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.isotonic import isotonic_regression

from benchmarks.efficiency.compare import mean_with_interval
from benchmarks.quality.crowds import CROWDS
from benchmarks.quality.rules import FIXED, Rule
from benchmarks.quality.runs import FIGURES

PAIRS = {"fixed 3, soft": "fixed 3, hard", "adaptive, soft": "adaptive"}
"""What soft labels are to be compared with, seed by seed."""

Results = Mapping[tuple[str, str], Sequence[Mapping[str, float]]]
"""By crowd and rule: the figures of each seed."""


def rows_of(results: Results, rules: Mapping[str, Rule]) -> Iterator[dict[str, Any]]:
    """Yield a row for each crowd and rule.

    If several confidences were tried, a last row has the confidence at which the adaptive rule has the label error of
    `fixed 3`.
    """
    for crowd in CROWDS:
        for rule in rules:
            if (crowd, rule) in results:
                row: dict[str, Any] = {"crowd": crowd, "rule": rule}
                for name in FIGURES:
                    estimate = mean_with_interval(np.array([each[name] for each in results[crowd, rule]]))
                    row[name] = {"mean": estimate.value, "low": estimate.low, "high": estimate.high}
                yield row
        for soft, hard in PAIRS.items():
            if (crowd, soft) in results and (crowd, hard) in results:
                yield {"crowd": crowd, "rule": f"{soft} − hard"} | _differences(
                    results[crowd, soft], results[crowd, hard]
                )
        curve = [name for name, rule in rules.items() if rule.on_curve and (crowd, name) in results]
        if len(curve) > 1 and (crowd, FIXED) in results:
            yield {"crowd": crowd, "rule": "at fixed 3's error"} | _at_equal_error(crowd, curve, results, rules)


def _differences(some: Sequence[Mapping[str, float]], others: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Return the means of the differences between runs of the same seed, with paired intervals."""
    seeds = [{each["seed"]: each for each in runs} for runs in (some, others)]
    figures = {}
    for name in FIGURES:
        gaps = np.array([each[name] - seeds[1][seed][name] for seed, each in seeds[0].items()])
        estimate = mean_with_interval(gaps)
        figures[name] = {"mean": estimate.value, "low": estimate.low, "high": estimate.high}
    return figures


def _at_equal_error(crowd: str, curve: list[str], results: Results, rules: Mapping[str, Rule]) -> dict[str, Any]:
    """Interpolate the figures between the two confidences where the mean label error crosses that of `fixed 3`.

    The mean error over seeds, made to rise with the answers that are saved (isotonic regression), is followed along
    straight lines. Beyond the curve's ends nothing is known: then `reached` says at which end it lies.
    """
    target = np.mean([each["error"] for each in results[crowd, FIXED]])
    curve = sorted(curve, key=lambda name: rules[name].confidence or 0, reverse=True)
    means = {
        name: np.array([np.mean([each[name] for each in results[crowd, rule]]) for rule in curve]) for name in FIGURES
    }
    errors = isotonic_regression(means["error"])
    confidences = np.array([rules[name].confidence for name in curve])
    reached = "beyond" if target < errors[0] else "below" if target > errors[-1] else "between"
    after = int(np.clip(np.searchsorted(errors, target), 1, len(curve) - 1))
    rise = errors[after] - errors[after - 1]
    share = float(np.clip((target - errors[after - 1]) / rise, 0, 1)) if rise else 0.0

    def between(values: np.ndarray) -> float:
        return float(values[after - 1] + share * (values[after] - values[after - 1]))

    figures = {name: {"mean": between(means[name]), "low": None, "high": None} for name in FIGURES}
    return {"confidence": between(confidences), "reached": reached} | figures


def table(result: Mapping[str, Any]) -> str:
    lines = [
        f"{result['data']}, model {result['model']}, {result['seeds']} seeds, "
        f"{result['budget']:,} answers paid by each rule",
        "",
    ]
    lines.append(
        f"{'crowd':8}{'rule':26}{'answers':>9}{'cost':>7}{'label error':>22}{'undecided':>11}{'model':>20}{'ECE':>20}"
    )
    for row in result["rows"]:
        name = row["rule"]
        if "reached" in row:
            name += f", {row['reached']}" if row["reached"] != "between" else f": {row['confidence']:.3f}"
        lines.append(
            f"{row['crowd']:8}{name:26}{row['answers']['mean']:9.2f}{row['cost']['mean']:7.0%}"
            f"{_interval(row['error']):>22}{row['undecided']['mean']:11.1%}{_interval(row['accuracy']):>20}{_interval(row['ece']):>20}"
        )
    return "\n".join(lines)


def _interval(of: Mapping[str, float | None]) -> str:
    text = f"{100 * (of['mean'] or 0):.1f} %"
    return text if of["low"] is None or of["high"] is None else f"{text} ({100 * of['low']:.1f}–{100 * of['high']:.1f})"
