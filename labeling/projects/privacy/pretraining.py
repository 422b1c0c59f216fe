"""The ledger's entries of pre-trainings: an encoder learns the pool's texts, on a share of the privacy budget.

An entry stays open until the encoder is stored. A killed pre-training goes on from its checkpoint within its entry:
nothing else of it was seen.
"""

from collections.abc import Callable
from dataclasses import asdict

from django.db import models, transaction
from django.utils import timezone

from labeling.models import PrivateTraining, Project
from labeling.projects.privacy import families, ledger
from labeling.projects.privacy.budgets import Budget
from models_store.language.config import PretrainingConfig
from models_store.privacy.accounting import adaptive
from models_store.privacy.planned import planned

Configure = Callable[[float, float], PretrainingConfig]
"""Takes ε and δ of a budget, and returns the settings of a pre-training."""


@transaction.atomic
def start(*, project: Project, units: int, configure: Configure) -> tuple[PrivateTraining, PretrainingConfig]:
    """Enter a pre-training on this many units in the ledger, or find the open entry of the same; return it with its
    settings.

    Raises `BudgetSpent` if there is no budget, or less is left of it than the pre-training takes.
    """
    families.lock()
    project = Project.objects.locked(project.pk)
    budget = Budget.of(project)
    if budget is None:
        raise ledger.BudgetSpent(
            "The encoder learns the pool’s texts within a privacy budget, and the project has none: set a budget, or "
            "choose another encoder, then retry."
        )
    config = configure(budget.epsilon, budget.delta)
    for entry in _open(project):
        if ledger.phases_of(entry) == config.phases(entry.labels) and entry.delta == config.delta:
            return entry, config
    phases = config.phases(units)
    spent = ledger.spent_by(project)
    cost = adaptive(spent.phases, budget.delta)
    if spent.follow(budget):
        cost = planned(spent.phases, budget.delta, within=budget.epsilon)
    if (together := cost(phases)) > budget.epsilon:
        raise ledger.BudgetSpent(
            f"Pre-training on the pool’s texts takes ε = {config.epsilon:g}, which is more than is left of the privacy "
            f"budget of ε = {budget.epsilon:g}. Raise the budget or choose a smaller share, then retry."
        )
    entry = PrivateTraining.objects.create(
        project=project,
        labels=units,
        phases=[phase._asdict() for phase in phases],
        delta=budget.delta,
        # Chosen after other trainings, it may follow from what they showed.
        plan=None if spent.phases else asdict(budget),
        cost=None if spent.phases else together,
    )
    ledger.tell_if_nearly_spent(project, budget, spent.phases, phases, together)
    return entry, config


def close_open_entries(project: Project) -> None:
    """Close the project's open entries: an encoder is stored. Call in the transaction that makes it the project's."""
    _open(project).update(ended_at=timezone.now())


def last(project: Project) -> PrivateTraining | None:
    """Return the last pre-training whose encoder was stored."""
    return project.private_trainings.filter(batch=None).exclude(ended_at=None).order_by("-pk").first()


def _open(project: Project) -> models.QuerySet[PrivateTraining]:
    return project.private_trainings.filter(batch=None, ended_at=None)
