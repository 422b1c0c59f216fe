"""How many steps a training takes, and how large each is: labels in its batch, and the learning rate."""

import math
from dataclasses import dataclass

from models_store.config import TrainConfig

SMALLEST_BATCH = 8
PARTS = 4
"""Few labels are taken in smaller batches than set, so many to a pass: as good, and quicker."""


@dataclass(frozen=True)
class Schedule:
    """`smallest` labels at the first step, `growth` times as many at the last, in `steps` steps at most."""

    smallest: int
    growth: float
    steps: int
    per_pass: int
    """Steps over each label once, on average."""
    warmup_share: float

    @classmethod
    def of(cls, config: TrainConfig, n: int) -> "Schedule":
        """For a training on n >= 1 labels."""
        smallest = min(config.batch_size, max(SMALLEST_BATCH, n // PARTS))
        # A batch that grows by a fixed factor a step has this many labels on average.
        mean = smallest * (1 if config.batch_growth == 1 else (config.batch_growth - 1) / math.log(config.batch_growth))
        steps = max(math.ceil(config.epochs * n / mean), config.min_steps)
        return cls(
            smallest, config.batch_growth, min(steps, config.max_steps), math.ceil(n / mean), config.warmup_share
        )

    def batch(self, share: float) -> int:
        """Labels of a step, by the share of the training that is done. Grows as in Anil et al. 2021 (arXiv
        2108.01624): small steps are quick while all is still to be learned, large ones exact where little is.
        """
        return round(self.smallest * float(self.growth**share))

    def rate(self, share: float) -> float:
        """Factor on the learning rate: linear up to 1, then half a cosine down to 0."""
        warmup = self.warmup_share
        if share < warmup:
            return (share + 0.01) / (warmup + 0.01)
        return 0.5 * (1 + math.cos(math.pi * (share - warmup) / (1 - warmup)))
