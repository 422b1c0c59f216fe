"""What a training comes to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models_store.model import Model
from models_store.networks import Adaptive
from models_store.training.run import Check


@dataclass(frozen=True)
class Later:
    """What the trainings that calibrate a model must know of its own training."""

    until: float
    """The share of the training after which its weights were the best."""
    tells: bool
    """Whether its own held-back labels tell how sure it may be, too."""


@dataclass(frozen=True, eq=False)
class Trained:
    """A model and how it came about."""

    model: Model
    config: Any
    """The settings, a dataclass: `TrainConfig` or `PrivacyConfig` of a network, or what else learned says."""
    seed: int
    steps: int
    seconds: float
    training_size: int
    validation_size: int
    """Labels held back to stop by."""
    calibration_size: int
    """Labels that the temperature was fitted to: those, and what further trainings held back. 0 if none was."""
    checks: tuple[Check, ...]
    """Empty where too few labels could be held back."""
    calibration: Adaptive | None = None
    """What its `networks.CalibrationLayer` multiplies logits by; None if nothing was fitted."""
    later: Later | None = None
    """If further trainings are yet to tell how sure it may be: `calibrate`."""
    processes: tuple[int, ...] = (1,)
    """That trained together. Several numbers, one after the other, where some have gone or come midway."""
    privacy: Mapping[str, Any] | None = None
    """How private the training was, as JSON; None if it was not private."""

    @property
    def temperature(self) -> float | None:
        """By which all logits are divided; None if none was fitted, or one that differs from item to item."""
        return 1 / self.calibration.scale if self.calibration and not self.calibration.power else None
