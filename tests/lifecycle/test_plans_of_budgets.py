"""Test that trainings on one budget cost less as a plan, and that a changed plan counts by Rényi."""

import pytest
from factories import make_items, make_open_batch, make_project, recount

from labeling.models import Batch, LabelFamily, PrivateTraining, Project
from labeling.projects.privacy import ledger
from models_store.privacy import accounting
from models_store.privacy.accounting import Phase

pytestmark = pytest.mark.django_db
DELTA = 1e-5


def trained(times: int) -> tuple[Project, Batch]:
    """Return a project with a budget for three trainings, of which some have started, and its batch."""
    project = make_project(privacy_epsilon=2.0, privacy_delta=DELTA, privacy_trainings=3)
    batch = make_open_batch(project, make_items(project, 40))
    project.items.update(label=1, agreement=1)
    recount(project)
    for _ in range(times):
        ledger.start(project=project, batch=batch, labels=40)
    return project, batch


def by_renyi() -> float:
    rows = PrivateTraining.objects.order_by("pk")
    return accounting.epsilon([Phase(**phase) for row in rows for phase in row.phases], DELTA)


@pytest.mark.long
def test_the_trainings_of_a_plan_share_one_noise_and_cost_less_than_by_renyi() -> None:
    project, _ = trained(3)
    assert len({row.phases[-1]["noise_multiplier"] for row in PrivateTraining.objects.all()}) == 1
    state = ledger.ledger_of(project)
    assert state.costs == [row.cost for row in PrivateTraining.objects.order_by("pk")]
    assert state.spent is not None
    assert 1.98 < state.spent <= 2.0 < by_renyi()


@pytest.mark.long
def test_a_training_after_a_changed_budget_counts_all_by_renyi_and_stays_within_the_new_one() -> None:
    project, batch = trained(2)
    before = ledger.ledger_of(project)
    Project.objects.update(privacy_epsilon=3.0)
    project.refresh_from_db()
    assert ledger.ledger_of(project).costs == before.costs, "what was spent before followed a plan"
    training, _ = ledger.start(project=project, batch=batch, labels=40)
    after = ledger.ledger_of(project)
    assert training.cost is None
    assert after.costs == [*before.costs, by_renyi()]
    assert after.costs[-1] <= 3.0


def test_what_other_projects_spent_on_the_same_labels_ends_the_plan() -> None:
    """The plan's ε holds for its own trainings alone."""
    project, _ = trained(1)
    assert ledger.spent_by(project).plan is not None
    phases = PrivateTraining.objects.get().phases
    Project.objects.update(family=LabelFamily.objects.create(removed_trainings=1, removed_phases=phases))
    project.refresh_from_db()
    assert ledger.spent_by(project).plan is None


def test_a_ledger_from_before_plans_were_kept_states_what_it_stated() -> None:
    project, batch = trained(2)
    PrivateTraining.objects.update(plan=None, cost=None)
    stated = by_renyi()
    assert ledger.ledger_of(project).spent == stated
    Project.objects.update(privacy_epsilon=3.0)
    ledger.start(project=project, batch=batch, labels=40)
    project.refresh_from_db()
    assert ledger.ledger_of(project).costs[-1] == by_renyi() <= 3.0


def test_another_delta_is_not_answered_from_the_kept_costs() -> None:
    project, _ = trained(1)
    kept = ledger.ledger_of(project).spent
    Project.objects.update(privacy_delta=1e-7)
    project.refresh_from_db()
    stated = ledger.ledger_of(project).spent
    assert kept is not None
    assert stated is not None
    assert stated > kept
