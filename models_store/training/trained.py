"""The result of a training."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from models_store.config import TrainConfig
from models_store.model import Model
from models_store.networks import Adaptive
from models_store.privacy.config import PrivacyConfig
from models_store.training.run import Check
from models_store.training.teacher import Teacher


@dataclass(frozen=True)
class Later:
    """The facts about a model's training that the further trainings for its calibration need."""

    until: float
    """The share of the training after which its weights were the best."""
    tells: bool
    """Whether its own held-back labels calibrate it, too."""
    teacher: Teacher | None = None
    """The source of its labels of the pool's items; None if it learned labels alone."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the facts from `dataclasses.asdict` of them."""
        teacher = values.get("teacher")
        return cls(values["until"], values["tells"], teacher and Teacher(**teacher))


@dataclass(frozen=True)
class EstimatorConfig:
    """The settings of an estimator's training."""

    estimator: str
    options: Mapping[str, Any]
    soft_labels: bool


@dataclass(frozen=True, eq=False)
class Trained:
    """A model and how it was trained."""

    model: Model
    config: TrainConfig | PrivacyConfig | EstimatorConfig
    seed: int
    steps: int
    seconds: float
    training_size: int
    validation_size: int
    """Labels held back for early stopping."""
    calibration_size: int
    """Labels that the calibration was fitted to: held back by this training, or by further trainings."""
    checks: tuple[Check, ...]
    """Empty where too few labels could be held back."""
    calibration: Adaptive | None = None
    """What the network's `CalibrationLayer` multiplies logits by; None if nothing was fitted."""
    later: Later | None = None
    """For `calibrate`, if further trainings were put off."""
    pool: Mapping[str, Any] | None = None
    """The number of unlabeled items that were learned, too, and the facts of their `Teacher`, as JSON; None if labels
    alone were learned."""
    processes: tuple[int, ...] = (1,)
    """The number of processes that trained together; several numbers if it changed midway."""
    privacy: Mapping[str, Any] | None = None
    """The privacy statement, as JSON; None if the training was not private."""

    @property
    def temperature(self) -> float | None:
        """The divisor of all logits; None if none was fitted, or if it differs from item to item."""
        return 1 / self.calibration.scale if self.calibration and not self.calibration.power else None
