"""The settings of a training: what a project's `training` JSON may hold. Light to import, no torch."""

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any, Self


def _setting(default: Any, low: float, high: float, *, optional: bool = False, meaning: str) -> Any:
    """Return a field with its bounds (inclusive) and its consequence in one sentence, for checks and for forms."""
    return field(default=default, metadata={"low": low, "high": high, "optional": optional, "meaning": meaning})


def _choice(default: str, *choices: str, meaning: str) -> Any:
    """Return a field that is one of a few words."""
    return field(default=default, metadata={"choices": choices, "optional": False, "meaning": meaning})


@dataclass(frozen=True)
class TrainConfig:
    """The settings of a network's training. Raises ValueError for a value of the wrong type or out of range."""

    epochs: int = _setting(60, 1, 10_000, meaning="Most passes over the labels.")
    batch_size: int = _setting(
        64, 1, 65_536, meaning="Most labels per step of the optimiser; few labels are taken in smaller steps."
    )
    min_steps: int = _setting(
        200, 1, 1_000_000, meaning="Few labels are passed over more often than `epochs`, up to so many steps."
    )
    max_steps: int = _setting(20_000, 1, 10_000_000, meaning="Many labels are not passed over beyond so many steps.")
    max_seconds: float | None = _setting(
        None, 0.1, 604_800, optional=True, meaning="Ends by the clock; such a training cannot be repeated exactly."
    )
    learning_rate: float = _setting(3e-3, 1e-6, 1.0, meaning="Peak step size; it rises, then falls to nothing.")
    warmup_share: float = _setting(0.1, 0.0, 0.9, meaning="Share of the training in which the step size rises.")
    weight_decay: float = _setting(0.05, 0.0, 10.0, meaning="Pulls weights to zero; more for few or noisy labels.")
    validation_share: float = _setting(
        0.1,
        0.0,
        0.5,
        meaning="Share of the labels (never control) held back to stop early; 0 trains on all, to the end.",
    )
    patience: int = _setting(
        10, 1, 1000, meaning="Checks without improvement on the held-back labels before training stops."
    )
    loss: str = _choice(
        "cross-entropy",
        "cross-entropy",
        "focal",
        "brier",
        meaning="What is made small: focal and brier learn less from what is known already.",
    )
    label_smoothing: float = _setting(
        0.0, 0.0, 0.5, meaning="Share of each answer, under cross-entropy, that is given to all classes alike."
    )
    class_balance: float = _setting(
        0.0, 0.0, 1.0, meaning="Weight of rare classes: 0 counts each label alike, 1 each class."
    )
    secondary: str = _choice(
        "s-avuc", "none", "sb-ece", "s-avuc", meaning="Soft calibration error that is made small beside the loss."
    )
    secondary_weight: float = _setting(
        2.0,
        0.0,
        100.0,
        meaning="What the soft calibration error counts in it at the end; nothing in the first half of the training.",
    )
    temperature: str = _choice(
        "adaptive",
        "none",
        "likelihood",
        "adaptive",
        "sb-ece",
        "s-avuc",
        meaning="By what, on the held-back labels, it is set at the end how sure the model may be; adaptive: for each "
        "item by how far its best class stands out.",
    )
    calibration_labels: int = _setting(
        1000,
        0,
        1_000_000,
        meaning="Labels that the temperature is fitted to: while fewer are held back, up to four further trainings "
        "hold back others, once the next batch is open. 0 does without.",
    )
    batch_growth: float = _setting(
        1.0, 1.0, 1000.0, meaning="Labels per step at the end for each one at the start; it grows evenly in between."
    )
    soft_labels: bool = _setting(
        False,
        0,
        1,
        meaning="Where several people answered, learn how probable each class is, not the most probable alone. For one "
        "class of many, with cross-entropy, and without privacy; otherwise the most probable is learned.",
    )
    learns_from: str = _choice(
        "pool",
        "pool",
        "labels",
        meaning="pool: unlabeled items near labeled ones are learned, too, as far as held-out labels show that it "
        "helps. For one class of many, by the built-in network and cross-entropy, up to 10,000 labels, and without "
        "privacy.",
    )
    private_layers: str = _choice(
        "none",
        "none",
        "lora",
        "all",
        meaning="Within a privacy budget, what learns of a network that the encoder provides: none, a small network "
        "learns from the features instead; lora, few numbers beside each linear layer, which noise spoils less; all "
        "layers, for many thousands of labels.",
    )
    warm_start: bool = _setting(False, 0, 1, meaning="Begin with the last version's weights, shrunk, not anew.")
    augment: bool = _setting(True, 0, 1, meaning="Shift images by a few pixels, anew in every pass.")

    def __post_init__(self) -> None:
        problems = [problem for item in fields(self) if (problem := _problem(item, getattr(self, item.name)))]
        if problems:
            raise ValueError("training: " + "; ".join(problems))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return settings from JSON; missing settings keep their defaults.

        Raises ValueError, with a message for people, for an unknown name, a wrong type or a value out of range.
        """
        if not isinstance(values, Mapping):
            raise ValueError(f"training: expected an object of settings, not {type(values).__name__}")
        known = [item.name for item in fields(cls)]
        unknown = [str(name) for name in values if name not in known]
        if unknown:
            raise ValueError(f"training: unknown {', '.join(unknown)}; known: {', '.join(known)}")
        return cls(**values)


def _problem(item: Field[Any], value: Any) -> str | None:
    """Return the problem with a value, or None."""
    if "choices" in item.metadata:
        known = item.metadata["choices"]
        return None if value in known else f"{item.name} must be one of {', '.join(known)}, not {value!r}"
    low, high = item.metadata["low"], item.metadata["high"]
    empty = " or null" if item.metadata["optional"] else ""
    if value is None and empty:
        return None
    if item.type is bool:
        return None if isinstance(value, bool) else f"{item.name} must be true or false, not {value!r}"
    is_whole = item.type is int
    right_type = isinstance(value, int if is_whole else int | float) and not isinstance(value, bool)
    if right_type and low <= value <= high:
        return None
    kind = "a whole number" if is_whole else "a number"
    return f"{item.name} must be {kind} from {low:,} to {high:,}{empty}, not {value!r}"
