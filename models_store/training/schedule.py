"""The number of steps of a training, and for each step its labels, learning rate and soft calibration error."""

import math
from dataclasses import dataclass

from models_store.config import TrainConfig

SMALLEST_BATCH = 8
SOFT_FROM = 0.5
"""The share of a training that is done without a soft calibration error: the network has to know something first."""
PARTS = 4
"""The least steps of a pass: few labels are taken in smaller batches than set, which is as good and quicker."""


@dataclass(frozen=True)
class Schedule:
    """At most `steps` steps, of `smallest` labels at first and `growth` times as many at the end."""

    smallest: int
    growth: float
    steps: int
    per_pass: int
    """The number of steps of a pass over the labels, on average."""
    warmup_share: float

    @classmethod
    def of(cls, config: TrainConfig, n: int) -> "Schedule":
        """Return the schedule of a training on n >= 1 labels."""
        smallest = min(config.batch_size, max(SMALLEST_BATCH, n // PARTS))
        # The mean size of batches that grow by a fixed factor each step.
        mean = smallest * (1 if config.batch_growth == 1 else (config.batch_growth - 1) / math.log(config.batch_growth))
        steps = max(math.ceil(config.epochs * n / mean), config.min_steps)
        return cls(
            smallest, config.batch_growth, min(steps, config.max_steps), math.ceil(n / mean), config.warmup_share
        )

    def batch(self, share: float) -> int:
        """Return the number of labels of a step, by the share of the training done.

        It grows as in Anil et al. 2021 (arXiv 2108.01624, section 3): small steps are quick at the beginning, large
        steps are exact at the end.
        """
        return round(self.smallest * float(self.growth**share))

    def rate(self, share: float) -> float:
        """Return the factor of the learning rate: it rises linearly to 1, then falls by half a cosine to 0."""
        warmup = self.warmup_share
        if share < warmup:
            return (share + 0.01) / (warmup + 0.01)
        return 0.5 * (1 + math.cos(math.pi * (share - warmup) / (1 - warmup)))

    def soft(self, share: float) -> float:
        """Return the factor of the soft calibration error: 0 until SOFT_FROM, then it rises linearly to 1."""
        return max(0.0, (share - SOFT_FROM) / (1 - SOFT_FROM))
