"""Simulated projects: the same pool, people and first batch, labeled in each of the ways."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.efficiency import loop
from benchmarks.efficiency.datasets import Data, Source
from benchmarks.efficiency.loop import accuracy, seed_for
from benchmarks.seconds.people import People
from benchmarks.seconds.ways import WAYS, Learned, OneByOne
from models_store.config import TrainConfig
from models_store.model import Model
from models_store.prediction import predict
from models_store.training import Recipe, TrainingSet, train
from selector.linkage import average_linkage
from selector.strategies import PoolArrays, pick

CONFIG = TrainConfig(calibration_labels=0)
"""Without further trainings, which change no answer, because many models are trained here."""


@dataclass(frozen=True)
class Work:
    """All ways on one pool with one seed."""

    source: Source
    plan: loop.Plan
    seed: int
    error: float
    ways: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _First:
    """The parts that all ways share: a random batch answered one by one, its model, the clustering."""

    labels: NDArray[np.int64]
    seconds: float
    model: Model
    clusters: NDArray[np.int64]


def run(work: Work) -> dict[str, Any]:
    """Return the sizes of the data, and the result of each way. Uses one thread."""
    import torch

    torch.set_num_threads(1)
    data = work.source.load(work.seed)
    people = People(data.labels, data.n_classes, work.seed, work.error)
    labels = np.full(len(data.labels), -1)
    batch = pick(
        "uniform",
        PoolArrays(size=len(labels)),
        batch_size=work.plan.seed_batch,
        rng=np.random.default_rng(seed_for(work.seed, "seed", 0)),
    )
    labels[batch.indices], seconds = people.one_by_one(batch.indices)
    rows = np.flatnonzero(labels >= 0)
    model = _train(work, data, Learned(rows, labels[rows]), 0)
    dendrogram = average_linkage(np.concatenate([part.embeddings for part in predict(model, data.features)]))
    clusters = dendrogram.cut(mean_cluster_size=work.plan.mean_cluster_size)
    first = _First(labels, seconds, model, clusters)
    return {
        "pool": len(data.labels),
        "tests": len(data.test_labels),
        "classes": data.n_classes,
        "ways": {
            name: _label(work, data, way(people, dendrogram, work.seed), first)
            for name, way in WAYS.items()
            if name in work.ways
        },
    }


def _label(work: Work, data: Data, way: OneByOne, first: _First) -> dict[str, Any]:
    """Label batches until the budget is spent; return seconds and accuracy for each model, and the last model's
    labels.
    """
    labels, model = first.labels.copy(), first.model
    seconds, accuracies = [first.seconds], [accuracy(model, data)]
    # Nothing is kept there: `pick_rows` looks at the seed and the plan alone.
    picking = loop.Work(work.source, work.plan, (way.strategy,), work.seed, Path())
    for number in range(1, work.plan.rounds + 1):
        labeled = np.flatnonzero(labels >= 0)
        rows = loop.pick_rows(picking, data, way.strategy, first.clusters, labeled, model, work.plan.batch, number)
        guesses = np.concatenate([part.best for part in predict(model, data.features[rows])])
        seconds.append(seconds[-1] + way.ask(number, rows, guesses, labels))
        learned = way.learned(labels)
        model = _train(work, data, learned, number)
        accuracies.append(accuracy(model, data))
    wrong = learned.labels != data.labels[learned.rows]
    propagated = labels[learned.rows] < 0
    return {
        "seconds": seconds,
        "accuracy": accuracies,
        "labels": len(learned.rows),
        "label_error": float(wrong.mean()),
        "propagated": int(propagated.sum()),
        "propagated_error": float(wrong[propagated].mean()) if propagated.any() else None,
    }


def _train(work: Work, data: Data, learned: Learned, number: int) -> Model:
    seed = seed_for(work.seed, "train", number)
    features, labels = data.features[learned.rows], learned.labels
    training_set = TrainingSet(
        features, labels, "single", data.n_classes, data.input_shape, propagated=learned.propagated
    )
    return train(training_set, Recipe(seed, CONFIG)).model
