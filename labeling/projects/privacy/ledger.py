"""A project's privacy budget: the ε spent on its labels, the ε left, and the versions that may leave the project.

The ledger holds every private training from before its start. The stated ε composes all trainings, killed ones
included, over all rounds and over all projects that hold the same labels (`labeling.projects.privacy.families`). If an
assumption of this composition does not hold for a project, the ledger states no ε.

While all trainings follow one plan, the budget as it was before the first, their privacy loss distributions compose. A
budget that was changed in between may follow from what models showed, as may the trainings of other projects: then
Rényi divergences count, which are larger, and hold for that case too.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Annotated

from django.db import transaction
from django.db.models import Sum
from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext

from labeling.labels import counting
from labeling.models import (
    Batch,
    LogKind,
    ModelVersion,
    Notice,
    NoticeKind,
    PrivateTraining,
    Project,
    Release,
    User,
)
from labeling.models.privacy import refusal_to_repeat
from labeling.observing import auditlog
from labeling.projects.privacy import families
from labeling.projects.privacy.budgets import Budget, Spent, labels_needed
from models_store.privacy.accounting import Phase, epsilons
from models_store.privacy.config import PrivacyConfig
from models_store.privacy.planned import planned

NEARLY = 0.9
"""The share of a budget after which people are told."""


class BudgetSpent(Exception):
    """The budget allows no further training; the message says what a manager can do."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Private trainings of other projects on the same labels: on copies, originals and imports of them."""

    trainings: int = 0
    phases: Annotated[tuple[Phase, ...], "Of all these trainings."] = ()


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


def is_private(project: Project) -> bool:
    return project.privacy_epsilon is not None


def ledger_of(project: Project) -> Ledger:
    """Read the project's ledger. Four queries, and four more if other projects hold its labels."""
    budget = Budget.of(project)
    trainings = list(project.private_trainings.select_related("batch", "version").order_by("pk"))
    elsewhere = _elsewhere(project)
    labels = counting.trainable_labels(project)
    phases = [phases_of(training) for training in trainings]
    elsewhere_cost, *bounds = epsilons([elsewhere.phases, *phases], project.privacy_delta)
    costs = [_cost(project, elsewhere, training, bound) for training, bound in zip(trainings, bounds, strict=True)]
    spent = _spent(elsewhere, trainings)
    left = budget.left(labels, spent) if budget else 0
    noise = budget.noise_of_each(labels, left, spent) if budget and left and labels else None
    left = left if noise or not labels else 0
    return Ledger(trainings, costs, elsewhere, elsewhere_cost, left, noise, labels, _flaw(project))


@transaction.atomic
def start(
    *, project: Project, batch: Batch, labels: int, repeats: bool = False
) -> tuple[PrivateTraining, PrivacyConfig]:
    """Enter a training on this many labels in the ledger, and return it with the privacy settings that it must use.

    Raises `BudgetSpent` if the budget allows no further training, or was removed from the settings; and if `repeats`,
    which says that a worker starts it again by itself, after two that were killed.
    """
    if repeats and (refusal := refusal_to_repeat(batch)):
        raise BudgetSpent(refusal)
    # Without the lock, two trainings of projects with the same labels could start on the same rest of the budget.
    families.lock()
    project = Project.objects.locked(project.pk)
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
    phases = config.phases(labels)
    cost = planned(spent.phases, budget.delta, within=budget.epsilon)(phases) if spent.follow(budget) else None
    training = PrivateTraining.objects.create(
        project=project,
        batch=batch,
        labels=labels,
        phases=[phase._asdict() for phase in phases],
        delta=budget.delta,
        plan=asdict(budget),
        cost=cost,
    )
    tell_if_nearly_spent(project, budget, spent.phases, phases, cost)
    return training, config


def tell_if_nearly_spent(
    project: Project, budget: Budget, before: Sequence[Phase], phases: Sequence[Phase], cost: float | None
) -> None:
    """Store the notices that `NEARLY` of the budget is spent, once for each budget. `cost`: of the plan, if all follow
    one. Call in the transaction that enters the training.
    """
    bound = epsilons([before, phases], budget.delta)[-1]
    if (bound if cost is None else min(bound, cost)) >= NEARLY * budget.epsilon:
        about = f"{budget.epsilon:g} {budget.delta:g}"
        Notice.objects.tell_members(NoticeKind.BUDGET_NEARLY_SPENT, project, about=about)


def record_version(*, training: PrivateTraining, version: ModelVersion) -> None:
    """Record the version that a training produced."""
    PrivateTraining.objects.filter(pk=training.pk).update(version=version)


def kept_from_download(project: Project) -> set[int]:
    """Return the numbers of a private project's versions whose files may not be downloaded: versions trained without
    privacy that no manager has released. Takes one query; empty, without a query, if the project is not private.
    """
    if not is_private(project):
        return set()
    held_in = project.versions.filter(private_training=None, release=None)
    return set(held_in.values_list("number", flat=True))


def may_be_downloaded(version: ModelVersion) -> bool:
    """Return whether the version's files may be downloaded."""
    return version.number not in kept_from_download(version.project)


@transaction.atomic
def release(*, version: ModelVersion, user: User) -> None:
    """Record that this manager allows downloads of a version without privacy. A second call changes nothing."""
    _, created = Release.objects.get_or_create(version=version, defaults={"user": user})
    if created:
        auditlog.record(LogKind.VERSION_RELEASED, project=version.project, subject=f"version {version.number}")


def download_refusal(version: ModelVersion) -> str:
    """Return the message for a refused download of the version's files."""
    sentence = gettext(
        "Model version %(number)s was trained without privacy, and the project is private: its files could reveal "
        "single answers. A manager can release it on the version’s page."
    )
    return sentence % {"number": version.number}


def _flaw(project: Project) -> str:
    """Return the reason why no ε holds for the project's labels; empty if one holds."""
    if flaw := _open_versions(project):
        return flaw
    family = project.family
    if (family and family.removed_flaw) or families.has_flaw(families.others(project)):
        return gettext(
            "Another project with the same labels trained on them without privacy, or counted one label several times: "
            "no ε holds. Take labels over only into projects that are private from their first training."
        )
    imported = project.imports.aggregate(repeated=Sum("repeated"), untraced=Sum("untraced"))
    if repeated := imported["repeated"]:
        return ngettext(
            "%(n)s imported label was for content that had a label already: such a label counts several times, "
            "and no ε holds. Import each label once, into a new project.",
            "%(n)s imported labels were for content that had a label already: such a label counts several times, "
            "and no ε holds. Import each label once, into a new project.",
            repeated,
        ) % {"n": number_format(repeated, force_grouping=True)}
    if untraced := imported["untraced"]:
        return ngettext(
            "%(n)s imported label was not found in another project: what was trained on them before is not known, "
            "and no ε holds. Import labels from an export of a project that you may export.",
            "%(n)s imported labels were not found in another project: what was trained on them before is not known, "
            "and no ε holds. Import labels from an export of a project that you may export.",
            untraced,
        ) % {"n": number_format(untraced, force_grouping=True)}
    return ""


def _open_versions(project: Project) -> str:
    """Return the message about versions trained on the project's labels outside the ledger; empty without any."""
    versions = project.versions.without_privacy().order_by("number")
    numbers = list(versions.values_list("number", flat=True)[:4])
    if not numbers:
        return ""
    named = ", ".join(str(number) for number in numbers[:3])
    return ngettext(
        "Model version %(versions)s was trained on the same labels without privacy: no ε holds. Only a project that is "
        "private from its first training has one.",
        "Model versions %(versions)s were trained on the same labels without privacy: no ε holds. Only a project that "
        "is private from its first training has one.",
        len(numbers),
    ) % {"versions": gettext("%(versions)s and others") % {"versions": named} if len(numbers) > 3 else named}


def spent_by(project: Project) -> Spent:
    """Return the trainings on the project's labels so far. Takes one query, and two more in a family."""
    return _spent(_elsewhere(project), list(project.private_trainings.order_by("pk")))


def _spent(elsewhere: Elsewhere, trainings: list[PrivateTraining]) -> Spent:
    phases = (*elsewhere.phases, *chain.from_iterable(map(phases_of, trainings)))
    started = sum(training.batch_id is not None for training in trainings)
    return Spent(started, phases, None if elsewhere.phases else _plan(trainings))


def _plan(trainings: list[PrivateTraining]) -> Budget | None:
    """Return the budget that all these trainings followed; None if there are several or it is not known."""
    first, *others = [training.plan for training in trainings] or [None]
    return Budget(**first) if first is not None and all(plan == first for plan in others) else None


def _cost(project: Project, elsewhere: Elsewhere, training: PrivateTraining, bound: float) -> float:
    """Return the ε of the trainings up to this one, given the Rényi bound: the stored cost where it holds."""
    if training.cost is None or elsewhere.phases or training.delta != project.privacy_delta:
        return bound
    return min(bound, training.cost)


def _elsewhere(project: Project) -> Elsewhere:
    """Return the trainings of other projects that hold the same labels, removed ones first."""
    family = project.family
    if family is None:
        return Elsewhere()
    trainings = list(PrivateTraining.objects.filter(project__in=families.others(project)).order_by("pk"))
    phases = [Phase(**phase) for phase in family.removed_phases]
    return Elsewhere(
        family.removed_trainings + len(trainings), (*phases, *chain.from_iterable(map(phases_of, trainings)))
    )


def phases_of(training: PrivateTraining) -> list[Phase]:
    """Return the stored phases of a training or pre-training."""
    return [Phase(**phase) for phase in training.phases]
