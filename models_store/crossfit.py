"""Models of several sizes, each asked about items that it has not learned from: what a learning curve is made of."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from torch import nn

from models_store import questions
from models_store.config import TrainConfig
from models_store.estimators import Learner, Network
from models_store.learning import learn
from models_store.prediction import predict, probabilities
from models_store.training import Progress

FOLDS = 3
HALVINGS = 3
FEWEST = 8
"""Labels, below which a model is not worth its training."""


class Answers(NamedTuple):
    """What one model takes `items`, (k,) places, to be: `best`, (k,) int32. `size`: which of the sizes it is of."""

    size: int
    items: np.ndarray
    best: np.ndarray


def sizes_for(n: int) -> list[int]:
    """How many of n labels the models learn from: all but those of their own fold, half of these, and so on."""
    most = n - -(-n // FOLDS)
    return [most >> halved for halved in range(HALVINGS + 1) if most >> halved >= FEWEST]


def cross_fit(
    features: np.ndarray,
    targets: np.ndarray,
    sizes: list[int],
    *,
    question: str,
    n_classes: int,
    input_shape: tuple[int, ...],
    learner: type[Learner] = Network,
    options: Mapping[str, Any] | None = None,
    config: TrainConfig,
    seed: int,
    proposed: np.ndarray | None = None,
    network: nn.Module | None = None,
    skip: int = 0,
    progress: Callable[[float], None] | None = None,
) -> Iterator[Answers]:
    """Train FOLDS models of each size on random labels of the other folds; yield what each says of its own fold.

    (n, dim) features and targets as for `training.train`, for the questions "single" and "verify". All items are
    answered once a size. `skip` leaves out so many models at the beginning; the others come out as if it had not.
    `progress` is called with the share done of all; what it raises ends the training. Stone 1974, "Cross-Validatory
    Choice and Assessment of Statistical Predictions", for the folds.
    """
    n = len(features)
    fold_of = np.random.default_rng(seed).permutation(n) % FOLDS
    work = FOLDS * sum(sizes)
    done = 0
    for number, (place, fold) in enumerate((place, fold) for place in range(len(sizes)) for fold in range(FOLDS)):
        size = sizes[place]
        if number >= skip:
            mine, others = np.flatnonzero(fold_of == fold), np.flatnonzero(fold_of != fold)
            rows = np.sort(np.random.default_rng([seed, number]).permutation(others)[:size])

            def report(at: Progress, done: int = done, size: int = size) -> None:
                if progress is not None:
                    progress((done + at.share * size) / work)

            trained = learn(
                learner,
                features[rows],
                targets[rows],
                question=question,
                n_classes=n_classes,
                input_shape=input_shape,
                options=options or {},
                config=replace(config, temperature="none"),  # no answer depends on it
                seed=seed + number,
                proposed=None if proposed is None else proposed[rows],
                network=network,
                progress=report,
            )
            pairs = None if proposed is None else proposed[mine]
            predictions = predict(trained.model, features[mine], proposed=pairs)
            yield Answers(place, mine, np.concatenate([part.best for part in predictions]))
        done += size


def held_out_probabilities(
    features: np.ndarray,
    targets: np.ndarray,
    *,
    folds: int,
    question: str,
    n_classes: int,
    input_shape: tuple[int, ...],
    learner: type[Learner] = Network,
    options: Mapping[str, Any] | None = None,
    config: TrainConfig,
    seed: int,
    proposed: np.ndarray | None = None,
    network: nn.Module | None = None,
    progress: Callable[[float], object] | None = None,
) -> np.ndarray:
    """What models that have not learned an item say of it: (n, n_classes) float32, or for "verify" (n,) the probability
    of yes. Arguments as for `cross_fit`, for any question, with (n, n_classes) booleans for "multi"; one training for
    each of the folds, on the labels of all others.
    """
    n = len(features)
    fold_of = np.random.default_rng(seed).permutation(n) % folds
    held_out = np.empty(n if questions.named(question).proposes else (n, n_classes), np.float32)
    for fold in range(folds):
        mine, others = np.flatnonzero(fold_of == fold), np.flatnonzero(fold_of != fold)

        def report(at: Progress, fold: int = fold) -> None:
            if progress is not None:
                progress((fold + at.share) / folds)

        trained = learn(
            learner,
            features[others],
            targets[others],
            question=question,
            n_classes=n_classes,
            input_shape=input_shape,
            options=options or {},
            config=config,
            seed=seed + fold,
            proposed=None if proposed is None else proposed[others],
            network=network,
            progress=report,
        )
        pairs = None if proposed is None else proposed[mine]
        for start, p in probabilities(trained.model, features[mine], proposed=pairs):
            held_out[mine[start : start + len(p)]] = p
    return held_out
