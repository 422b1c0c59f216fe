"""Test that concurrent trainings, copies and imports of projects with the same labels do not spend a budget twice."""

from typing import Any

import pytest
from django.db import transaction
from factories import make_items, make_member, make_open_batch, make_project, recount
from simultaneous import errors_at_once

from labeling.models import LabelFamily, PrivateTraining, Project, Role, User
from labeling.projects.duplicating import duplicate
from labeling.projects.privacy import families, ledger

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 4


def private_project(slug: str, **settings: Any) -> Project:
    settings = {"privacy_epsilon": 1.0, "privacy_trainings": 1, **settings}
    project = make_project(slug, **settings)
    make_open_batch(project, make_items(project, 10))
    project.items.update(label=1, agreement=1)
    recount(project)
    return project


def train(project: Project) -> None:
    ledger.start(project=project, batch=project.batches.get(), labels=10)


def test_of_two_projects_with_the_same_labels_one_gets_the_last_training() -> None:
    for number in range(ROUNDS):
        one, two = private_project(f"one-{number}"), private_project(f"two-{number}")
        families.join(project=one, sources=[two.pk])
        errors = errors_at_once(lambda one=one: train(one), lambda two=two: train(two))
        assert [type(error) for error in errors] == [ledger.BudgetSpent], "the other had it"
        assert PrivateTraining.objects.filter(project__in=[one, two]).count() == 1
        found = [ledger.ledger_of(Project.objects.get(pk=each.pk)) for each in (one, two)]
        trained = next(each for each in found if each.trainings)
        assert trained.spent is not None
        assert trained.spent <= 1, "the other one states it by Rényi divergences, which are larger"


@pytest.mark.long
def test_projects_that_join_in_a_circle_while_they_train_become_one_family() -> None:
    for number in range(ROUNDS):
        made = [private_project(f"{name}-{number}", privacy_epsilon=50.0, privacy_trainings=9) for name in "abc"]
        joins = [
            lambda one=one, other=other: families.join(project=one, sources=[other.pk])
            for one, other in zip(made, [*made[1:], made[0]], strict=True)
        ]
        assert errors_at_once(*joins, *(lambda one=one: train(one) for one in made)) == []
        found = [Project.objects.get(pk=each.pk) for each in made]
        assert len({each.family_id for each in found}) == 1
        assert found[0].family_id is not None
        spent = [ledger.ledger_of(each).spent for each in found]
        assert spent == pytest.approx([spent[0]] * 3), "each composes its own trainings last"
    assert LabelFamily.objects.count() == ROUNDS


@pytest.mark.long
def test_a_copy_made_while_a_training_starts_has_it_in_its_ledger() -> None:
    for number in range(ROUNDS):
        project = private_project(f"one-{number}")
        mona = make_member(project, "mona", Role.MANAGER)
        slug = f"copy-{number}"

        def copy(project: Project = project, user: User = mona, slug: str = slug) -> None:
            duplicate(project=project, user=user, slug=slug, name=slug, items=True, labels=True)

        assert errors_at_once(lambda project=project: train(project), copy) == []
        made = Project.objects.get(slug=slug)
        assert ledger.ledger_of(made).elsewhere.trainings == 1
        batch = made.batches.create(number=1, size=0)
        with pytest.raises(ledger.BudgetSpent), transaction.atomic():
            ledger.start(project=made, batch=batch, labels=10)


def test_changing_the_budget_while_a_training_starts_leaves_no_training_outside_the_ledger() -> None:
    for number in range(ROUNDS):
        project = private_project(f"one-{number}")
        switched_off = Project.objects.filter(pk=project.pk)
        errors = errors_at_once(
            lambda project=project: train(project), lambda rows=switched_off: rows.update(privacy_epsilon=None)
        )
        assert all(isinstance(error, ledger.BudgetSpent) for error in errors)
        assert PrivateTraining.objects.filter(project=project).count() == 1 - len(errors)
