"""A privacy budget in numbers: how many trainings are left, and their noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from models_store.privacy.accounting import Phase
from models_store.privacy.config import noise_for_budget, trainings_for_budget

LABELS_PER_NOISE = 250
"""Labels per unit of the noise multiplier with which private models came within some 5 % of the accuracy of others
(docs/benchmarks.md): the largest batch then averages the noise to a hundredth of the clipping norm."""

STARVED = 5
"""The most noise of a training, as a multiple of the noise for an even share of the budget. At this multiple the
training has about a 25th of an even share, and learns nothing."""


MOST_LEFT = 1000
"""`Budget.left` counts at most this many trainings."""


@dataclass(frozen=True, slots=True)
class Budget:
    """A project's budget (ε, δ), shared by a number of trainings, or spent by trainings with a set noise multiplier."""

    epsilon: float
    delta: float
    trainings: int
    noise: float | None = None

    @classmethod
    def of(cls, source: Any) -> Budget | None:
        """Return the budget of a project, or of another object with its privacy settings; None without an ε."""
        if source.privacy_epsilon is None:
            return None
        return cls(source.privacy_epsilon, source.privacy_delta, source.privacy_trainings, source.privacy_noise)

    def left(self, labels: int, spent: Spent) -> int:
        """Return the number of trainings that may still start.

        Parameters
        ----------
        labels : int
            Labels of each of these trainings.
        spent : Spent
            The trainings so far.

        Returns
        -------
        int
            Without a set noise, `trainings` minus the started ones. With a set noise, the largest number of trainings
            whose cost, composed with the spent phases, stays within ε at δ; at most `MOST_LEFT`.
        """
        if self.noise is None:
            return max(0, self.trainings - spent.started)
        return trainings_for_budget(
            max(labels, 1),
            noise=self.noise,
            epsilon=self.epsilon,
            delta=self.delta,
            most=MOST_LEFT,
            spent=spent.phases,
            follow_plan=spent.follow(self),
        )

    def noise_of_each(self, labels: int, trainings: int, spent: Spent) -> float | None:
        """Return the noise multiplier of each further training.

        Parameters
        ----------
        labels : int
            Labels of each of these trainings.
        trainings : int
            The number of further trainings, at least 1.
        spent : Spent
            The trainings so far.

        Returns
        -------
        float or None
            The set noise, or the least noise with which these trainings stay within the rest of the budget. None if no
            noise is enough, or only more than `STARVED` times the noise of an even share.
        """
        if self.noise is not None:
            return self.noise
        try:
            noise = noise_for_budget(
                labels,
                trainings=trainings,
                epsilon=self.epsilon,
                delta=self.delta,
                spent=spent.phases,
                follow_plan=spent.follow(self),
            )
            even = noise_for_budget(labels, trainings=self.trainings, epsilon=self.epsilon, delta=self.delta)
        except ValueError:
            return None
        return noise if noise <= STARVED * even else None


@dataclass(frozen=True, slots=True)
class Spent:
    """The number of the project's trainings that have `started`, the phases of all trainings on its labels, and the
    `plan` that all of them followed, if there is one.
    """

    started: int = 0
    phases: tuple[Phase, ...] = ()
    plan: Budget | None = None

    def follow(self, budget: Budget) -> bool:
        """Return whether these trainings and those to come on this budget follow one plan."""
        return not self.phases or self.plan == budget


def labels_needed(noise: float) -> int:
    """Return the number of labels, rounded to hundreds, with which a training with this noise multiplier comes near the
    accuracy of a training without privacy.
    """
    return 100 * max(1, round(LABELS_PER_NOISE * noise / 100))
