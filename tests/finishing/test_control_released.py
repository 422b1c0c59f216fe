"""Test that items reserved for control can be certified, except those that batches go on asking."""

import pytest
from django.utils import timezone
from factories import make_open_batch

from labeling.finishing import advance
from labeling.finishing.planning import price_of
from labeling.loop.step import Step
from labeling.models import Audit, Certificate, Job, Project
from tests.finishing.goals import answer_until_proven, make_goal

pytestmark = pytest.mark.django_db


def reserved(project: Project) -> list[int]:
    """Return the reserved items' keys in the order in which batches ask them."""
    return list(project.items.control().order_by("control_key").values_list("pk", flat=True))


@pytest.mark.long
def test_the_beginning_of_an_audit_releases_what_batches_will_not_ask() -> None:
    project = make_goal(reserved=10)
    kept = reserved(project)
    forecast = project.finish.forecasts[-1]
    assert len(kept) == advance.kept(project, (forecast["audit"] + forecast["rest"]) / price_of(project), 1000) < 140
    keys = project.items.filter(row__gte=100, row__in=range(100, 1500, 10)).order_by("control_key")
    assert kept == list(keys.values_list("pk", flat=True))[: len(kept)], "the front of the permutation stays"
    assert Audit.objects.get().candidates <= 1400 - len(kept)
    answer_until_proven(project)
    certified = set(Certificate.objects.standing().get().certified_labels.values_list("item", flat=True))
    assert certified.intersection(keys.values_list("pk", flat=True))
    assert not certified.intersection(kept)


def test_no_audit_releases_nothing() -> None:
    project = make_goal(140, reserved=5)
    assert not Audit.objects.exists()
    assert len(reserved(project)) == 8


def test_items_that_a_batch_has_taken_stay_control_items() -> None:
    project = make_goal(140, reserved=5)
    keys = reserved(project)
    make_open_batch(project, list(project.items.filter(pk__in=keys[-3:])), number=2)
    job = Job.objects.enqueue(Job.Kind.FINISH, project=project)
    assert Job.objects.take(job, "a worker", timezone.now())
    step = Step(job, gives_way=False)
    for _ in range(2):
        advance.release(step, project, keep=2)
        assert reserved(project) == [*keys[:2], *keys[-3:]]


@pytest.mark.parametrize(("tasks", "kept"), [(0, 10), (1000, 100), (1001, 101)])
def test_as_many_stay_as_the_batches_to_the_end_ask(tasks: float, kept: int) -> None:
    assert advance.kept(Project(control_share=0.1), tasks, 100) == kept
