"""Does gold find those who do not look, and leave the others alone? Simulated people, the product's own rule.

    python -m benchmarks.gold                      # a table, some seconds
    python -m benchmarks.gold --json               # one JSON object
    python -m benchmarks.gold --sure 0.002         # another level of the test
    python -m benchmarks.gold --power              # how many gold items find who answers two classes at random; exact
    python -m benchmarks.gold --tests              # other tests for the same, and the best that any can do; exact

People of known kinds answer gold items, their classes drawn at random: spammers (any class, or always one), people who
take one class for another, and good ones. After each answer `labeling.queue.gold.is_below` is asked, as the product
asks it. Reported: how many spammers and confusers are paused within 30 gold items, and how many good people within 200.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy import stats

CLASSES = (2, 10, 100)
THRESHOLDS = (0.6, 0.7, 0.8)
POWER_AT, SHARES = (0.7, 0.75, 0.8, 0.85, 0.9), (0.9, 0.95, 0.99)
FEW, MANY = 30, 200
UNEVEN = 0.7
"""The share of one class among gold items that are not spread evenly."""
ORDERS = 1000
"""Orders in which such items are drawn evenly; people share them."""

Answers = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]
"""From known answers, how many classes there are, and a generator: what somebody answers."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Simulated people who answer alike. `bad` people should be paused within FEW gold items, others never."""

    name: str
    answers: Answers
    bad: bool = True
    uneven: bool = False
    drawn_evenly: bool = False


def main(arguments: list[str] | None = None) -> int:
    import django

    options = _parse(arguments)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()  # the rule stands beside tables; none is read
    from labeling.queue import gold

    sure = gold.SURE if options.sure is None else options.sure
    if not 0 < sure < 1 or options.people < 1:
        print("gold: --sure must lie between 0 and 1, and --people be at least 1.", file=sys.stderr)
        return 2
    if options.power:
        print(_power({threshold: _cutoffs(gold.is_below, threshold, sure) for threshold in POWER_AT}))
        return 0
    if options.tests:
        print(_tests({"binomial, 0.8, level 0.01 (the product's)": _cutoffs(gold.is_below, 0.8, sure)}))
        return 0
    rules = {threshold: _cutoffs(gold.is_below, threshold, sure) for threshold in THRESHOLDS}
    rows = list(_study(rules, options))
    print(json.dumps({"sure": sure, "people": options.people, "rows": rows}) if options.json else _table(rows))
    return 0


def _cutoffs(is_below: Callable[..., bool], threshold: float, sure: float) -> np.ndarray:
    """Return the (MANY,) cutoffs: a person with fewer right answers among the first 1, 2, … is paused."""
    return np.array(
        [
            next(right for right in range(n + 2) if right > n or not is_below(right, n, threshold, sure=sure))
            for n in range(1, MANY + 1)
        ]
    )


def _power(rules: dict[float, np.ndarray]) -> str:
    """Return for each share of random answerers the gold items until they are paused, and the good people paused by
    MANY.
    """
    good = (0.85, 0.9, 0.95)
    lines = [
        f"| threshold | {' | '.join(f'{share:.0%} found' for share in SHARES)} | "
        f"{' | '.join(f'{each:.0%} right, paused' for each in good)} |",
        f"|{'---|' * (1 + len(SHARES) + len(good))}",
    ]
    for threshold, cutoffs in rules.items():
        paused = _paused(cutoffs, 0.5)
        items = (str(int(np.argmax(paused >= share)) + 1) for share in SHARES)
        alarms = (f"{100 * _paused(cutoffs, each)[-1]:.1f} %" for each in good)
        lines.append(f"| {threshold} | {' | '.join(items)} | {' | '.join(alarms)} |")
    return "\n".join(lines)


def _tests(tests: dict[str, np.ndarray]) -> str:
    """Compare tests with two classes: random answerers paused within FEW, the gold items to find 99 % of them, and good
    people paused within MANY.
    """
    for against, bound in ((0.5, 100), (0.55, 75), (0.6, 75), (0.65, 75)):
        below = partial(_ratio_below, against=against, bound=bound)
        tests[f"likelihood ratio, 0.85 to {against}, {bound}"] = _cutoffs(below, 0.85, 0)
    lines = [
        "| test | at random, paused | 99 % found after | 80 % right, paused | 85 % | 90 % |",
        "|---|---|---|---|---|---|",
    ]
    for name, cutoffs in tests.items():
        spammers = _paused(cutoffs, 0.5)
        alarms = " | ".join(f"{100 * _paused(cutoffs, each)[-1]:.2f} %" for each in (0.8, 0.85, 0.9))
        lines.append(f"| {name} | {spammers[FEW - 1]:.1%} | {np.argmax(spammers >= 0.99) + 1} | {alarms} |")
    enough = next(n for n in range(1, MANY) if _best_power(n) >= 0.99)
    lines.append(
        f"| the best of all with one look at {FEW}, 1 % of 85 % right | {_best_power(FEW):.1%} | {enough} | | | |"
    )
    return "\n".join(lines)


def _ratio_below(right: int, n: int, threshold: float, *, sure: float, against: float, bound: float) -> bool:
    """Wald's sequential test (1945, "Sequential Tests of Statistical Hypotheses").

    A person whose accuracy equals the threshold is ever paused with a probability of at most 1 / bound, however often
    the test runs. `sure` is not used.
    """
    ratio = right * np.log(against / threshold) + (n - right) * np.log((1 - against) / (1 - threshold))
    return bool(ratio >= np.log(bound))


def _best_power(n: int, good: float = 0.85, alarms: float = 0.01) -> float:
    """Return the share of people who are right half the time that the most powerful test of n answers finds (Neyman and
    Pearson 1933, with chance deciding at its boundary).
    """
    low, high = stats.binom.cdf(np.arange(n), n, good), stats.binom.cdf(np.arange(n), n, 0.5)
    return float(np.interp(alarms, np.append(0, low), np.append(0, high)))


def _paused(cutoffs: np.ndarray, accuracy: float) -> np.ndarray:
    """Return the (MANY,) probabilities that a person with this accuracy is paused within 1, 2, … answers."""
    going = np.zeros(MANY + 2)  # by how many answers were right
    going[0], paused = 1.0, []
    for cutoff in cutoffs:
        going[1:] = (1 - accuracy) * going[1:] + accuracy * going[:-1]
        going[0] *= 1 - accuracy
        going[:cutoff] = 0
        paused.append(1 - going.sum())
    return np.array(paused)


def _study(rules: dict[float, np.ndarray], options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    for classes in CLASSES:
        for kind in KINDS:
            rng = np.random.default_rng([options.seed, classes])
            right = _right(kind, classes, options.people, rng)
            n = FEW if kind.bad else MANY
            paused = {
                str(threshold): float((right[:, :n] < cutoffs[:n]).any(axis=1).mean())
                for threshold, cutoffs in rules.items()
            }
            yield {"classes": classes, "people": kind.name, "bad": kind.bad, "gold_items": n, "paused": paused}


def _right(kind: Kind, classes: int, people: int, rng: np.random.Generator) -> np.ndarray:
    """Return (people, MANY): the number of right answers among the first 1, 2, … of each person."""
    known = rng.integers(0, classes, (people, MANY))
    if kind.uneven:
        known[rng.random(known.shape) < (UNEVEN - 1 / classes) / (1 - 1 / classes)] = 0
    if kind.drawn_evenly:
        from labeling.steps.further import evenly

        known = np.array([each[evenly(each.tolist(), [0] * MANY, 1, rng)] for each in known[:ORDERS]])
        known = np.resize(known, (people, MANY))
    return (kind.answers(known, classes, rng) == known).cumsum(axis=1)


def _any_class(known: np.ndarray, classes: int, rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, classes, known.shape)


def _one_class(known: np.ndarray, classes: int, rng: np.random.Generator) -> np.ndarray:
    return np.zeros_like(known)


def _good(accuracy: float) -> Answers:
    """Return answers that are wrong at times, with any other class."""

    def answers(known: np.ndarray, classes: int, rng: np.random.Generator) -> np.ndarray:
        wrong = (known + rng.integers(1, classes, known.shape)) % classes
        return np.where(rng.random(known.shape) < accuracy, known, wrong)

    return answers


def _confuser(known: np.ndarray, classes: int, rng: np.random.Generator) -> np.ndarray:
    """Answer 95 % right, except that every second class is always taken for the one before it."""
    return np.where(known % 2 == 1, known - 1, _good(0.95)(known, classes, rng))


KINDS = (
    Kind("spammer: any class", _any_class),
    Kind("spammer: always one class", _one_class),
    Kind(f"spammer: always the class of {UNEVEN:.0%} of the gold items", _one_class, uneven=True),
    Kind(f"the same, of {MANY} items drawn evenly", _one_class, uneven=True, drawn_evenly=True),
    Kind("takes every second class for another", _confuser),
    *(Kind(f"good: {accuracy:.0%} right", _good(accuracy), bad=False) for accuracy in (0.85, 0.9, 0.95, 0.98)),
)


def _table(rows: list[dict[str, Any]]) -> str:
    lines = [
        f"| classes | people | gold items | {' | '.join(f'paused at {each}' for each in THRESHOLDS)} |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        shares = " | ".join(f"{100 * row['paused'][str(each)]:.2f} %" for each in THRESHOLDS)
        lines.append(f"| {row['classes']} | {row['people']} | {row['gold_items']} | {shares} |")
    return "\n".join(lines)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmarks.gold", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, default=40_000, help="simulated people of each kind (40000)")
    parser.add_argument("--sure", type=float, help="level of the test at one look (the product's own)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--power", action="store_true", help="gold items that are needed with two classes, in place of it"
    )
    parser.add_argument("--tests", action="store_true", help="other tests with two classes, in place of it")
    parser.add_argument("--json", action="store_true", help="one JSON object in place of the table")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
