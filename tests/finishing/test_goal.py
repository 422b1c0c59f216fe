"""The goal of a project starts where it can be reached, and says in one line why not elsewhere."""

from unittest.mock import patch

import pytest

from labeling.finishing import goal
from labeling.finishing.goal import FinishRefused, Goal, batch_size_of, start, stop
from labeling.models import Job, Project
from labeling.queue import gold
from labeling.queue.gold import GoldAnswer
from tests.factories import make_items, make_member, make_open_batch, make_project
from tests.pages import make_version

pytestmark = pytest.mark.django_db

GOAL = {"error": 0.02, "confidence": 0.95, "by_class": False, "within": 0}


def trained(**settings: object) -> Project:
    project = make_project(**settings)
    for name in ("ann", "bob"):
        make_member(project, name)
    make_version(make_open_batch(project, make_items(project, 4)), 1)
    return project


def test_a_start_enqueues_one_step_and_a_stop_keeps_the_goal():
    project = trained(overlap_max=3)
    user = make_member(project, "mara", "manager")
    finish = start(project, user, Goal(**GOAL))
    assert start(project, user, Goal(**GOAL)).pk == finish.pk
    assert Job.objects.waiting().get(kind=Job.Kind.FINISH).project == project
    stop(project)
    finish.refresh_from_db()
    assert (finish.running, finish.error, finish.started_by) == (False, 0.02, user)


@pytest.mark.parametrize(
    ("setting", "pool", "members", "size"),
    [(500, 6000, 2, 60), (50, 6000, 2, 50), (500, 600, 2, 20), (500, 600, 12, 60), (500, 90_000, 2, 500)],
)
def test_a_goal_makes_batches_of_a_hundredth_of_the_pool(setting, pool, members, size):
    """But of 20 items at least, and five a member, so that nobody waits, and never of more than the setting."""
    project = trained(overlap_max=3, batch_size=setting)
    for n in range(members - 2):
        make_member(project, f"further{n}")
    Project.objects.filter(pk=project.pk).update(encoded_rows=pool)
    project.refresh_from_db()
    with patch.object(goal, "STEP_SHARE", 0.01):
        assert batch_size_of(project) == setting
        start(project, None, Goal(**GOAL))
        assert batch_size_of(project) == size
        stop(project)
        assert batch_size_of(project) == setting


@pytest.mark.parametrize(
    ("chosen", "goal", "reason"),
    [
        (
            {},
            {},
            "About 3\u00a0% of people’s labels are expected to be wrong, and the goal is "
            "2\u00a0%. Set “Maximum answers per item”, for example to 3",
        ),
        ({"overlap": 2, "overlap_max": 3}, {"error": 0.001}, "Invite more annotators"),
        ({"overlap_max": 3}, {"error": 0.0}, "error: "),
        ({"overlap_max": 3}, {"within": 1}, "within: must be 0: answers are no points of a scale."),
        ({"question": "score", "classes": ["1", "2", "3"]}, {"error": 0.1, "within": 3}, "within: must be 0 to 2."),
    ],
)
def test_a_goal_out_of_reach_is_refused(chosen, goal, reason):
    with pytest.raises(FinishRefused) as refused:
        start(trained(**chosen), None, Goal(**{**GOAL, **goal}))
    assert reason in str(refused.value)
    assert not Job.objects.filter(kind=Job.Kind.FINISH).exists()


def test_people_who_may_miss_every_error_of_a_model_cannot_audit_it(monkeypatch):
    """3 of 20 gold items wrong: where only two answers are possible, a wrong one is the model's."""
    project = trained(question="verify", overlap_max=3)
    answers = [GoldAnswer(1, item, item >= 3, True) for item in range(20)]
    monkeypatch.setattr(gold, "answers_of", lambda _: answers)
    with pytest.raises(FinishRefused, match="Raise the gold share"):
        start(project, None, Goal(**GOAL | {"error": 0.1}))
    monkeypatch.setattr(gold, "answers_of", lambda _: [*answers, *answers[3:] * 5])
    assert start(project, None, Goal(**GOAL | {"error": 0.1})).running


def test_a_project_without_a_model_is_refused():
    with pytest.raises(FinishRefused, match="no model version yet"):
        start(make_project(overlap_max=3), None, Goal(**GOAL))
