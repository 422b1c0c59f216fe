"""Summarises the trainings."""

import math
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.privacy.audit import FAULTS, PARTS

ARMS = {"mega": "mega-batch", "usual": "usual batch", "lora": "LoRA", "all": "all layers"}
TARGET_EPSILON = 5.36
TARGET_SHARE = 0.95


def summarise(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Return for each data set the accuracy of each arm and epsilon over seeds, relative to no privacy, and the
    attacks.
    """
    names = list(dict.fromkeys(line["data"] for line in lines))
    return {name: _of_data([line for line in lines if line["data"] == name]) for name in names}


def _of_data(lines: list[dict[str, Any]]) -> dict[str, Any]:
    plain = {line["seed"]: line["accuracy"] for line in lines if line["arm"] == "none"}
    rows = []
    for arm in ARMS:
        epsilons = {line["target_epsilon"] for line in lines if line["arm"] == arm}
        for epsilon in sorted(epsilons, key=lambda each: math.inf if each is None else each):
            mine = [line for line in lines if (line["arm"], line["target_epsilon"]) == (arm, epsilon)]
            accuracies = [line["accuracy"] for line in mine]
            shares = [line["accuracy"] / plain[line["seed"]] for line in mine]
            privacy = mine[0].get("privacy") or {"delta": None, "phases": []}
            rows.append(
                {
                    "arm": arm,
                    "epsilon": epsilon,
                    "delta": privacy["delta"],
                    "phases": privacy["phases"],
                    "accuracy": float(np.mean(accuracies)),
                    "accuracy_interval": interval(accuracies) or mine[0]["interval"],
                    "share_of_none": float(np.mean(shares)),
                    "share_interval": interval(shares),
                }
            )
    none = [line for line in lines if line["arm"] == "none"]
    return {
        "none": {
            "accuracy": float(np.mean([*plain.values()])),
            "accuracy_interval": interval([*plain.values()]) or none[0]["interval"],
        },
        "private": rows,
        "verdict": _verdict(rows),
        "attack": [line for line in lines if line["arm"] == "attack"],
    }


def _verdict(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return whether the aims are met; None for aims that were not measured."""
    by = {(row["arm"], row["epsilon"]): row for row in rows}
    target = by.get(("mega", TARGET_EPSILON))
    both = [epsilon for arm, epsilon in by if arm == "mega" and ("usual", epsilon) in by]
    ahead = {str(epsilon): by["mega", epsilon]["accuracy"] - by["usual", epsilon]["accuracy"] for epsilon in both}
    return {
        "share_at_target": target["share_of_none"] if target else None,
        "share_is_met": target["share_of_none"] >= TARGET_SHARE if target else None,
        "mega_ahead_of_usual_by": ahead,
        "mega_is_ahead": all(gain > 0 for gain in ahead.values()) if ahead else None,
    }


def interval(values: list[float]) -> list[float] | None:
    """Return the 95 % interval (Student's t) of the mean over seeds; None for one seed."""
    if len(values) < 2:
        return None
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values))
    return [float(np.mean(values) - half), float(np.mean(values) + half)]


def table(result: dict[str, Any]) -> str:
    lines = []
    for name, figures in result["data"].items():
        lines += [f"{name}", f"  without privacy  {_percent(figures['none'])}"]
        for row in figures["private"]:
            share = f"{100 * row['share_of_none']:.1f} % of that without privacy"
            budget = "no privacy"
            if row["epsilon"] is not None:
                budget = f"ε = {row['epsilon']:<5g} δ = {row['delta']:.1e}"
            lines.append(f"  {ARMS[row['arm']]:11}  {budget:21}  {_percent(row)}  {share}")
        for line in figures["attack"]:
            lines.append(f"  membership attack, ε = {line['target_epsilon']:g}, seed {line['seed']}")
            lines += [f"    {kind:8} {_attack(line[kind])}" for kind in ("overfit", "private")]
        verdict = figures["verdict"]
        if verdict["share_is_met"] is not None:
            lines.append(f"  95 % of the accuracy without privacy at ε = 5.36: {_yes(verdict['share_is_met'])}")
        if verdict["mega_is_ahead"] is not None:
            lines.append(f"  mega-batch ahead of the usual one at each ε: {_yes(verdict['mega_is_ahead'])}")
    return "\n".join(lines)


def summarise_audits(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the audits with two verdicts: whether the stated ε of all trainings without a mistake holds, and whether
    all mistakes were found.
    """
    faulty = [line for line in lines if line["training"] in FAULTS]
    return {
        "holds": not any(line["refuted"] for line in lines if line not in faulty),
        "mistakes_found": all(line["refuted"] for line in faulty),
        "audits": lines,
    }


def table_of_audits(result: dict[str, Any]) -> str:
    first = result["audits"][0]
    lines = [
        f"{first['canaries']:,} canaries, each a member by a fair coin; {first['guesses']} guesses from the model; "
        f"{100 * first['confidence']:.0f} % confidence, δ = {first['delta']:g}",
        f"  {'training':30}  {'stated ε':>8}  {'right guesses':>13}  ε is at least",
    ]
    for line in result["audits"]:
        right, faulty = f"{line['right']}/{line['guesses']}", line["training"] in FAULTS
        found = ("not found", "found") if faulty else ("", "above the stated ε")
        figures = f"{line['epsilon']:8.2f}  {right:>13}  {line['lower_bound']:13.2f}  {found[line['refuted']]}"
        subject = PARTS[line["part"]] + line["training"]
        lines.append(f"  {subject:30}  {figures}".rstrip())
    lines.append(f"  no stated ε refuted: {_yes(result['holds'])}; mistakes found: {_yes(result['mistakes_found'])}")
    return "\n".join(lines)


def _percent(row: dict[str, Any]) -> str:
    low, high = row["accuracy_interval"]
    return f"{100 * row['accuracy']:.2f} % [{100 * low:.2f}, {100 * high:.2f}]"


def _attack(figures: dict[str, Any]) -> str:
    auc, advantage = figures["auc_interval"], figures["advantage_interval"]
    bound = f", at most {figures['most_advantage']:.3f} by ε" if "most_advantage" in figures else ""
    return (
        f"AUC {figures['auc']:.3f} [{auc[0]:.3f}, {auc[1]:.3f}]  "
        f"advantage {figures['advantage']:.3f} [{advantage[0]:.3f}, {advantage[1]:.3f}]{bound}"
    )


def _yes(met: bool) -> str:
    return "yes" if met else "no"
