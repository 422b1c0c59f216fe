"""The measured steps, each a function of a place to compute and of rows."""

import argparse
import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.measuring import timed

STEPS = ("encode", "score", "cluster", "join", "coreset", "badge", "train")
CHUNK = 512  # texts that are encoded together, as by the step
FEW_STEPS = 20
TESTED = 5_000  # items that the accuracy is measured on
SMALL = 21_000  # items in the calls before: so many are clustered by trees, as a large pool is


def steps_of(args: argparse.Namespace) -> dict[str, Callable[[Any, np.ndarray], dict[str, Any]]]:
    """Return each step as a function of rows, whose result is a digest with further figures."""
    from models_store import networks
    from models_store.encoders.tfidf_svd import TfidfSvd
    from models_store.model import Model
    from selector import joining
    from selector.linkage import average_linkage

    shape = (args.dim,)
    model = Model("single", args.classes, shape, networks.for_shape(shape, args.classes).eval())
    texts = made_up_texts(args.texts)
    encoder = TfidfSvd.fit(texts[:2000])

    def encode(compute: Any, rows: np.ndarray) -> dict[str, Any]:
        some = texts if len(rows) > SMALL else texts[: 2 * CHUNK]
        chunks = (some[start : start + CHUNK] for start in range(0, len(some), CHUNK))
        return digest(block for block, _ in compute.encode(encoder, chunks))

    def score(compute: Any, rows: np.ndarray) -> dict[str, Any]:
        parts = compute.score(model, rows, extras=("entropies",))
        return digest(array for part in parts for array in (part.embeddings, part.margins, part.best, part.entropies))

    def cluster(compute: Any, rows: np.ndarray) -> dict[str, Any]:
        return {"digest": average_linkage(rows, workers=compute.workers).digest}

    def train(compute: Any, rows: np.ndarray) -> dict[str, Any]:
        return trained(compute, rows, args, FEW_STEPS if len(rows) <= SMALL else args.steps)

    all_pairs = joining._ALL_PAIRS

    def join(compute: Any, rows: np.ndarray) -> dict[str, Any]:
        by_trees = (args.items - args.joining) * args.joining > all_pairs
        joining._ALL_PAIRS, joining._WORTH_SHARING = 0 if by_trees else all_pairs, 0  # the small call the same way
        return digest([joining.nearest(rows[-args.joining :], rows[: -args.joining], workers=compute.workers)])

    def picking(strategy: str) -> Callable[[Any, np.ndarray], dict[str, Any]]:
        return lambda compute, rows: picked(compute, rows, strategy, args)

    steps = {"encode": encode, "score": score, "cluster": cluster, "join": join, "train": train}
    steps |= {strategy: picking(strategy) for strategy in ("coreset", "badge")}
    return {name: steps[name] for name in args.only.split(",")}


def picked(compute: Any, rows: np.ndarray, strategy: str, args: argparse.Namespace) -> dict[str, Any]:
    """Pick a batch from the whole pool. The work is shared among nodes even where that costs more time than it
    saves.
    """
    from scipy.special import softmax

    from selector.strategies import PoolArrays, pick, shards

    shards._WORTH_SHARING = 0
    n, rng = len(rows), np.random.default_rng(3)
    errors = softmax(2 * rows @ rng.normal(size=(args.dim, 10)).astype(np.float32), axis=1)
    errors[np.arange(n), errors.argmax(axis=1)] -= 1
    pool = PoolArrays(size=n, embeddings=np.array(rows), errors=errors)
    batch_size = min(args.picked, n // 10)
    seconds, batch = timed(lambda: pick(strategy, pool, batch_size=batch_size, rng=rng, workers=compute.workers))
    return {**digest([batch.indices]), "seconds": seconds}


def trained(compute: Any, rows: np.ndarray, args: argparse.Namespace, steps: int) -> dict[str, Any]:
    """Train a network on the last rows, a tenth with wrong labels, and measure its accuracy on the first rows."""
    import torch

    from models_store.training import Recipe, Runtime, TrainConfig, TrainingSet, together

    together.LEAST_WORK = together.LEAST_SHARE = together.LEAST_SHARE_BY_WEIGHT = 1e-9
    rng = np.random.default_rng(2)
    planes = rng.normal(size=(args.dim, args.classes))
    some = np.concatenate([rows[:TESTED], rows[TESTED:][-args.labels :]])
    classes = (some @ planes).argmax(axis=1)
    seen = np.where(rng.random(len(some)) < 0.1, rng.integers(0, args.classes, len(some)), classes)
    config = TrainConfig(
        batch_size=args.batch, epochs=10_000, max_steps=steps, min_steps=1, validation_share=0.0, calibration_labels=0
    )
    training_set = TrainingSet(some[TESTED:], seen[TESTED:], "single", args.classes, (args.dim,))
    result = compute.train(training_set, Recipe(0, config), Runtime())
    network = result.model.network
    with torch.no_grad():
        best = network(torch.from_numpy(some[:TESTED]))[1].argmax(dim=1).numpy()
    weights = sum(each.numel() for each in network.parameters())
    return {
        **digest([each.numpy() for each in network.state_dict().values()]),
        "accuracy": float((best == classes[:TESTED]).mean()),
        "processes": result.processes,
        "moved_bytes_by_process": 2 * 4 * weights * result.steps,
    }


def made_up_texts(count: int) -> list[str]:
    rng = np.random.default_rng(1)
    words = np.array([f"word{number}" for number in range(5000)])
    return [" ".join(row) for row in words[rng.zipf(1.3, (count, 40)) % len(words)]]


def digest(arrays: Any) -> dict[str, Any]:
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(np.ascontiguousarray(array))
    return {"digest": sha.hexdigest()}
