"""The shape of a language model and the settings of its private pre-training. This module does not import torch."""

from dataclasses import dataclass

from models_store.privacy.accounting import Phase, least_noise
from models_store.privacy.config import check_number, stages
from models_store.privacy.planned import planned


@dataclass(frozen=True)
class LanguageConfig:
    """The shape of the network. `pieces`: size of the vocabulary; `window`: word pieces of a text at once."""

    pieces: int
    layers: int = 2
    width: int = 128
    heads: int = 2
    window: int = 64


SHAPES = {"tiny": {"layers": 2, "width": 128, "heads": 2}, "mini": {"layers": 4, "width": 256, "heads": 4}}
"""The shapes of BERT-Tiny and BERT-Mini (Turc et al. 2019, 1908.08962)."""


@dataclass(frozen=True)
class PretrainingConfig:
    """The settings of a private pre-training. None may be chosen by looking at the texts.

    Raises ValueError for a value out of range.
    """

    delta: float
    epsilon: float
    """The epsilon of this training alone; infinite for one without noise, which experiments compare with."""
    steps: int = 400
    growth: tuple[float, ...] = (0.25, 0.5, 1.0)
    """Batch sizes of stages with equally many steps, as shares of the largest."""
    largest_batch: int = 65_536
    """Expected units in a step of the last stage, limited by `largest_rate`."""
    largest_rate: float = 0.1
    clipping_norm: float = 0.1
    learning_rate: float = 2e-3
    """Of AdamW, after a warm-up over the first 5 % of the steps; then it falls to 0."""
    weight_decay: float = 0.1
    """The share of the weights that a step at a learning rate of 1 removes; of matrices alone."""
    chunk: int = 64
    """Texts in memory at once: a step adds up the gradients of many chunks."""

    def __post_init__(self) -> None:
        check_number("delta", self.delta, 1e-15, 0.1)
        object.__setattr__(self, "growth", tuple(self.growth))
        if not self.growth or not all(0 < share <= 1 for share in self.growth):
            raise ValueError(f"privacy: growth must be shares of the largest batch (0.25, 0.5, 1), not {self.growth}")
        if self.epsilon != float("inf"):
            check_number("epsilon", self.epsilon, 0.01, 1000)
        for name, low, high in (
            ("steps", len(self.growth), 1_000_000),
            ("largest_batch", 1, 10_000_000),
            ("largest_rate", 1e-6, 1),
            ("clipping_norm", 1e-6, 1e6),
            ("learning_rate", 1e-7, 1),
            ("weight_decay", 0, 100),
            ("chunk", 1, 1_000_000),
        ):
            check_number(name, getattr(self, name), low, high)

    def phases(self, units: int) -> list[Phase]:
        """Return the phases of a training on this many units, at least 1, for the accountant.

        They follow from the settings and the number of units, which counts as public. Raises ValueError if no noise is
        enough.
        """
        rates = stages(self.steps, self.growth, min(self.largest_rate, self.largest_batch / units))
        plan = [Phase(1.0, rate, steps) for rate, steps in rates]
        if self.epsilon == float("inf"):
            return [phase.noisier(0.0) for phase in plan]
        noise = least_noise(plan, self.epsilon, planned((), self.delta, within=self.epsilon))
        return [phase.noisier(noise) for phase in plan]
