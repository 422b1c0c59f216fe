"""What does privacy cost, and does it keep what it says? Private trainings beside one without privacy, one run.

    python -m benchmarks.privacy                                   # Fashion-MNIST
    python -m benchmarks.privacy --quick                           # a tenth of it, fewer epsilons: a few minutes
    python -m benchmarks.privacy --vectors X.npy --labels y.npy    # your own arrays
    python -m benchmarks.privacy --fields                          # texts on a sentence encoder
    python -m benchmarks.privacy --audit                           # a lower bound of epsilon, in place of all this
    python -m benchmarks.privacy --text                            # language models on texts, in place of all this
    python -m benchmarks.privacy --json > result.json              # one JSON object

For each epsilon, at delta = n^-1.1: the product's private training (batches of thousands that grow), and the same with
a usual batch of 256 that does not, over as many records in all. Beside them the product's training without privacy.
Accuracy is measured on test items that nothing is learned from. And an attack that guesses who was trained on, against
a network that knows 2,000 records by heart and against a private one on the same records.

With --audit, canaries of whom each is in the training by a fair coin give a lower bound of each stated epsilon, and
trainings with a mistake show which ones the audit would find. The exit status is 1 if a bound is above the stated
epsilon of a training without a mistake: one time in 20 by chance alone, if that epsilon is tight.

With --fields, the same on entries of a dictionary (Debian's package dict-gcide) that name a field such as botany, as
all-MiniLM-L6-v2 embeds them. --layers fine-tunes this encoder, too: expect hours for thousands of entries.

With --text, a small language model learns the entries of a dictionary (Debian's package dict-gcide) or the lines of a
file, without privacy and at each epsilon and batch size, from equally many examples, or in equally many steps. Measured
are the hidden word pieces that it guesses in other texts, and a classifier of the entries' fields on its features,
beside other encoders.

The JSON names noise, sampling rate and steps of every phase, n and delta of every run, so that anybody can recompute
epsilon. Private runs differ from time to time: their noise comes from the operating system, not from the seed.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

from benchmarks.efficiency.datasets import FASHION_FOLDER, DataError, Source
from benchmarks.measuring import side_by_side
from benchmarks.privacy import audit, fields, report, runs, text
from benchmarks.privacy.audit import Audit
from benchmarks.privacy.runs import Work
from models_store.privacy.tuning import LEARNING_RATES

EPSILONS = (1.0, 3.0, 5.36, 8.0)
QUICK_EPSILONS = (1.0, 5.36)
QUICK_POOL = 6000
CANARIES, QUICK_CANARIES = 1000, 500
FAULT_EPSILON = 1.0
"""The stated epsilon of trainings with a mistake: so small that the canaries can show it to be wrong."""


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    started = time.monotonic()
    try:
        if options.text:
            works = text.plan(
                options.texts, options.examples, options.batches, options.epsilon, options.seeds, steps=options.steps
            )
            text.read(options.texts)
            lines = _run_all(text.run, works, options.processes)
            result = text.summarise(lines, references=text.references(options.texts))
        elif options.audit:
            lines = _run_all(audit.run, _audits(options), options.processes)
            result = report.summarise_audits(lines)
        else:
            with TemporaryDirectory(prefix="marginalia-fields-") as folder:
                lines = _run_all(runs.run, _plan(options, Path(folder)), options.processes)
            result = {"data": report.summarise(lines), "runs": lines}
    except (DataError, OSError, ValueError) as error:
        return _refuse(str(error))
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    result["seconds"] = round(time.monotonic() - started, 1)
    table = text.table if options.text else report.table_of_audits if options.audit else report.table
    print(json.dumps(result, allow_nan=False) if options.json else table(result))
    return 1 if options.audit and not result["holds"] else 0


def _audits(options: argparse.Namespace) -> list[Audit]:
    """Return the trainings to audit: of the product at each epsilon, then those with a mistake, beside one without."""
    return [
        *(
            Audit(audit.USUAL, epsilon, options.canaries, seed, part)
            for part in audit.PARTS
            for epsilon in options.epsilon
            for seed in options.seeds
        ),
        *(
            Audit(training, FAULT_EPSILON, options.canaries, seed, part)
            for part in audit.PARTS
            for training in (audit.RARE, *audit.FAULTS)
            for seed in options.seeds
        ),
    ]


def _plan(options: argparse.Namespace, folder: Path) -> list[Work]:
    """Return the trainings to run, the longest first. Raises DataError for unusable data. `folder` takes data that is
    made for them.
    """
    if options.fields:
        source = fields.write(folder)
    elif options.vectors:
        source = Source(
            options.vectors.stem, vectors=options.vectors, labels=options.labels, test_share=options.test_share
        )
    else:
        source = Source("fashion", fashion_folder=options.fashion)
    source = replace(source, pool=options.pool)
    data = runs.load(source, 0)
    if len(data.labels) < 100 or len(data.test_labels) < 20:
        raise DataError(f"{source.name}: {len(data.labels)} items to learn from are too few; at least 100 are needed.")
    private = [
        Work(source, arm, epsilon, seed, options.steps)
        for arm in (*options.layers, "usual", "mega")
        for seed in options.seeds
        for epsilon in ((*options.epsilon, None) if arm == "all" else options.epsilon)
    ]
    attacked = report.TARGET_EPSILON if report.TARGET_EPSILON in options.epsilon else options.epsilon[-1]
    return [
        *(Work(source, "none", None, seed) for seed in options.seeds),
        *private,
        *(Work(source, "attack", attacked, seed) for seed in options.seeds),
    ]


def _run_all(run: Callable[[Any], dict[str, Any]], works: list[Any], processes: int) -> list[dict[str, Any]]:
    """Run the trainings, each a `Work` or an `Audit`, in parallel, with a line on standard error for each."""
    results: dict[Any, dict[str, Any]] = {}
    for n, (work, result) in enumerate(side_by_side(run, works, processes), start=1):
        results[work] = result
        budget = "" if work.epsilon is None else f", ε = {work.epsilon:g}"
        print(
            f"{n}/{len(works)}  {work.name}{budget}, seed {work.seed}: {result['seconds']:.0f} s",
            file=sys.stderr,
            flush=True,
        )
    return [results[work] for work in works]


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = _Parser(
        prog="python -m benchmarks.privacy",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--vectors", type=Path, metavar="X.npy", help="(n, d) numbers, one row an item; with --labels.")
    add("--labels", type=Path, metavar="y.npy", help="(n,) classes of those items.")
    add("--test-share", type=_share, default=0.3, metavar="P", help="Of arrays, for testing. Default: 0.3.")
    add("--fashion", type=Path, default=FASHION_FOLDER, metavar="FOLDER", help=f"Default: {FASHION_FOLDER}.")
    add("--epsilon", type=_epsilons, metavar="A,B", help="Default: 1,3,5.36,8.")
    add("--seeds", type=_positive, default=1, metavar="N", help="Default: 1.")
    add("--pool", type=_positive, metavar="N", help="Learn from N items alone, drawn at random.")
    add("--fields", action="store_true", help="Fields of GCIDE's entries, on all-MiniLM-L6-v2.")
    add("--layers", type=_layers, default=(), metavar="A,B", help="For --fields: lora, all, or both.")
    add("--audit", action="store_true", help="A lower bound of epsilon from canaries. Needs no data.")
    add("--canaries", type=_canaries, metavar="N", help="For --audit, 20 to 10,000. Default: 1,000.")
    add("--text", action="store_true", help="Language models on texts: by default the entries of GCIDE, a dictionary.")
    add("--texts", type=Path, metavar="FILE", help="For --text: a file with a text a line.")
    add(
        "--examples",
        type=_positive,
        metavar="N",
        help="For --text: texts that each training takes. Default: 4,194,304.",
    )
    add(
        "--steps",
        type=_positive,
        metavar="N",
        help="N steps of each private training. With --text, in place of equally many texts.",
    )
    add("--batches", type=_batches, metavar="A,B", help="For --text. Default: 256,4096,65536.")
    add("--quick", action="store_true", help="Fewer items, canaries or texts and two epsilons, unless told otherwise.")
    add("--processes", type=_positive, default=os.cpu_count() or 1, metavar="N", help="Default: one a core.")
    add("--json", action="store_true", help="One JSON object instead of the table.")
    options = parser.parse_args(arguments)
    if bool(options.vectors) != bool(options.labels):
        sys.exit(_refuse("--vectors and --labels go together."))
    if options.layers and not options.fields:
        sys.exit(_refuse("--layers needs --fields: other data has no network to fine-tune."))
    options.epsilon = options.epsilon or (QUICK_EPSILONS if options.quick else EPSILONS)
    options.pool = options.pool or (QUICK_POOL if options.quick else None)
    options.canaries = options.canaries or (QUICK_CANARIES if options.quick else CANARIES)
    options.text = options.text or options.texts is not None
    options.examples = options.examples or (text.QUICK_EXAMPLES if options.quick else text.EXAMPLES)
    options.batches = options.batches or (text.QUICK_BATCHES if options.quick else text.BATCHES)
    options.seeds = range(options.seeds)
    return options


def _refuse(message: str) -> int:
    print(f"privacy: {' '.join(message.split())}", file=sys.stderr)
    return 2


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Print the error as one line, without the usage."""
        sys.exit(_refuse(message))


def _epsilons(text: str) -> tuple[float, ...]:
    return tuple(sorted({_number(part, 0.05, 100, f"a number from 0.05 to 100: {part!r}") for part in text.split(",")}))


def _batches(text: str) -> tuple[int, ...]:
    return tuple(sorted({_positive(part) for part in text.split(",")}))


def _layers(text: str) -> tuple[str, ...]:
    layers = tuple(dict.fromkeys(text.split(",")))
    if not set(layers) <= set(LEARNING_RATES):
        raise argparse.ArgumentTypeError(f"not some of {', '.join(LEARNING_RATES)}: {text!r}")
    return layers


def _share(text: str) -> float:
    return _number(text, 0.01, 0.99, f"a share from 0.01 to 0.99: {text!r}")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"not a whole number of at least 1: {text!r}")
    return int(text)


def _canaries(text: str) -> int:
    return int(_number(text, 20, 10_000, f"a number from 20 to 10,000: {text!r}"))


def _number(text: str, low: float, high: float, expected: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"not {expected}")
    return value


if __name__ == "__main__":
    sys.exit(main())
