"""What does a right label cost? Simulated annotators whose mistakes are known, asked by several rules.

    python -m benchmarks.quality                                   # digits, three crowds, five seeds: some minutes
    python -m benchmarks.quality --data fashion --budget 6000      # Fashion-MNIST
    python -m benchmarks.quality --data noisy --model logistic     # made-up vectors that no model can be sure of
    python -m benchmarks.quality --vectors x.npy --labels y.npy    # your own
    python -m benchmarks.quality --curve 0.7,0.8,0.9,0.95          # the adaptive rule by what is enough
    python -m benchmarks.quality --json > result.json              # one JSON object

Crowds of ten people: `good` (all right 19 times of 20), `mixed` (six of them good, one who answers at random, one who
takes three classes for their neighbours, one with careless hours, one right four times of five), `bad` (four good,
three at random, two confusers, one with careless hours). For each item the same people come in the same order,
whatever the rule:

    one             the first person's answer
    fixed 3         three people, the majority; a tie has no label
    fixed 3 + DS    three people, Dawid and Skene's model over all answers
    adaptive        the product's rule (labeling.labels.resolving), with the accuracies and the model's word so far
    adaptive 0.9    the same with 0.9 as the probability that is enough, in place of 0.95; by `--curve`
    …, all asked    the same as adaptive, but for items in doubt everybody is asked, whatever is known of them
    …, paused       who turned out to be right less than half the time, by 20 answers or more, is asked no more
    …, soft         the model learns how probable each label is, in place of the most probable one (`soft_labels`)
    fixed 3, hard   what `fixed 3, soft` is to be compared with: the most probable label, ties included
    adaptive + DS   the answers of adaptive, labels by Dawid and Skene's model

Each trains the product's network after every batch, drawn at random, until its budget of answers is spent. Reported,
means over seeds with 95 % intervals: answers an item, label error (of the items that have a label), items without one,
and the accuracy of the last model on test items. `cost` is the share of fixed 3's answers that a label takes. With
`--curve`, a last row says what the adaptive rule takes for fixed 3's label error, and at which confidence.
"""

import argparse
import json
import sys
import time
from pathlib import Path

from benchmarks.efficiency.datasets import FASHION_FOLDER, DataError, Source
from benchmarks.measuring import machine, side_by_side
from benchmarks.quality.crowds import CROWDS
from benchmarks.quality.report import rows_of, table
from benchmarks.quality.rules import FIXED, RULES, adaptive
from benchmarks.quality.runs import MODELS, Work, run

USUAL = {"digits": (60, 1500), "fashion": (300, 6000), "noisy": (150, 1500), "uneven": (150, 1500)}


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    name = "vectors" if options.vectors else options.data
    batch, budget = USUAL.get(name, (150, 1500))
    source = Source(
        name, fashion_folder=options.fashion, pool=options.pool, vectors=options.vectors, labels=options.labels
    )
    rules = {name: RULES[name] for name in options.rules}
    for confidence in options.curve:
        rules |= adaptive(confidence)
    works = [
        Work(source, crowd, name, rule, seed, options.batch or batch, options.budget or budget, options.model)
        for crowd in options.crowds
        for name, rule in rules.items()
        for seed in range(options.seeds)
    ]
    started = time.monotonic()
    results: dict[tuple[str, str], list[dict[str, float]]] = {}
    try:
        for done, (work, figures) in enumerate(side_by_side(run, works, options.processes), start=1):
            results.setdefault((work.crowd, work.name), []).append(figures | {"seed": work.seed})
            print(f"{time.monotonic() - started:5.0f} s  {done}/{len(works)}", file=sys.stderr, flush=True)
    except DataError as error:
        print(f"quality: {error}", file=sys.stderr)
        return 2
    result = {
        "machine": machine(),
        "data": name,
        "model": options.model,
        "seeds": options.seeds,
        "budget": works[0].budget,
        "rows": list(rows_of(results, rules)),
    }
    print(json.dumps(result, allow_nan=False) if options.json else table(result))
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--data", choices=USUAL, default="digits", help="Default: digits.")
    add("--fashion", type=Path, default=FASHION_FOLDER, metavar="FOLDER", help=f"Default: {FASHION_FOLDER}.")
    add("--vectors", type=Path, metavar="X.npy", help="In place of --data: (n, d) vectors of your own.")
    add("--labels", type=Path, metavar="Y.npy", help="(n,) their true classes.")
    add("--model", choices=MODELS, default="network", help="Default: network. logistic is quick.")
    add("--rules", type=lambda text: text.split(";"), metavar="A;B", help="Default: all; with --curve, fixed 3 alone.")
    add("--curve", type=_confidences, default=[], metavar="P,Q", help="Confidences to try the adaptive rule at.")
    add("--pool", type=int, metavar="N", help="Only so many items of the pool.")
    add("--crowds", type=lambda text: text.split(","), default=list(CROWDS), metavar="A,B", help="Default: all.")
    add("--seeds", type=int, default=5, metavar="N", help="Default: 5.")
    add("--batch", type=int, metavar="N", help="Items in a batch. Default: 60, of Fashion-MNIST 300.")
    add("--budget", type=int, metavar="N", help="Answers that each rule may take. Default: 1,500; Fashion-MNIST 6,000.")
    add("--processes", type=int, default=1, metavar="N", help="Side by side. Default: 1.")
    add("--json", action="store_true", help="One JSON object.")
    options = parser.parse_args(arguments)
    options.rules = options.rules or ([FIXED] if options.curve else list(RULES))
    if (options.vectors is None) != (options.labels is None):
        parser.error("--vectors and --labels belong together.")
    if strange := set(options.rules) - set(RULES):
        parser.error(f"--rules: there is no rule {min(strange)!r}; there are {'; '.join(RULES)}.")
    unknown = set(options.crowds) - CROWDS.keys()
    if unknown:
        parser.error(f"--crowds: there is no crowd {min(unknown)!r}; there are {', '.join(CROWDS)}.")
    return options


def _confidences(text: str) -> list[float]:
    confidences = [float(part) for part in text.split(",")]
    if not all(0.5 <= each < 1 for each in confidences):
        raise ValueError(text)
    return confidences


if __name__ == "__main__":
    sys.exit(main())
