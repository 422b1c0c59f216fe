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
    if question not in learner.questions:
        raise EstimatorError(
            f"The model {learner.name!r} cannot learn the question {question!r}: take another, such as 'network'."
        )
    given: dict[str, Any] = {"question": question, "n_classes": n_classes, "seed": seed}
    if not issubclass(learner, Estimator):
        given |= {"proposed": proposed, "soft": soft, "propagated": propagated, "config": config}
        return training.train(features, targets, input_shape=input_shape, **given, **of_networks)
    checked_features(features, input_shape)
    if not len(features):
        raise ValueError("nothing to train on: no labeled item")
    asks = questions.named(question)
    checked, _ = asks.checked_targets(targets, proposed, n=len(features), n_classes=n_classes)
    started = time.monotonic()
    network = Adapter(AdapterConfig(learner.name, asks.softmax))
    rows, classes = np.asarray(features), asks.as_array(checked)
    learns_soft = soft is not None and config is not None and config.soft_labels and question == "single"
    if learns_soft:
        assert soft is not None
        if "soft" not in learner.abilities:
            raise EstimatorError(f"The model {learner.name!r} cannot learn soft labels: turn `soft_labels` off.")
        item, column = soft.nonzero()
        rows, classes, given["weights"] = rows[item], column.astype(np.int64), soft.data
    counts = None if propagated is None else propagated.weights.astype(np.float64)
    if counts is not None and (counts != 1).any():
        if "soft" not in learner.abilities:
            raise EstimatorError(
                f"The model {learner.name!r} cannot count near-copies less: set `copy_weight` to 0 or 1."
            )
        given["weights"] = soft.data * counts[item] if learns_soft and soft is not None else counts
    network.estimator = learner.fit(rows, classes, **given, **options)
    return Trained(
        model=Model(question, n_classes, tuple(input_shape), network.eval()),
        config=Chosen(learner.name, dict(options), learns_soft),
        seed=int(seed),
        steps=0,
        seconds=time.monotonic() - started,
        training_size=len(features),
        validation_size=0,
        calibration_size=0,
        checks=(),
    )
