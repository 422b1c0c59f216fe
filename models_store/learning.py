"""Train a model by the learner that a project has chosen: the networks of this package, or an estimator."""

import time
from typing import Any

import numpy as np

from models_store import training
from models_store.estimators import Estimator, EstimatorError
from models_store.model import Model
from models_store.networks.adapter import Adapter, AdapterConfig
from models_store.training import EstimatorConfig, Recipe, Runtime, Trained, TrainingSet


def learn(training_set: TrainingSet, recipe: Recipe, runtime: Runtime | None = None, *, later: bool = False) -> Trained:
    """Train a model by the recipe's learner.

    Parameters
    ----------
    training_set, recipe : TrainingSet, Recipe
        An estimator that takes weights learns soft labels as one row for each possible class of an item, weighted by
        its probability, and labels of near-copies by their weights.
    runtime, later : Runtime, bool
        As for `training.train`; estimators ignore them.

    Raises
    ------
    EstimatorError
        If the learner cannot learn the question, the labels or with these options.
    ValueError, TrainingError
        As `training.train`.
    """
    learner = recipe.learner
    if not learner.learns(training_set.question):
        raise EstimatorError(
            f"The model {learner.name!r} cannot learn the question {training_set.question!r}: take another, such as "
            "'network'."
        )
    if not issubclass(learner, Estimator):
        return training.train(training_set, recipe, runtime, later=later)
    soft = recipe.config.soft_labels and training_set.asks.learns_soft and training_set.soft is not None
    started = time.monotonic()
    network = Adapter(AdapterConfig(learner.name, training_set.asks.softmax))
    rows, classes, weighing = _weighted(learner, training_set, soft=soft)
    network.estimator = learner.fit(
        rows,
        classes,
        question=training_set.question,
        n_classes=training_set.n_classes,
        seed=recipe.seed,
        **weighing,
        **recipe.options,
    )
    return Trained(
        model=Model(training_set.question, training_set.n_classes, training_set.input_shape, network.eval()),
        config=EstimatorConfig(learner.name, dict(recipe.options), soft),
        seed=int(recipe.seed),
        steps=0,
        seconds=time.monotonic() - started,
        training_size=len(training_set),
        validation_size=0,
        calibration_size=0,
        checks=(),
    )


def _weighted(
    learner: type[Estimator], training_set: TrainingSet, *, soft: bool
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Return features, targets and, where labels differ in weight, `weights` for the estimator's `fit`."""
    rows, classes = np.asarray(training_set.features), training_set.asks.as_array(training_set.kept_targets)
    propagated = training_set.propagated
    weights = np.ones(len(rows)) if propagated is None else propagated.weights.astype(np.float64)
    uneven = bool((weights != 1).any())
    if (soft or uneven) and "soft" not in learner.abilities:
        raise EstimatorError(
            f"The model {learner.name!r} cannot learn soft labels: turn `soft_labels` off."
            if soft
            else f"The model {learner.name!r} cannot count near-copies less: set `near_copies` to 0."
        )
    if soft:
        assert training_set.soft is not None
        items, columns = training_set.soft.nonzero()
        rows, classes, weights = rows[items], columns.astype(np.int64), training_set.soft.data * weights[items]
    return rows, classes, {"weights": weights} if soft or uneven else {}
