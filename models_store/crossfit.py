"""Train models of several sizes, and predict with each the items that it has not learned.

The results are the points of a learning curve.

Stone 1974, "Cross-Validatory Choice and Assessment of Statistical Predictions".
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from models_store.learning import learn
from models_store.model import Model
from models_store.prediction import predict, probabilities
from models_store.training import Progress, Recipe, Runtime, TrainingSet

FOLDS = 3
HALVINGS = 3
FEWEST = 8
"""The fewest labels that are worth a training."""


class FoldPredictions(NamedTuple):
    """A model's answers for the items of its fold: `best`, (k,) int32, for the places `items`, (k,). `size`: the place
    in the list of sizes.
    """

    size: int
    items: np.ndarray
    best: np.ndarray


def sizes_for(n: int) -> list[int]:
    """Return the sizes of training sets for n labels: all labels outside one fold, half of them, and so on."""
    most = n - -(-n // FOLDS)
    return [most >> halved for halved in range(HALVINGS + 1) if most >> halved >= FEWEST]


def cross_fit(
    training_set: TrainingSet,
    sizes: list[int],
    recipe: Recipe,
    *,
    skip: int = 0,
    progress: Callable[[float], None] | None = None,
) -> Iterator[FoldPredictions]:
    """Train FOLDS models of each size on random labels of the other folds; yield each model's answers for its fold.

    Parameters
    ----------
    training_set : TrainingSet
        Of n items, for the questions "single" and "verify". Its labels alone are learned.
    sizes : list of int
        Numbers of labels to train on, as from `sizes_for`.
    recipe : Recipe
        Model number i trains with `seed` + i, and without a temperature: no answer depends on it.
    skip : int
        Models to leave out at the beginning. The others come out as if none had been left out.
    progress : callable, optional
        Called with the share done of all trainings; an exception ends them.

    Yields
    ------
    FoldPredictions
        All n items are answered once for each size.
    """
    n = len(training_set)
    fold_of = np.random.default_rng(recipe.seed).permutation(n) % FOLDS
    config = replace(recipe.config, temperature="none")
    work = FOLDS * sum(sizes)
    done = 0
    for number, (place, fold) in enumerate((place, fold) for place in range(len(sizes)) for fold in range(FOLDS)):
        size = sizes[place]
        if number >= skip:
            mine, others = np.flatnonzero(fold_of == fold), np.flatnonzero(fold_of != fold)
            rows = np.sort(np.random.default_rng([recipe.seed, number]).permutation(others)[:size])

            def report(share: float, done: int = done, size: int = size) -> None:
                if progress is not None:
                    progress((done + share * size) / work)

            model = _learned(training_set, rows, replace(recipe, config=config, seed=recipe.seed + number), report)
            asked = training_set.subset(mine)
            parts = predict(model, asked.features, proposed=asked.proposed)
            yield FoldPredictions(place, mine, np.concatenate([part.best for part in parts]))
        done += size


def held_out_probabilities(
    training_set: TrainingSet, recipe: Recipe, *, folds: int, progress: Callable[[float], object] | None = None
) -> np.ndarray:
    """Return probabilities that models give to items that they have not learned from.

    Parameters
    ----------
    training_set : TrainingSet
        Of n items, for any question. Its labels alone are learned.
    recipe : Recipe
        The model of fold i trains with `seed` + i.
    folds : int
        Trainings, each on the labels of all other folds.
    progress : callable, optional
        As for `cross_fit`.

    Returns
    -------
    ndarray of shape (n, n_classes), float32
        For "verify" (n,), the probability of yes.
    """
    n = len(training_set)
    fold_of = np.random.default_rng(recipe.seed).permutation(n) % folds
    held_out = np.empty(n if training_set.asks.proposes else (n, training_set.n_classes), np.float32)
    for fold in range(folds):
        mine, others = np.flatnonzero(fold_of == fold), np.flatnonzero(fold_of != fold)

        def report(share: float, fold: int = fold) -> None:
            if progress is not None:
                progress((fold + share) / folds)

        model = _learned(training_set, others, replace(recipe, seed=recipe.seed + fold), report)
        asked = training_set.subset(mine)
        for start, p in probabilities(model, asked.features, proposed=asked.proposed):
            held_out[mine[start : start + len(p)]] = p
    return held_out


def _learned(training_set: TrainingSet, rows: np.ndarray, recipe: Recipe, report: Callable[[float], None]) -> Model:
    """Return a model of these rows' labels."""

    def progress(at: Progress) -> None:
        report(at.share)

    return learn(training_set.subset(rows), recipe, Runtime(progress=progress)).model
