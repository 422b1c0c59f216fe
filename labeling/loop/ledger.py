"""A project's privacy budget: what has been spent on its labels, what is left, and what may leave the project.

Every training is in the ledger from before it starts. All of them compose, over all rounds, killed ones included, and
over all projects that hold the same labels (`labeling.projects.families`). Where something rests on an assumption that
does not hold, no epsilon is stated.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import chain
from typing import Any

from django.db import transaction
from django.db.models import Sum

from labeling.answering import counting
from labeling.models import Batch, ModelVersion, PrivateTraining, Project, Release, User
from labeling.projects import families
from models_store.privacy.accounting import Phase, epsilon, epsilons, renyi
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
class Spent:
    """Trainings of the project that have `started`, and the phases of noise of all trainings on its labels."""

    started: int = 0
    phases: tuple[Phase, ...] = ()


@dataclass(frozen=True, slots=True)
class Budget:
    """What a project may cost, and how it is shared out: over so many trainings, or by the noise of each."""

    epsilon: float
    delta: float
    trainings: int
    noise: float | None = None

    @classmethod
    def of(cls, source: Any) -> Budget | None:
        """Of a project, or of what else has its privacy settings; None if they make nothing private."""
        if source.privacy_epsilon is None:
            return None
        return cls(source.privacy_epsilon, source.privacy_delta, source.privacy_trainings, source.privacy_noise)

    def left(self, labels: int, spent: Spent) -> int:
        """Trainings, on as many labels each, that may still start: those the budget was made for, or those it is enough
        for if the noise is set.
        """
        if self.noise is None:
            return max(0, self.trainings - spent.started)
        one = PrivacyConfig(noise_multiplier=self.noise, delta=self.delta).phases(max(labels, 1))
        before = renyi(spent.phases)

        def fit(trainings: int) -> bool:
            phases = [phase._replace(steps=phase.steps * trainings) for phase in one]
            return epsilon(phases, self.delta, before=before) <= self.epsilon

        # All that fit, by halving: the first number that is one too many.
        return bisect_left(range(1, MOST_LEFT + 1), True, key=lambda trainings: not fit(trainings))

    def noise_of_each(self, labels: int, trainings: int, spent: Spent) -> float | None:
        """Of each of so many trainings: as set, or on what is left of the budget; None if that is nothing, or next to
        nothing.
        """
        if self.noise is not None:
            return self.noise
        try:
            noise = noise_for_budget(
                labels, trainings=trainings, epsilon=self.epsilon, delta=self.delta, spent=spent.phases
            )
            even = noise_for_budget(labels, trainings=self.trainings, epsilon=self.epsilon, delta=self.delta)
        except ValueError:
            return None
        return noise if noise <= STARVED * even else None


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Private trainings of other projects that hold the same labels: their number, and all their phases."""

    trainings: int = 0
    phases: tuple[Phase, ...] = ()


@dataclass(frozen=True, slots=True)
class Ledger:
    """The project's trainings in their order, and what the first 1, 2, … of them cost together at the project's delta,
    with all those of other projects that hold the same labels.
    """

    trainings: list[PrivateTraining]
    costs: list[float]
    elsewhere: Elsewhere
    """Trainings of those other projects."""
    elsewhere_cost: float
    """What those cost by themselves."""
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
        return self.costs[-1] if self.costs else self.elsewhere_cost

    @property
    def labels_needed(self) -> int | None:
        """About how many labels the next training takes to be nearly as good as one without privacy."""
        return None if self.noise is None else labels_needed(self.noise)


def labels_needed(noise: float) -> int:
    """About how many labels make a training with this noise multiplier nearly as good as one without."""
    return 100 * max(1, round(LABELS_PER_NOISE * noise / 100))


def is_private(project: Project) -> bool:
    return project.privacy_epsilon is not None


def ledger_of(project: Project) -> Ledger:
    """What stands in the ledger, and what is left. Four queries, and four more if other projects hold its labels."""
    budget = Budget.of(project)
    trainings = list(project.private_trainings.select_related("batch", "version").order_by("pk"))
    elsewhere = _elsewhere(project)
    labels = counting.trainable_labels(project)
    phases = [_phases(training) for training in trainings]
    elsewhere_cost, *costs = epsilons([elsewhere.phases, *phases], project.privacy_delta)
    spent = Spent(len(trainings), (*elsewhere.phases, *chain.from_iterable(phases)))
    left = budget.left(labels, spent) if budget else 0
    noise = budget.noise_of_each(labels, left, spent) if budget and left and labels else None
    left = left if noise or not labels else 0
    return Ledger(trainings, costs, elsewhere, elsewhere_cost, left, noise, labels, _flaw(project))


@transaction.atomic
def start(*, project: Project, batch: Batch, labels: int) -> tuple[PrivateTraining, PrivacyConfig]:
    """Write a training on so many labels into the ledger, and say how it must go. Raises `BudgetSpent`."""
    # The lock lets two trainings not start on the same rest of the budget, of whatever projects with the same labels.
    families.lock()
    project = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    budget = Budget.of(project)
    if budget is None:
        raise BudgetSpent(
            "The privacy budget was removed from the settings just before a private training. Retry to train without "
            "privacy, or set the budget again first."
        )
    spent = spent_by(project)
    left = budget.left(labels, spent)
    if not left and budget.noise is not None:
        raise BudgetSpent(
            f"A training with a noise multiplier of {budget.noise:g} on {labels:,} labels costs more than is "
            f"left of the privacy budget of ε = {budget.epsilon:g}. Raise the budget or the noise in the "
            "settings, then retry; or stop the loop."
        )
    if not left:
        raise BudgetSpent(
            f"The privacy budget was made for {budget.trainings} trainings, and all have started. "
            "Raise their number in the settings (and ε, if they are to learn anything), then retry; or stop the loop."
        )
    noise = budget.noise_of_each(labels, left, spent)
    if noise is None:
        raise BudgetSpent(
            f"The privacy budget of ε = {budget.epsilon:g} is spent. "
            "Raise it in the settings, then retry; or stop the loop."
        )
    config = PrivacyConfig(noise_multiplier=noise, delta=budget.delta)
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
    """Why no epsilon holds for the project's labels; empty if one does."""
    if flaw := _open_versions(project):
        return flaw
    family = project.family
    if (family and family.removed_flaw) or families.has_flaw(families.others(project)):
        return (
            "Another project that holds the same labels trained on them without privacy, or counted one label several "
            "times: no ε holds for all that has been shown of them. Take labels over only into projects that are "
            "private from their first training."
        )
    imported = project.imports.aggregate(repeated=Sum("repeated"), untraced=Sum("untraced"))
    if repeated := imported["repeated"]:
        return (
            f"{repeated:,} imported label{'s' * (repeated > 1)} came in for content that the project had a label for: "
            "such a label counts several times in a training, and ε holds for labels that count once. Import each "
            "label once, into a new project."
        )
    if untraced := imported["untraced"]:
        return (
            f"{untraced:,} imported label{'s' * (untraced > 1)} {'were' if untraced > 1 else 'was'} not found in "
            "another project: what was trained on them before is not known, and no ε holds for it. Only labels that "
            "were given here, copied with their project, or imported from an export by a person who may export that "
            "project, carry what was spent on them."
        )
    return ""


def _open_versions(project: Project) -> str:
    """Which versions have learned from the project's labels outside the ledger."""
    versions = project.versions.without_privacy().order_by("number")
    numbers = list(versions.values_list("number", flat=True)[:4])
    if not numbers:
        return ""
    named = ", ".join(str(number) for number in numbers[:3]) + (" and others" if len(numbers) > 3 else "")
    one = len(numbers) == 1
    return (
        f"Model version{'' if one else 's'} {named} {'was' if one else 'were'} trained on the same labels without "
        "privacy: no ε holds for all that has come out of this project. Only a project that is private from its first "
        "training can state one."
    )


def spent_by(project: Project) -> Spent:
    """What all trainings on the project's labels have spent so far. One query, and two more in a family."""
    elsewhere = _elsewhere(project)
    trainings = list(project.private_trainings.order_by("pk"))
    return Spent(len(trainings), (*elsewhere.phases, *chain.from_iterable(map(_phases, trainings))))


def _elsewhere(project: Project) -> Elsewhere:
    """The trainings of other projects that hold the same labels, removed ones first."""
    family = project.family
    if family is None:
        return Elsewhere()
    trainings = list(PrivateTraining.objects.filter(project__in=families.others(project)).order_by("pk"))
    phases = [Phase(**phase) for phase in family.removed_phases]
    return Elsewhere(
        family.removed_trainings + len(trainings), (*phases, *chain.from_iterable(map(_phases, trainings)))
    )


def _phases(training: PrivateTraining) -> list[Phase]:
    return [Phase(**phase) for phase in training.phases]
