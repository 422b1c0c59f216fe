"""Single trainings: without privacy, with a growing mega-batch, with a usual batch, and those to attack."""

import math
import time
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from opacus.accountants import PRVAccountant

from benchmarks.efficiency.datasets import SIDE, Data, Source
from benchmarks.privacy import fields
from benchmarks.privacy.attack import attack, most_advantage
from models_store import metrics
from models_store.config import TrainConfig
from models_store.model import Model
from models_store.prediction import predict, probabilities
from models_store.privacy.accounting import Phase, epsilon
from models_store.privacy.config import PrivacyConfig
from models_store.privacy.training import train_private
from models_store.privacy.tuning import LEARNING_RATES
from models_store.training import Recipe, Trained, TrainingSet, train

USUAL_BATCH = 256
ATTACKED = 2000
"""Records that the attacked models learn from: few, so that a network can know them by heart."""
OVERFIT = TrainConfig(epochs=300, max_steps=6000, validation_share=0.0, weight_decay=0.0, augment=False)
TUNED = TrainConfig(epochs=5)
"""Of trainings without privacy that fine-tune the encoder."""


@dataclass(frozen=True)
class Work:
    """One training. `arm`: none, mega or usual; lora or all for what learns of the encoder of `fields`; attack for both
    models that are attacked. `epsilon` is None without privacy. `steps`: of private trainings; None for the product's.
    """

    source: Source
    arm: str
    epsilon: float | None
    seed: int
    steps: int | None = None

    @property
    def name(self) -> str:
        return self.arm


def usual_delta(n: int) -> float:
    """Return n^−1.1, below 1 / number of records: the choice of Anil et al. 2021."""
    return float(max(n, 2) ** -1.1)


def run(work: Work) -> dict[str, Any]:
    """Run one training in one thread, and return its line of the result."""
    torch.set_num_threads(1)
    data = load(work.source, work.seed)
    if work.source.name == fields.NAME and work.arm not in LEARNING_RATES:
        data = fields.embeddings(data)
    started = time.monotonic()
    figures = _attacked(data, work) if work.arm == "attack" else _trained(data, work)
    asked = {"data": work.source.name, "arm": work.arm, "seed": work.seed, "target_epsilon": work.epsilon}
    return {**asked, **figures, "seconds": round(time.monotonic() - started, 1)}


def load(source: Source, seed: int) -> Data:
    """Load the data; Fashion-MNIST as pictures. Raises DataError."""
    data = source.load(seed)
    return replace(data, input_shape=(1, SIDE, SIDE)) if source.vectors is None and source.name == "fashion" else data


def usual(mega: PrivacyConfig, n: int) -> PrivacyConfig:
    """Return the same recipe with batches of USUAL_BATCH that do not grow, over as many records in all.

    Its many more steps are smaller, so that noise moves the weights as far in all: left as they are, it would learn
    nothing.
    """
    records = n * sum(rate * steps for rate, steps in mega.plan(n))
    steps = max(1, round(records / min(USUAL_BATCH, n * mega.largest_rate)))
    size = mega.step_size * math.sqrt(mega.steps / steps)
    return replace(mega, growth=(1.0,), largest_batch=USUAL_BATCH, steps=steps, step_size=size)


def _trained(data: Data, work: Work) -> dict[str, Any]:
    if work.epsilon is not None:
        trained = _private(data, work.epsilon, work.arm, work.seed, work.steps)
    elif work.arm in LEARNING_RATES:
        trained = train(_training_set(data), Recipe(work.seed, TUNED, network=fields.network(data.n_classes)))
    else:
        trained = _none(data, work.seed)
    predicted = np.concatenate([part.best for part in predict(trained.model, data.test_features)])
    share = metrics.accuracy(data.test_labels, predicted)
    figures: dict[str, Any] = {"accuracy": share.value, "interval": [share.low, share.high], "steps": trained.steps}
    if trained.privacy is not None:
        figures["privacy"] = {**trained.privacy, **_by_others(trained.privacy)}
    return figures


def _attacked(data: Data, work: Work) -> dict[str, Any]:
    """Attack a network that memorised its records and a private one on the same records."""
    assert work.epsilon is not None
    rng = np.random.default_rng([work.seed, 11])
    size = min(ATTACKED, len(data.labels), len(data.test_labels))
    rows, others = (rng.permutation(len(labels))[:size] for labels in (data.labels, data.test_labels))
    few = replace(data, features=data.features[rows], labels=data.labels[rows])
    models = {"overfit": _none(few, work.seed, OVERFIT), "private": _private(few, work.epsilon, "mega", work.seed)}
    figures: dict[str, Any] = {
        name: attack(
            _losses(trained.model, few.features, few.labels),
            _losses(trained.model, data.test_features[others], data.test_labels[others]),
        )
        for name, trained in models.items()
    }
    privacy = models["private"].privacy
    assert privacy is not None
    figures["private"]["most_advantage"] = most_advantage(privacy["epsilon"], privacy["delta"])
    return {**figures, "privacy": privacy}


def _none(data: Data, seed: int, config: TrainConfig | None = None) -> Trained:
    """Train as the product does without privacy."""
    return train(_training_set(data), Recipe(seed, config or TrainConfig()))


def _private(data: Data, epsilon: float, arm: str, seed: int, steps: int | None = None) -> Trained:
    n = len(data.labels)
    config = PrivacyConfig(epsilon=epsilon, delta=usual_delta(n))
    if steps is not None:
        config = replace(config, steps=steps)
    if arm == "usual":
        config = usual(config, n)
    if arm in LEARNING_RATES:
        network = fields.network(data.n_classes)
        return train_private(_training_set(data), config, seed=seed, pretrained=network, layers=arm)
    return train_private(_training_set(data), config, seed=seed)


def _training_set(data: Data) -> TrainingSet:
    return TrainingSet(data.features, data.labels, "single", data.n_classes, data.input_shape)


def _losses(model: Model, features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return (n,) float64: -log of the probability of the true class."""
    right = [p[np.arange(len(p)), labels[start : start + len(p)]] for start, p in probabilities(model, features)]
    return -np.log(np.maximum(np.concatenate(right).astype(np.float64), 1e-30))


def _by_others(privacy: Any) -> dict[str, float]:
    """Return epsilon by Opacus's numerical accountant (Gopi et al. 2021), and by Rényi divergences."""
    phases = [Phase(**phase) for phase in privacy["phases"]]
    accountant = PRVAccountant()
    accountant.history = [tuple(phase) for phase in phases]
    with warnings.catch_warnings():
        # Of the sums over all records, at a sampling rate of 1; and of the range of orders in its first guess.
        warnings.simplefilter("ignore")
        numerical = float(accountant.get_epsilon(privacy["delta"]))
    return {"epsilon_prv": numerical, "epsilon_renyi": epsilon(phases, privacy["delta"])}
