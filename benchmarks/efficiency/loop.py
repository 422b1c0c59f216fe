"""One simulated project: the product's own training, clustering and selection, with the answers known beforehand."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.efficiency.datasets import Data, Source
from models_store.config import TrainConfig
from models_store.model import Model
from models_store.prediction import EXTRAS, predict
from models_store.training import Recipe, TrainingSet, train
from selector.linkage import Dendrogram, average_linkage
from selector.strategies import STRATEGIES, PoolArrays, pick, settle_factor

AHEAD = "cluster-margin-ahead"
"""Cluster-Margin where nobody waits: the first part of each batch is picked by the model before the newest."""
CLUSTERED = ("cluster-margin", AHEAD)
"""Strategies that look at clusters."""
FORMAT = 1


@dataclass(frozen=True)
class Plan:
    """What is done with one data set: the settings of a project, and how long it goes on."""

    seed_batch: int
    batch: int
    rounds: int
    candidate_factor: float | None
    mean_cluster_size: float
    ahead_share: float = 0.2
    """Of a batch that is picked ahead: the part that people are given before the newer model is there."""

    @property
    def labels(self) -> list[int]:
        """How many labels each model sees: the points of a curve."""
        return [self.seed_batch + number * self.batch for number in range(self.rounds + 1)]


@dataclass(frozen=True)
class Work:
    """All strategies on one data set with one seed: they share the first batch, the first model, the clustering."""

    source: Source
    plan: Plan
    strategies: tuple[str, ...]
    seed: int
    folder: Path


def run(work: Work) -> float:
    """Simulate what is not yet in the folder; return the seconds that it took. One thread."""
    import torch

    torch.set_num_threads(1)
    started = time.monotonic()
    data = work.source.load(work.seed)
    missing = [name for name in work.strategies if saved(work, name, data.digest) is None]
    if missing:
        first = _first_round(work, data)
        for name in missing:
            _save(work, name, data.digest, _simulate(work, data, name, first))
    return time.monotonic() - started


def saved(work: Work, strategy: str, digest: str | None = None) -> dict[str, Any] | None:
    """The result of an earlier run with the same settings, or None. Without `digest` the data is not compared."""
    try:
        result: dict[str, Any] = json.loads(_path(work, strategy).read_text())
        settings = result["settings"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    expected = _settings(work, strategy, settings.get("data") if digest is None else digest)
    return result if settings == expected else None


@dataclass(frozen=True, eq=False)
class _First:
    rows: np.ndarray
    model: Model
    clusters: np.ndarray | None


def _first_round(work: Work, data: Data) -> _First:
    """The uniform batch, the model of it, and the clusters of its embeddings: what no strategy has a say in."""
    rng = np.random.default_rng(seed_for(work.seed, "seed", 0))
    picked = pick("uniform", PoolArrays(size=len(data.labels)), batch_size=work.plan.seed_batch, rng=rng)
    rows = np.sort(picked.indices)
    model = _train(work, data, rows, 0)
    clusters = None
    if set(work.strategies) & set(CLUSTERED):
        clusters = _dendrogram(work, data, model).cut(mean_cluster_size=work.plan.mean_cluster_size)
    return _First(rows, model, clusters)


def _dendrogram(work: Work, data: Data, model: Model) -> Dendrogram:
    """Of the first model's embeddings, as in the product. Kept, for it is the longest step to do again."""
    key = {"data": data.digest, "seed": work.seed, "seed_batch": work.plan.seed_batch, "format": FORMAT}
    name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    path = work.folder / "dendrograms" / f"{name}.npz"
    try:
        return Dendrogram.load(path)
    except (OSError, ValueError):
        pass
    dendrogram = average_linkage(np.concatenate([part.embeddings for part in predict(model, data.features)]))
    path.parent.mkdir(parents=True, exist_ok=True)
    dendrogram.save(path)
    return dendrogram


def _simulate(work: Work, data: Data, strategy: str, first: _First) -> dict[str, Any]:
    """Rounds of labeling with one strategy: {"labels", "accuracy"}, one of each a model."""
    started = time.monotonic()
    labeled, model, before = first.rows, first.model, None
    accuracies = [accuracy(model, data)]
    for number in range(1, work.plan.rounds + 1):
        size, rule = work.plan.batch, strategy
        if strategy == AHEAD:
            rule, ahead = "cluster-margin", round(work.plan.ahead_share * size)
            rows = pick_rows(work, data, rule if before else "uniform", first.clusters, labeled, before, ahead, -number)
            labeled, size = np.concatenate([labeled, rows]), size - ahead
        labeled = np.concatenate([labeled, pick_rows(work, data, rule, first.clusters, labeled, model, size, number)])
        before, model = model, _train(work, data, np.sort(labeled), number)
        accuracies.append(accuracy(model, data))
    return {
        "labels": work.plan.labels,
        "accuracy": accuracies,
        "labels_per_class": np.bincount(data.labels[labeled], minlength=data.n_classes).tolist(),
        "pool": len(data.labels),
        "tests": len(data.test_labels),
        "classes": data.n_classes,
        "features": data.features.shape[1],
        "seconds": round(time.monotonic() - started, 2),
    }


def pick_rows(
    work: Work,
    data: Data,
    strategy: str,
    clusters: np.ndarray | None,
    labeled: np.ndarray,
    model: Model | None,
    size: int,
    number: int,
) -> np.ndarray:
    """So many rows for the batch of this number, below zero for the part that is picked ahead."""
    if not size:
        return np.empty(0, np.int64)
    unlabeled = np.setdiff1d(np.arange(len(data.labels)), labeled)
    arrays = _arrays(strategy, model, data.features[unlabeled])
    if clusters is not None:
        arrays["clusters"] = clusters[unlabeled]
    if STRATEGIES[strategy].apart_from_labeled:
        arrays["centre_embeddings"] = _arrays(strategy, model, data.features[labeled])["embeddings"]
    pool = PoolArrays(size=len(unlabeled), **arrays)
    factor = settle_factor(strategy, pool, batch_size=size, candidate_factor=work.plan.candidate_factor)
    picked = pick(
        strategy,
        pool,
        batch_size=size,
        candidate_factor=factor or 1.0,
        rng=np.random.default_rng(seed_for(work.seed, "select", number)),
    )
    return unlabeled[picked.indices]


def _arrays(strategy: str, model: Model | None, features: np.ndarray) -> dict[str, np.ndarray]:
    """What the strategy needs of the model."""
    names = [name for name in STRATEGIES[strategy].needs if name != "clusters"]
    if not names or model is None:
        return {}
    parts = list(predict(model, features, extras=[name for name in names if name in EXTRAS]))
    return {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}


def _train(work: Work, data: Data, rows: np.ndarray, number: int) -> Model:
    training_set = TrainingSet(data.features[rows], data.labels[rows], "single", data.n_classes, data.input_shape)
    return train(training_set, Recipe(seed_for(work.seed, "train", number))).model


def accuracy(model: Model, data: Data) -> float:
    """Share of the test items that the model takes to be what they are."""
    best = np.concatenate([part.best for part in predict(model, data.test_features)])
    return float((best == data.test_labels).mean())


def seed_for(seed: int, purpose: str, number: int) -> int:
    """One stream a use, as in the product. Strategies share them, so that they differ by what they pick alone."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{number}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def _settings(work: Work, strategy: str, digest: str) -> dict[str, Any]:
    """All that a result depends on but the code, as JSON gives it back."""
    plan = asdict(work.plan)
    if strategy not in CLUSTERED:
        del plan["candidate_factor"], plan["mean_cluster_size"]
    if strategy != AHEAD:
        del plan["ahead_share"]
    return {
        "format": FORMAT,
        "data": digest,
        "network": work.source.network,
        "strategy": strategy,
        "seed": work.seed,
        **plan,
        "training": asdict(TrainConfig()),
    }


def _path(work: Work, strategy: str) -> Path:
    return work.folder / "runs" / f"{work.source.name}-{strategy}-{work.seed}.json"


def _save(work: Work, strategy: str, digest: str, result: dict[str, Any]) -> None:
    """Whole or not at all: a run that is killed leaves no half a file."""
    path = _path(work, strategy)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps({"settings": _settings(work, strategy, digest), **result}))
    partial.replace(path)
