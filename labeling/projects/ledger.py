"""A project's privacy budget: the ε spent on its labels, the ε left, and the versions that may leave the project.

The ledger holds every private training from before its start. The stated ε composes all trainings, killed ones
included, over all rounds and over all projects that hold the same labels (`labeling.projects.families`). If an
assumption of this composition does not hold for a project, the ledger states no ε.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import chain
from typing import Any

from django.db import transaction
from django.db.models import Sum

from labeling import auditlog
from labeling.answering import counting
from labeling.models import Batch, LogKind, ModelVersion, PrivateTraining, Project, Release, User
from labeling.projects import families
from models_store.privacy.accounting import Phase, epsilon, epsilons, renyi
from models_store.privacy.config import PrivacyConfig, noise_for_budget

LABELS_PER_NOISE = 250
"""Labels per unit of the noise multiplier with which private models came within some 5 % of the accuracy of others
(docs/benchmarks.md): the largest batch then averages the noise to a hundredth of the clipping norm."""

STARVED = 5
"""The most noise of a training, as a multiple of the noise for an even share of the budget. At this multiple the
training has about a 25th of an even share, and learns nothing."""


MOST_LEFT = 1000
"""`Budget.left` counts at most this many trainings."""


class BudgetSpent(Exception):
    """The budget allows no further training; the message says what a manager can do."""


@dataclass(frozen=True, slots=True)
class Spent:
    """The number of the project's trainings that have `started`, and the phases of all trainings on its labels."""

    started: int = 0
    phases: tuple[Phase, ...] = ()


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
        one = PrivacyConfig(noise_multiplier=self.noise, delta=self.delta).phases(max(labels, 1))
        before = renyi(spent.phases)

        def fit(trainings: int) -> bool:
            phases = [phase._replace(steps=phase.steps * trainings) for phase in one]
            return epsilon(phases, self.delta, before=before) <= self.epsilon

        # `bisect_left` returns the index of the first number that does not fit: the largest number that fits.
        return bisect_left(range(1, MOST_LEFT + 1), True, key=lambda trainings: not fit(trainings))

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
                labels, trainings=trainings, epsilon=self.epsilon, delta=self.delta, spent=spent.phases
            )
            even = noise_for_budget(labels, trainings=self.trainings, epsilon=self.epsilon, delta=self.delta)
        except ValueError:
            return None
        return noise if noise <= STARVED * even else None


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The number and the phases of private trainings in other projects that hold the same labels."""

    trainings: int = 0
    phases: tuple[Phase, ...] = ()


@dataclass(frozen=True, slots=True)
class Ledger:
    """The project's trainings by start, and `costs`: the ε of the first 1, 2, … of them at the project's δ, composed
    with all trainings of other projects that hold the same labels.
    """

    trainings: list[PrivateTraining]
    costs: list[float]
    elsewhere: Elsewhere
    """The trainings of these other projects."""
    elsewhere_cost: float
    """The ε of the trainings elsewhere alone."""
    left: int
    """The number of trainings that may still start."""
    noise: float | None
    """The noise multiplier of the next training on the present labels; None if no training or no label is left."""
    labels: int
    flaw: str
    """The reason why the ledger states no ε for the project; empty if it states one."""

    @property
    def spent(self) -> float | None:
        """The ε of all trainings together; None if there is a flaw."""
        if self.flaw:
            return None
        return self.costs[-1] if self.costs else self.elsewhere_cost

    @property
    def labels_needed(self) -> int | None:
        """Return `labels_needed` for the noise of the next training; None without a next training."""
        return None if self.noise is None else labels_needed(self.noise)


def labels_needed(noise: float) -> int:
    """Return the number of labels, rounded to hundreds, with which a training with this noise multiplier comes near the
    accuracy of a training without privacy.
    """
    return 100 * max(1, round(LABELS_PER_NOISE * noise / 100))


def is_private(project: Project) -> bool:
    return project.privacy_epsilon is not None


def ledger_of(project: Project) -> Ledger:
    """Read the project's ledger. Four queries, and four more if other projects hold its labels."""
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
    """Enter a training on this many labels in the ledger, and return it with the privacy settings that it must use.

    Raises `BudgetSpent` if the budget allows no further training, or was removed from the settings.
    """
    # Without the lock, two trainings of projects with the same labels could start on the same rest of the budget.
    families.lock()
    project = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    budget = Budget.of(project)
    if budget is None:
        raise BudgetSpent(
            "The privacy budget was removed just before a private training: set it again, or retry to train without it."
        )
    spent = spent_by(project)
    left = budget.left(labels, spent)
    if not left and budget.noise is not None:
        raise BudgetSpent(
            f"A training with a noise multiplier of {budget.noise:g} on {labels:,} labels costs more than is "
            f"left of the privacy budget of ε = {budget.epsilon:g}. Raise the budget or the noise, then retry; or stop "
            "the loop."
        )
    if not left:
        raise BudgetSpent(
            f"The privacy budget was made for {budget.trainings} trainings, and all have started. "
            "Raise their number and ε, then retry; or stop the loop."
        )
    noise = budget.noise_of_each(labels, left, spent)
    if noise is None:
        raise BudgetSpent(
            f"The privacy budget of ε = {budget.epsilon:g} is spent. Raise it, then retry; or stop the loop."
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
    """Record the version that a training produced."""
    PrivateTraining.objects.filter(pk=training.pk).update(version=version)


def staying(project: Project) -> set[int]:
    """Return the numbers of a private project's versions whose files may not be downloaded: versions trained without
    privacy that no manager has released. Takes one query; empty, without a query, if the project is not private.
    """
    if not is_private(project):
        return set()
    held_in = project.versions.filter(private_training=None, release=None)
    return set(held_in.values_list("number", flat=True))


def may_leave(version: ModelVersion) -> bool:
    """Return whether the version's files may be downloaded."""
    return version.number not in staying(version.project)


@transaction.atomic
def release(*, version: ModelVersion, user: User) -> None:
    """Record that this manager allows downloads of a version without privacy. A second call changes nothing."""
    _, created = Release.objects.get_or_create(version=version, defaults={"user": user})
    if created:
        auditlog.record(LogKind.VERSION_RELEASED, project=version.project, subject=f"version {version.number}")


def held(version: ModelVersion) -> str:
    """Return the message for a refused download of the version's files."""
    return (
        f"Model version {version.number} was trained without privacy, and the project is private: its files could "
        f"reveal single answers. A manager can release it on the version’s page."
    )


def _flaw(project: Project) -> str:
    """Return the reason why no ε holds for the project's labels; empty if one holds."""
    if flaw := _open_versions(project):
        return flaw
    family = project.family
    if (family and family.removed_flaw) or families.has_flaw(families.others(project)):
        return (
            "Another project with the same labels trained on them without privacy, or counted one label several times: "
            "no ε holds. Take labels over only into projects that are private from their first training."
        )
    imported = project.imports.aggregate(repeated=Sum("repeated"), untraced=Sum("untraced"))
    if repeated := imported["repeated"]:
        return (
            f"{repeated:,} imported label{'s' * (repeated > 1)} came in for content that had a label already: such a "
            "label counts several times, and no ε holds. Import each label once, into a new project."
        )
    if untraced := imported["untraced"]:
        return (
            f"{untraced:,} imported label{'s' * (untraced > 1)} {'were' if untraced > 1 else 'was'} not found in "
            "another project: what was trained on them before is not known, and no ε holds. Import labels from an "
            "export of a project that you may export."
        )
    return ""


def _open_versions(project: Project) -> str:
    """Return the message about versions trained on the project's labels outside the ledger; empty without any."""
    versions = project.versions.without_privacy().order_by("number")
    numbers = list(versions.values_list("number", flat=True)[:4])
    if not numbers:
        return ""
    named = ", ".join(str(number) for number in numbers[:3]) + (" and others" if len(numbers) > 3 else "")
    one = len(numbers) == 1
    return (
        f"Model version{'' if one else 's'} {named} {'was' if one else 'were'} trained on the same labels without "
        "privacy: no ε holds. Only a project that is private from its first training has one."
    )


def spent_by(project: Project) -> Spent:
    """Return the trainings on the project's labels so far. Takes one query, and two more in a family."""
    elsewhere = _elsewhere(project)
    trainings = list(project.private_trainings.order_by("pk"))
    return Spent(len(trainings), (*elsewhere.phases, *chain.from_iterable(map(_phases, trainings))))


def _elsewhere(project: Project) -> Elsewhere:
    """Return the trainings of other projects that hold the same labels, removed ones first."""
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
