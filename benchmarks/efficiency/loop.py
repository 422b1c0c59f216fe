"""A simulated project: the product's own training, clustering and selection, with known answers."""

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.efficiency.datasets import Data, Source
from models_store.config import TrainConfig
from models_store.model import Model
from models_store.prediction import EXTRAS, predict
from models_store.training import MOST_POOL, Recipe, TrainingSet, train
from models_store.training.spreading import directions
from selector.covering import CANDIDATES, covering
from selector.linkage import Dendrogram, average_linkage
from selector.strategies import STRATEGIES, PoolArrays, pick, settle_factor

AHEAD = "cluster-margin-ahead"
"""Cluster-Margin where nobody waits: the first part of each batch is picked by the model before the newest."""
LABELS_ALONE = "cluster-margin-labels"
"""Cluster-Margin with models that learn labels alone and a random first batch, as uniform has. All other strategies'
models learn the pool, and their first batch covers it."""
MIXED = "cluster-margin-mixed"
"""Cluster-Margin, with MIXED_SHARE of each batch drawn at random."""
MIXED_SHARE = 0.25
CLUSTERED = ("cluster-margin", AHEAD, LABELS_ALONE, MIXED)
"""Strategies that look at clusters."""
COVERING_SHARE, MOST = 0.8, 200
"""Of the product's first batch: tests hold them to labeling.steps.select."""
FORMAT = 4


@dataclass(frozen=True)
class Plan:
    """The settings of a project on one data set, and its length."""

    seed_batch: int
    batch: int
    rounds: int
    candidate_factor: float | None
    mean_cluster_size: float
    ahead_share: float = 0.2
    """Of a batch that is picked ahead: the part that people are given before the newer model is there."""

    @property
    def labels(self) -> list[int]:
        """The number of labels that each model learns from: the points of a curve."""
        return [self.seed_batch + number * self.batch for number in range(self.rounds + 1)]


@dataclass(frozen=True)
class Work:
    """All strategies on one data set with one seed; they share the first batch, the first model and the clustering."""

    source: Source
    plan: Plan
    strategies: tuple[str, ...]
    seed: int
    folder: Path


def run(work: Work) -> float:
    """Simulate the projects whose results are missing; return the seconds it took. Uses one thread."""
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
    """Return the result of an earlier run with the same settings, or None. Without `digest` the data is not
    compared.
    """
    try:
        result: dict[str, Any] = json.loads(_path(work, strategy).read_text())
        settings = result["settings"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    expected = _settings(work, strategy, settings.get("data") if digest is None else digest)
    return result if settings == expected else None


@dataclass(frozen=True, eq=False)
class _First:
    rows: dict[bool, np.ndarray]
    """By whether most of them cover the pool; the others are drawn at random."""
    models: dict[bool, Model]
    """By whether they learned the pool, too."""
    clusters: np.ndarray | None


def _first_round(work: Work, data: Data) -> _First:
    """Return the parts that strategies share: the first batch, its model, and the clusters of its embeddings."""
    ways = {learns_pool(name) for name in work.strategies}
    rows = {covers: _first_rows(work, data, covers=covers) for covers in ways}
    models = {pool: _train(work, data, rows[pool], 0, pool=pool) for pool in ways}
    clusters = None
    if set(work.strategies) & set(CLUSTERED):
        clusters = _dendrogram(work, data, models).cut(mean_cluster_size=work.plan.mean_cluster_size)
    return _First(rows, models, clusters)


def _first_rows(work: Work, data: Data, *, covers: bool) -> np.ndarray:
    """Draw the first batch at random, or, with `covers`, let most of it cover the pool, as in the product."""
    seed, n = seed_for(work.seed, "seed", 0), len(data.labels)
    rng, rows = np.random.default_rng(seed), np.empty(0, np.int64)
    if covers:
        count = min(round(COVERING_SHARE * work.plan.seed_batch), MOST)
        sample = np.sort(rng.permutation(n)[:CANDIDATES])
        torch.manual_seed(seed)
        rows = sample[covering(directions(data.features[sample]).numpy(), count, rng)]
    others = np.setdiff1d(np.arange(n), rows)
    picked = pick("uniform", PoolArrays(size=len(others)), batch_size=work.plan.seed_batch - len(rows), rng=rng)
    return np.sort(np.concatenate([rows, others[picked.indices]]))


def learns_pool(strategy: str) -> bool:
    """Return whether the strategy's models learn the pool, too: uniform's stay the yardstick."""
    return strategy not in ("uniform", LABELS_ALONE)


def _dendrogram(work: Work, data: Data, models: dict[bool, Model]) -> Dendrogram:
    """Cluster the first model's embeddings, as the product does, and save the dendrogram."""
    pool, model = max(models.items(), key=lambda item: item[0])
    key = {"data": data.digest, "pool": pool, "seed": work.seed, "seed_batch": work.plan.seed_batch, "format": FORMAT}
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
    """Simulate rounds of labeling with one strategy; return {"labels", "accuracy"} with a value for each model."""
    started = time.monotonic()
    labeled, model, before = first.rows[learns_pool(strategy)], first.models[learns_pool(strategy)], None
    accuracies = [accuracy(model, data)]
    for number in range(1, work.plan.rounds + 1):
        size, rule = work.plan.batch, "cluster-margin" if strategy == LABELS_ALONE else strategy
        if strategy == AHEAD:
            rule, ahead = "cluster-margin", round(work.plan.ahead_share * size)
            rows = pick_rows(work, data, rule if before else "uniform", first.clusters, labeled, before, ahead, -number)
            labeled, size = np.concatenate([labeled, rows]), size - ahead
        elif strategy == MIXED:
            rule, drawn = "cluster-margin", round(MIXED_SHARE * size)
            rows = pick_rows(work, data, "uniform", None, labeled, None, drawn, -number)
            labeled, size = np.concatenate([labeled, rows]), size - drawn
        labeled = np.concatenate([labeled, pick_rows(work, data, rule, first.clusters, labeled, model, size, number)])
        before, model = model, _train(work, data, np.sort(labeled), number, pool=learns_pool(strategy))
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
    """Pick `size` rows for batch `number`; a negative number means the part that is picked ahead."""
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
    """Return the arrays of the model that the strategy needs."""
    names = [name for name in STRATEGIES[strategy].needs if name != "clusters"]
    if not names or model is None:
        return {}
    parts = list(predict(model, features, extras=[name for name in names if name in EXTRAS]))
    return {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}


def _train(work: Work, data: Data, rows: np.ndarray, number: int, *, pool: bool) -> Model:
    """Train on the labels of these rows, and, with `pool`, on other items without theirs."""
    seed = seed_for(work.seed, "train", number)
    others = data.features[unlabeled_sample(len(data.labels), rows, seed)] if pool else None
    training_set = TrainingSet(
        data.features[rows], data.labels[rows], "single", data.n_classes, data.input_shape, pool=others
    )
    # The product, too, picks before the further trainings that only calibrate a version.
    return train(training_set, Recipe(seed), later=True).model


def unlabeled_sample(n: int, labeled: np.ndarray, seed: int) -> np.ndarray:
    """Return the rows, ascending, of up to MOST_POOL random items of n that are not in `labeled`."""
    others = np.setdiff1d(np.arange(n), labeled)
    return np.sort(np.random.default_rng(seed).permutation(others)[:MOST_POOL])


def accuracy(model: Model, data: Data) -> float:
    """Return the share of the test items that the model predicts right."""
    best = np.concatenate([part.best for part in predict(model, data.test_features)])
    return float((best == data.test_labels).mean())


def seed_for(seed: int, purpose: str, number: int) -> int:
    """Return the seed for a purpose. Strategies share seeds, so that they differ in their picks alone."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{number}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def _settings(work: Work, strategy: str, digest: str) -> dict[str, Any]:
    """Return all settings that a result depends on, as JSON values."""
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
        "training": asdict(TrainConfig(learns_from="pool" if learns_pool(strategy) else "labels")),
    }


def _path(work: Work, strategy: str) -> Path:
    return work.folder / "runs" / f"{work.source.name}-{strategy}-{work.seed}.json"


def _save(work: Work, strategy: str, digest: str, result: dict[str, Any]) -> None:
    """Save the result atomically, so that a killed run leaves no partial file."""
    path = _path(work, strategy)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps({"settings": _settings(work, strategy, digest), **result}))
    partial.replace(path)
