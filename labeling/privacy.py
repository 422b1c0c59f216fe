"""A project's privacy budget: what its trainings have cost together, what is left, and what may leave the project.

Every training is in the ledger from before it starts. All of them compose, over all rounds, killed ones included. Where
something rests on an assumption that does not hold, no epsilon is stated.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from django.db import transaction

from labeling.models import Batch, ModelVersion, PrivateTraining, Project, Release, User
from models_store.privacy.accounting import Phase, epsilon
from models_store.privacy.config import PrivacyConfig, noise_for_budget

LABELS_PER_NOISE = 250
"""With so many labels for each unit of noise, the largest batch averages it out to a hundredth of the clipping norm:
there private models came within some 5 % of the accuracy of others (docs/benchmarks.md)."""

STARVED = 5
"""So many times the noise of an even share of the budget leaves a 25th of it: a training on that teaches nothing."""


MOST_LEFT = 1000
"""More trainings than that are not told apart."""


class BudgetSpent(Exception):
    """No training may start; the message tells a manager what to do."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """The trainings in their order, and what the first 1, 2, … of them cost together at the project's delta."""

    trainings: list[PrivateTraining]
    costs: list[float]
    left: int
    """Trainings that the budget is still made for."""
    noise: float | None
    """Of the next training on as many labels as there are now; None if there is none left, or no label."""
    labels: int
    flaw: str
    """Why no epsilon can be stated for the project; empty if it can."""

    @property
    def spent(self) -> float | None:
        """Epsilon of all trainings together; None where it cannot be stated."""
        if self.flaw:
            return None
        return self.costs[-1] if self.costs else 0.0

    @property
    def labels_needed(self) -> int | None:
        """About how many labels the next training takes to be nearly as good as one without privacy."""
        return None if self.noise is None else 100 * max(1, round(LABELS_PER_NOISE * self.noise / 100))


def is_private(project: Project) -> bool:
    return project.privacy_epsilon is not None


def ledger(project: Project) -> Ledger:
    """What stands in the ledger, and what is left. Three queries."""
    trainings = list(project.private_trainings.select_related("batch", "version").order_by("pk"))
    labels = project.items.trainable().count()
    phases: list[Phase] = []
    costs = []
    for training in trainings:
        phases += _phases(training)
        costs.append(epsilon(phases, project.privacy_delta))
    left = _left(project, labels, len(trainings), phases) if is_private(project) else 0
    noise = _noise(project, labels, left, phases) if left and labels else None
    return Ledger(trainings, costs, left if noise or not labels else 0, noise, labels, _flaw(project))


@transaction.atomic
def start(*, project: Project, batch: Batch, labels: int) -> tuple[PrivateTraining, PrivacyConfig]:
    """Write a training on so many labels into the ledger, and say how it must go. Raises `BudgetSpent`."""
    # The lock lets two trainings not start on the same rest of the budget.
    project = Project.objects.select_for_update().get(pk=project.pk)
    assert project.privacy_epsilon is not None
    earlier = list(project.private_trainings.all())
    phases = [phase for training in earlier for phase in _phases(training)]
    left = _left(project, labels, len(earlier), phases)
    if not left and project.privacy_noise is not None:
        raise BudgetSpent(
            f"A training with a noise multiplier of {project.privacy_noise:g} on {labels:,} labels costs more than is "
            f"left of the privacy budget of ε = {project.privacy_epsilon:g}. Raise the budget or the noise in the "
            "settings, then retry; or stop the loop."
        )
    if not left:
        raise BudgetSpent(
            f"The privacy budget was made for {project.privacy_trainings} trainings, and all have started. "
            "Raise their number in the settings (and ε, if they are to learn anything), then retry; or stop the loop."
        )
    noise = _noise(project, labels, left, phases)
    if noise is None:
        raise BudgetSpent(
            f"The privacy budget of ε = {project.privacy_epsilon:g} is spent. "
            "Raise it in the settings, then retry; or stop the loop."
        )
    config = PrivacyConfig(noise_multiplier=noise, delta=project.privacy_delta)
    training = PrivateTraining.objects.create(
        project=project,
        batch=batch,
        labels=labels,
        phases=[phase._asdict() for phase in config.phases(labels)],
        delta=project.privacy_delta,
    )
    return training, config


def settle(*, training: PrivateTraining, version: ModelVersion) -> None:
    """The training has ended with this version."""
    PrivateTraining.objects.filter(pk=training.pk).update(version=version)


def staying(project: Project) -> set[int]:
    """Numbers of the versions whose files may not be taken out: of a private project those that were not trained
    privately and that no manager has released. One query; none if the project is not private.
    """
    if not is_private(project):
        return set()
    held_in = project.versions.filter(private_training=None, release=None)
    return set(held_in.values_list("number", flat=True))


def may_leave(version: ModelVersion) -> bool:
    """Whether the version's files may be taken out."""
    return version.number not in staying(version.project)


@transaction.atomic
def release(*, version: ModelVersion, user: User) -> None:
    """Let a version's files leave though it is not private, at this manager's word. Said twice, it counts once."""
    Release.objects.get_or_create(version=version, defaults={"user": user})


def held(version: ModelVersion) -> str:
    """What to say where files may not leave."""
    return (
        f"Model version {version.number} was trained without privacy, and the project is private: what it learned by "
        "heart would leave with it. A manager can release it on the version’s page."
    )


def _flaw(project: Project) -> str:
    """Whether a version has learned from the same labels outside the ledger."""
    open_ones = project.versions.filter(private_training=None).order_by("number").values_list("number", flat=True)
    numbers = list(open_ones[:4])
    if not numbers:
        return ""
    named = ", ".join(str(number) for number in numbers[:3]) + (" and others" if len(numbers) > 3 else "")
    one = len(numbers) == 1
    return (
        f"Model version{'' if one else 's'} {named} {'was' if one else 'were'} trained on the same labels without "
        "privacy: no ε holds for all that has come out of this project. Only a project that is private from its first "
        "training can state one."
    )


def _left(project: Project, labels: int, started: int, spent: list[Phase]) -> int:
    """Trainings, on as many labels each, that may still start: those the budget was made for, or those it is enough for
    if the noise is set.
    """
    if project.privacy_noise is None:
        return max(0, project.privacy_trainings - started)
    limit = project.privacy_epsilon
    assert limit is not None
    one = PrivacyConfig(noise_multiplier=project.privacy_noise, delta=project.privacy_delta).phases(max(labels, 1))

    def fit(trainings: int) -> bool:
        phases = [phase._replace(steps=phase.steps * trainings) for phase in one]
        return epsilon([*spent, *phases], project.privacy_delta) <= limit

    # All that fit, by halving: the first number that is one too many.
    return bisect_left(range(1, MOST_LEFT + 1), True, key=lambda trainings: not fit(trainings))


def _noise(project: Project, labels: int, trainings: int, spent: list[Phase]) -> float | None:
    """Of each of so many trainings: as set, or on what is left of the budget; None if that is nothing, or next to
    nothing.
    """
    if project.privacy_noise is not None:
        return project.privacy_noise
    assert project.privacy_epsilon is not None
    target, delta = project.privacy_epsilon, project.privacy_delta
    try:
        noise = noise_for_budget(labels, trainings=trainings, epsilon=target, delta=delta, spent=spent)
        even = noise_for_budget(labels, trainings=project.privacy_trainings, epsilon=target, delta=delta)
    except ValueError:
        return None
    return noise if noise <= STARVED * even else None


def _phases(training: PrivateTraining) -> list[Phase]:
    return [Phase(**phase) for phase in training.phases]
