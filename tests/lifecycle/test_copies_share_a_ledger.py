"""Test that a copy with labels starts with the privacy spent on them, and that all projects with the labels share one
ledger.
"""

import datetime
from itertools import chain
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from factories import make_items, make_member, make_open_batch, make_project, recount
from pages import make_history, manager, text_of

from labeling.intake import copying
from labeling.loop.step import Step
from labeling.models import Batch, Job, LabelFamily, ModelVersion, PrivateTraining, Project, User
from labeling.projects import erasing_projects, lifecycle
from labeling.projects.duplicating import duplicate
from labeling.projects.privacy import families, ledger
from labeling.steps.registry import run_step
from models_store.privacy.accounting import Phase, epsilon
from tests.extent import some

pytestmark = pytest.mark.django_db

DELTA = 1e-6


def private_project(slug: str = "digits", **settings: Any) -> Project:
    settings = {"privacy_epsilon": 1.0, "privacy_delta": DELTA, "privacy_trainings": 1, **settings}
    project = make_project(slug, **settings)
    batch = make_open_batch(project, make_items(project, 40))
    project.items.update(label=1, agreement=1, labeled_at=timezone.now())
    Batch.objects.filter(pk=batch.pk).update(state=Batch.State.DONE)
    recount(project)
    return project


def train(project: Project) -> PrivateTraining:
    batch = project.batches.first() or project.batches.create(number=1, size=0)
    return ledger.start(project=project, batch=batch, labels=40)[0]


def train_openly(project: Project) -> None:
    ModelVersion.objects.create(project=project, number=1, batch=project.batches.get(), labels=40, seed=1, seconds=1)


def copy_of(project: Project, slug: str = "copy", *, labels: bool = True, run: bool = True) -> Project:
    user = User.objects.filter(username="mona").first() or make_member(project, "mona", "manager")
    copy = duplicate(project=project, user=user, slug=slug, name=slug, items=True, labels=labels)
    if run:
        run_copies()
    copy.refresh_from_db()
    return copy


def run_copies() -> None:
    for job in Job.objects.waiting().filter(kind=Job.Kind.IMPORT):
        assert Job.objects.take(job, "host:1:a", timezone.now())
        run_step(Step(job, gives_way=False))


def figures(project: Project, client: Client) -> Any:
    return client.get(f"/api/v1/projects/{project.slug}/privacy/").json()


def all_spent(*projects: Project) -> float:
    """Return the true privacy cost of the labels that all these projects have."""
    trainings = PrivateTraining.objects.filter(project__in=projects).order_by("project", "pk")
    phases = chain.from_iterable(trainings.values_list("phases", flat=True))
    return epsilon([Phase(**each) for each in phases], DELTA)


def state_of(project: Project) -> ledger.Ledger:
    return ledger.ledger_of(Project.objects.get(pk=project.pk))


def test_a_copy_with_labels_cannot_train_on_a_budget_that_is_spent() -> None:
    project = private_project()
    train(project)
    client = manager(project)
    wanted = {"slug": "copy", "name": "Copy", "items": True, "labels": True}
    address = f"/api/v1/projects/{project.slug}/duplicate/"
    copied = client.post(address, wanted, content_type="application/json")
    assert copied.status_code == 201, copied.content
    run_copies()
    copy = Project.objects.get(slug=copied.json()["slug"])
    told = figures(copy, client)
    assert 0.98 < figures(project, client)["spent"] <= 1.0 < told["spent"] < 1.2, "a plan alone costs less"
    assert (told["trainings"], told["elsewhere"]["trainings"]) == ([], 1)
    assert epsilon([Phase(**each) for each in told["elsewhere"]["phases"]], DELTA) == told["spent"]
    with pytest.raises(ledger.BudgetSpent, match="ε = 1 is spent"):
        train(copy)
    assert f"ε = {told['spent']:.2f} of 1 spent" in text_of(client.get(reverse("project-privacy", args=[copy.slug])))


def test_the_steps_of_both_compose() -> None:
    project = private_project()
    train(project)
    copy = copy_of(project)
    Project.objects.filter(pk=copy.pk).update(privacy_epsilon=2.0)
    train(copy)
    spent = state_of(copy).spent
    assert spent == all_spent(project, copy)
    assert spent is not None
    assert 1.9 < spent <= 2.0
    # The labels of the original have been shown to both trainings, too.
    assert state_of(project).spent == spent


@pytest.mark.parametrize("first", ["original", "copy"])
def test_what_either_spends_after_the_copy_counts_for_both(first: str) -> None:
    project = private_project()
    copy = copy_of(project)
    before, after = (project, copy) if first == "original" else (copy, project)
    train(before)
    with pytest.raises(ledger.BudgetSpent):
        train(after)
    assert state_of(after).spent == all_spent(project, copy)
    assert state_of(before).spent == before.private_trainings.get().cost


def test_a_training_that_starts_while_labels_are_copied_counts_for_the_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "PART", 10)
    project = private_project()
    copy = copy_of(project, run=False)
    train(project)
    with pytest.raises(ledger.BudgetSpent):
        train(copy)
    run_copies()
    assert copy.items.labeled().count() == 40
    assert state_of(copy).spent == all_spent(project)


def test_a_copy_without_labels_has_a_ledger_of_its_own() -> None:
    project = private_project()
    train(project)
    copy = copy_of(project, labels=False)
    assert (state_of(copy).spent, copy.family) == (0.0, None)
    cost = train(copy).cost
    assert state_of(project).spent == PrivateTraining.objects.get(project=project).cost
    assert state_of(copy).spent == cost


@pytest.mark.long
def test_no_epsilon_is_stated_for_a_private_copy_of_a_project_that_is_not_private() -> None:
    project = make_project()
    make_history(project, rounds=1)
    copy = copy_of(project)
    Project.objects.filter(pk=copy.pk).update(privacy_epsilon=4.0)
    told = figures(copy, manager(project))
    assert told["spent"] is None
    assert "Another project with the same labels trained on them without privacy" in told["flaw"]


def test_a_copy_that_trains_without_privacy_takes_the_epsilon_of_the_original() -> None:
    project = private_project()
    train(project)
    copy = copy_of(project)
    assert state_of(project).spent is not None
    Project.objects.filter(pk=copy.pk).update(privacy_epsilon=None)
    train_openly(copy)
    assert state_of(project).spent is None
    assert "without privacy" in state_of(project).flaw


@pytest.mark.parametrize("without_privacy", some([False, True]))
def test_what_was_spent_stays_when_the_original_is_removed_for_good(without_privacy: bool) -> None:
    project = private_project()
    train(project)
    if without_privacy:
        train_openly(project)
    copy = copy_of(project)
    later = copy_of(copy, "later")
    before = state_of(copy)
    remove(project)
    after = state_of(copy)
    assert (after.spent, after.elsewhere) == (before.spent, before.elsewhere)
    assert (after.spent is None) == without_privacy == bool(after.flaw)
    assert state_of(later).spent == after.spent
    with pytest.raises(ledger.BudgetSpent):
        train(copy)
    remove(copy)
    assert state_of(later).elsewhere == after.elsewhere
    remove(later)
    assert not LabelFamily.objects.exists()


def remove(project: Project) -> None:
    user = User.objects.get(username="mona")
    lifecycle.delete(project=project, user=user, name=project.name)
    assert not Job.objects.running().exists()
    Project.objects.filter(pk=project.pk).update(deleted_at=timezone.now() - datetime.timedelta(days=31))
    Job.objects.filter(project=project).delete()
    erasing_projects.erase_projects(timezone.now(), 60)
    assert not Project.objects.filter(pk=project.pk).exists()


def test_families_that_meet_become_one_with_what_their_removed_projects_spent() -> None:
    one, two = private_project("one"), private_project("two")
    first, second = copy_of(one, "first"), copy_of(two, "second")
    for each in (one, two):
        train(each)
    spent = all_spent(one, two)
    for each in (one, two):
        make_member(each, "mona", "manager")
        remove(each)
    families.join(project=first, sources=[second.pk])
    assert state_of(first).spent == state_of(second).spent == spent
    assert state_of(first).elsewhere.trainings == 2
    assert LabelFamily.objects.count() == 1


def test_a_budget_that_is_taken_away_just_before_a_training_is_told() -> None:
    project = private_project()
    Project.objects.filter(pk=project.pk).update(privacy_epsilon=None)
    with pytest.raises(ledger.BudgetSpent, match="removed just before"):
        train(project)
    assert not PrivateTraining.objects.exists()


@pytest.mark.long
def test_the_page_names_only_projects_that_its_reader_is_in() -> None:
    project = private_project(privacy_epsilon=4.0, privacy_trainings=2)
    copy = copy_of(project, "a-copy")
    train(project)
    reader = make_member(copy, "eve", "engineer")
    client = Client()
    client.force_login(reader)
    page = text_of(client.get(reverse("project-privacy", args=[copy.slug])))
    assert "1 training of another project that holds the same labels counts here" in page
    assert project.name not in page
    assert f"You are in {project.name}" in text_of(manager(project).get(reverse("project-privacy", args=[copy.slug])))


@pytest.mark.long
def test_the_ledger_of_many_copies_is_read_in_few_queries(django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    project = private_project(privacy_epsilon=20.0, privacy_trainings=5)
    copies = [copy_of(project, f"copy-{number}") for number in range(3)]
    for each in copies:
        train(each)
    project.refresh_from_db()
    with django_assert_num_queries(8):
        ledger.ledger_of(project)


def test_a_copy_that_the_release_before_started_joins_with_its_first_label() -> None:
    project = private_project()
    train(project)
    copy = copy_of(project, run=False)
    Project.objects.update(family=None)
    run_copies()
    assert state_of(copy).spent == all_spent(project)
    assert state_of(project).spent == project.private_trainings.get().cost
