"""Labels in, a trained model out, by whatever a project has chosen to learn with."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from models_store import questions, training
from models_store.class_sets import ClassSets
from models_store.config import TrainConfig
from models_store.estimators import Estimator, EstimatorError, Learner
from models_store.model import Model, checked_features
from models_store.networks.adapter import Adapter, AdapterConfig
from models_store.training import Propagated, Trained


@dataclass(frozen=True)
class Chosen:
    """What a version was trained with: as `Trained.config`."""

    estimator: str
    options: Mapping[str, Any]
    soft_labels: bool = False


def learn(
    learner: type[Learner],
    features: np.ndarray,
    targets: np.ndarray | ClassSets,
    *,
    question: str,
    n_classes: int,
    input_shape: tuple[int, ...],
    seed: int,
    options: Mapping[str, Any],
    proposed: np.ndarray | None = None,
    soft: csr_array | None = None,
    propagated: Propagated | None = None,
    config: TrainConfig | None = None,
    **of_networks: Any,
) -> Trained:
    """What the learner makes of (n, dim) features of labeled items; arguments as for `training.train`.

    `options`: its own. What only networks make use of (`of_networks`, and of `config` all but `soft_labels`) is passed
    over by others. Soft labels are learned by those that take weights, each class of an item as a label of its own. So
    are labels of near-copies that count less than others.
    Raises ValueError for arguments that do not fit, `EstimatorError` for options that cannot be or labels that cannot
    be learned.
    """
    if not learner.learns(question):
        raise EstimatorError(
            f"The model {learner.name!r} cannot learn the question {question!r}: take another, such as 'network'."
        )
    if not issubclass(learner, Estimator):
        return training.train(
            features,
            targets,
            question=question,
            n_classes=n_classes,
            input_shape=input_shape,
            config=config,
            seed=seed,
            proposed=proposed,
            soft=soft,
            propagated=propagated,
            **of_networks,
        )
    asks = questions.named(question)
    learned_soft = soft if config is not None and config.soft_labels and asks.learns_soft else None
    checked_features(features, input_shape)
    if not len(features):
        raise ValueError("nothing to train on: no labeled item")
    checked, _ = asks.checked_targets(targets, proposed, n=len(features), n_classes=n_classes)
    started = time.monotonic()
    network = Adapter(AdapterConfig(learner.name, asks.softmax))
    rows, classes, weights = _weighted(learner, np.asarray(features), asks.as_array(checked), learned_soft, propagated)
    weighing = {} if weights is None else {"weights": weights}
    network.estimator = learner.fit(
        rows, classes, question=question, n_classes=n_classes, seed=seed, **weighing, **options
    )
    return Trained(
        model=Model(question, n_classes, tuple(input_shape), network.eval()),
        config=Chosen(learner.name, dict(options), learned_soft is not None),
        seed=int(seed),
        steps=0,
        seconds=time.monotonic() - started,
        training_size=len(features),
        validation_size=0,
        calibration_size=0,
        checks=(),
    )


def _weighted(
    learner: type[Estimator],
    rows: np.ndarray,
    classes: np.ndarray,
    soft: csr_array | None,
    propagated: Propagated | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """What to fit to: a row for each class that an item may have, by its probability; near-copies as they count."""
    weights = None
    counts = np.ones(len(rows)) if propagated is None else propagated.weights.astype(np.float64)
    if soft is not None:
        if "soft" not in learner.abilities:
            raise EstimatorError(f"The model {learner.name!r} cannot learn soft labels: turn `soft_labels` off.")
        items, columns = soft.nonzero()
        rows, classes, weights = rows[items], columns.astype(np.int64), soft.data
    if (counts != 1).any():
        if "soft" not in learner.abilities:
            raise EstimatorError(
                f"The model {learner.name!r} cannot count near-copies less: set `copy_weight` to 0 or 1."
            )
        weights = counts if soft is None else soft.data * counts[items]
    return rows, classes, weights
