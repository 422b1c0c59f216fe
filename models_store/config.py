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

    epochs: int = _setting(60, 1, 10_000, meaning="The most passes over all labels.")
    batch_size: int = _setting(
        64, 1, 65_536, meaning="The most labels in one step of the optimiser. With few labels the steps are smaller."
    )
    min_steps: int = _setting(
        200, 1, 1_000_000, meaning="The least number of steps. With few labels, training then exceeds the most passes."
    )
    max_steps: int = _setting(
        20_000, 1, 10_000_000, meaning="The largest number of steps, however many labels there are."
    )
    max_seconds: float | None = _setting(
        None,
        0.1,
        604_800,
        optional=True,
        meaning="Training stops after this many seconds. It then cannot be repeated exactly.",
    )
    learning_rate: float = _setting(
        3e-3, 1e-6, 1.0, meaning="The largest step size. It rises to this value, then falls to zero."
    )
    warmup_share: float = _setting(0.1, 0.0, 0.9, meaning="Share of the training in which the step size rises.")
    weight_decay: float = _setting(
        0.05, 0.0, 10.0, meaning="Pulls the weights towards zero. Use more for few or noisy labels."
    )
    validation_share: float = _setting(
        0.1,
        0.0,
        0.5,
        meaning="Share of the labels that is held back to stop training in time. Control items are never used. 0: "
        "train on all labels, to the end.",
    )
    patience: int = _setting(
        10, 1, 1000, meaning="Checks without improvement on the held-back labels before training stops."
    )
    loss: str = _choice(
        "cross-entropy",
        "cross-entropy",
        "focal",
        "brier",
        meaning="The loss that training minimises. `focal` and `brier` learn less from items that the model already "
        "knows.",
    )
    label_smoothing: float = _setting(
        0.0, 0.0, 0.5, meaning="With cross-entropy, the share of each answer that is spread evenly over all classes."
    )
    class_balance: float = _setting(
        0.0, 0.0, 1.0, meaning="Weight of rare classes. 0: every label counts the same. 1: every class counts the same."
    )
    secondary: str = _choice(
        "s-avuc",
        "none",
        "sb-ece",
        "s-avuc",
        meaning="The soft calibration error that training minimises together with the loss.",
    )
    secondary_weight: float = _setting(
        2.0,
        0.0,
        100.0,
        meaning="Weight of the soft calibration error at the end of training. It is zero in the first half.",
    )
    temperature: str = _choice(
        "adaptive",
        "none",
        "likelihood",
        "adaptive",
        "sb-ece",
        "s-avuc",
        meaning="How the model's confidence is calibrated on held-back labels. `adaptive`: for each item, by how "
        "far its best class stands out.",
    )
    calibration_labels: int = _setting(
        1000,
        0,
        1_000_000,
        meaning="Labels to calibrate on. If fewer are held back, up to four further trainings hold back others once "
        "the next batch is open. 0: no further trainings.",
    )
    batch_growth: float = _setting(
        1.0,
        1.0,
        1000.0,
        meaning="Labels per step at the end of training, as a multiple of those at the start. The number grows evenly.",
    )
    soft_labels: bool = _setting(
        False,
        0,
        1,
        meaning="Where several people answered, learn the probability of each class instead of the most probable "
        "class alone. Only for one class of many, with cross-entropy and without privacy.",
    )
    learns_from: str = _choice(
        "pool",
        "pool",
        "labels",
        meaning="`pool`: also learn from unlabeled items near labeled ones, as far as held-out labels show that it "
        "helps. Only for one class of many, with the built-in network and cross-entropy, up to 10,000 "
        "labels and without privacy.",
    )
    private_layers: str = _choice(
        "none",
        "none",
        "lora",
        "all",
        meaning="The part of the encoder's network that a private training changes. `none`: a small network learns "
        "from the features instead. `lora`: a few numbers beside each linear layer, which noise affects "
        "less. `all`: every layer, for many thousands of labels.",
    )
    warm_start: bool = _setting(
        False, 0, 1, meaning="Start from the last version's weights, scaled down, instead of new ones."
    )
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
