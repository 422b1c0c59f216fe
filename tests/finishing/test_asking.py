"""Test that batches ask an audit's draws as ordinary tasks, and that later changes keep the outcomes right."""

import datetime
from typing import Any

import numpy as np
import pytest
from django.utils import timezone
from factories import make_member, make_project
from loop.test_long_writes import killed_after

from labeling.finishing import audits, candidates
from labeling.finishing.certifying import schedule
from labeling.loop import batches
from labeling.models import Audit, AuditDraw, Batch, Copy, Finish, Item, Job, Project, Role, Task
from labeling.queue import deadlines, queue
from labeling.steps import batch_tasks, repick
from labeling.steps.copy_numbers import TaskKind, unseen_tasks
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker
from labeling.storage.db import long_writes
from tests.finishing.audit_rows import make_audit, make_predicted, say

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _ten_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let audits need so many answers that they ask half of a batch of 20."""
    monkeypatch.setattr(schedule, "advise", lambda *_: schedule.Advice(None, 13.0))


def audited(n: int = 200, **settings: Any) -> Audit:
    project = make_project(**{"batch_size": 20, "replace_skips": True, "strategy": "margin", **settings})
    Finish.objects.create(project=project)
    return make_audit(make_predicted(project, n), in_order=False)


def run(*kinds: str) -> None:
    worker = Worker(run_step, kinds=kinds)
    worker.look_around()
    while worker.run_next():
        pass


def select(project: Project) -> Batch:
    """Select and open the next batch, picked by the version."""
    Batch.objects.filter(project=project).update(state=Batch.State.DONE)
    version = project.versions.get()
    batch = Batch.objects.create(
        project=project, number=project.batches.count() + 1, selected_by=version, strategy="margin"
    )
    Job.objects.all().delete()
    Job.objects.enqueue(Job.Kind.SELECT, project=project, batch=batch)
    run(Job.Kind.SELECT)
    batch.refresh_from_db()
    assert batch.state == Batch.State.OPEN
    return batch


def drawn(batch: Batch, **filters: Any) -> list[tuple[int, int, int]]:
    """Return the place, rank and item of the audit's tasks in the batch, by place."""
    draws = AuditDraw.objects.filter(task__batch=batch, **filters).order_by("place")
    return list(draws.values_list("place", "task__rank", "task__item"))


@pytest.mark.parametrize(("of_class", "size"), [(None, 20), (3, 60)])
def test_a_batch_is_smaller_if_its_other_tasks_had_to_be_candidates(of_class: int | None, size: int) -> None:
    project = make_project(batch_size=60, strategy="margin")
    Finish.objects.create(project=project)
    make_audit(make_predicted(project, 200), in_order=False, of_class=of_class)
    batch = select(project)
    assert (batch.size, batch.batch_size, len(drawn(batch))) == (size, size, 10)


def test_a_batch_asks_the_next_draws_among_its_other_tasks() -> None:
    audit = audited()
    batch = select(audit.project)
    assert (batch.size, batch.tasks.count()) == (20, 20)
    draws = drawn(batch)
    assert [place for place, *_ in draws] == list(range(10)), "half of the batch"
    ranks = [rank for _, rank, _ in draws]
    assert ranks == sorted(ranks), "early draws are answered first"
    assert ranks != list(range(10))
    found = candidates.load(audit)
    assert [item for *_, item in draws] == found.items[found.order[:10]].tolist()
    for draw in AuditDraw.objects.select_related("task"):
        assert draw.value == draw.task.predicted == found.values[found.order[draw.place]]
        assert (draw.task.asked, draw.task.is_control, draw.is_decoy) == (True, False, False)
    sure = batch.tasks.filter(audit_draw=None).values_list("confidence", flat=True)
    stand_ins = batch.tasks.exclude(audit_draw=None).values_list("stand_in", flat=True)
    assert {abs(value) for value in stand_ins} <= set(sure), "more answers are asked for as often as to other tasks"
    tasks = unseen_tasks(batch)
    assert set(tasks.items[tasks.kinds == TaskKind.AUDIT].tolist()) == {item for *_, item in draws}
    assert not batch.tasks.filter(prompted=True).exists()
    for task in Task.objects.filter(audit_draw__isnull=False).select_related("batch__project"):
        say(task, "annie", task.predicted)
    assert audits.outcomes(audit).wrong.tolist() == [False] * 10
    assert [place for place, *_ in drawn(select(audit.project))] == list(range(10, 20))


@pytest.mark.long
def test_draws_whose_answers_are_not_there_yet_are_not_asked_for_again() -> None:
    audit = audited()
    select(audit.project)
    assert [place for place, *_ in drawn(select(audit.project))] == list(range(10, 20)), "at least so many, if any"
    assert drawn(select(audit.project)) == []


def test_an_audit_may_take_a_whole_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "advise", lambda *_: schedule.Advice(None, 500.0))
    audit = audited(show_predictions=True)
    batch = select(audit.project)
    assert (batch.size, len(drawn(batch))) == (20, 20)


def test_no_goal_no_draws() -> None:
    audit = audited()
    Finish.objects.update(running=False)
    assert drawn(select(audit.project)) == []


def test_tasks_with_a_shown_prediction_are_decoys() -> None:
    audit = audited(show_predictions=True)
    batch = select(audit.project)
    draws, decoys = drawn(batch, is_decoy=False), drawn(batch, is_decoy=True)
    assert len(draws) + len(decoys) == 10
    assert min(len(draws), len(decoys)) > 0
    assert [place for place, *_ in draws] == list(range(len(draws)))
    picked = candidates.load(audit)
    taken = set(batch.tasks.filter(audit_draw=None).values_list("item", flat=True))
    ends = [place for place in range(199, 0, -1) if picked.items[picked.order[place]] not in taken]
    assert [place for place, *_ in decoys] == sorted(ends[: len(decoys)])
    prompted = dict(batch.tasks.values_list("rank", "prompted"))
    assert not any(prompted[rank] for _, rank, _ in draws)
    assert all(prompted[rank] for _, rank, _ in decoys)
    assert sum(prompted.values()) - len(decoys) > 0, "other tasks show predictions, too"


@pytest.mark.long
def test_a_small_pool_is_asked_to_its_end() -> None:
    """The strategy and prompted tasks take some candidates; they are asked again until a person sees no prediction."""
    audit = audited(24, show_predictions=True)
    Audit.objects.update(target_share=0.02)
    while batches.is_any_left(audit.project) or audits.outcomes(audit).undecided:
        for task in select(audit.project).tasks.select_related("batch__project", "item", "repeats"):
            say(task, "annie", audit.project.asks.as_answer((task.shown.row or 0) % 10))
    assert not audit.project.items.unpicked().exists()
    found = audits.outcomes(audit)
    assert (found.undecided, found.awaited) == ([], 0)
    assert len(found.ranks) >= AuditDraw.objects.filter(is_decoy=False).count()
    assert found.wrong.mean() < 0.2


def test_a_killed_selection_leaves_no_draw_and_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    audit = audited(show_predictions=True)
    first = select(audit.project)
    unbroken = (drawn(first), list(first.tasks.order_by("rank").values_list("rank", "item", "prompted")))
    first.delete()
    monkeypatch.setattr(batch_tasks, "PART", 3)
    monkeypatch.setattr(long_writes, "UNCONTENDED_FACTOR", 1)
    with killed_after(monkeypatch, AuditDraw.objects, "bulk_create", 2):
        select(audit.project)
    assert 0 < AuditDraw.objects.count() < 10
    Job.objects.update(heartbeat_at=timezone.now() - datetime.timedelta(hours=1))
    run(Job.Kind.SELECT)
    batch = Batch.objects.latest("number")
    assert batch.state == Batch.State.OPEN
    again = (drawn(batch), list(batch.tasks.order_by("rank").values_list("rank", "item", "prompted")))
    assert again == unbroken


def test_a_disagreement_is_asked_again_by_the_next_batch() -> None:
    audit = audited()
    tasks = [Task.objects.get(item=item) for *_, item in drawn(select(audit.project))]
    say(tasks[0], "annie", tasks[0].predicted)
    say(tasks[1], "annie", (tasks[1].predicted + 1) % 10)
    batch = select(audit.project)
    [further] = batch.tasks.further().select_related("batch__project")
    assert (further.repeats_id, further.is_gold, batch.further, batch.size) == (tasks[1].item_key, False, 1, 21)
    assert audits.outcomes(audit).undecided == []
    item = Item.objects.get(pk=further.repeats_id)
    assert (item.again_at, item.label) == (None, (tasks[1].predicted + 1) % 10)
    say(further, "bert", (tasks[1].predicted + 1) % 10)
    assert audits.outcomes(audit).wrong.tolist() == [False, True]


@pytest.mark.long
def test_a_task_that_asks_again_goes_to_another_person_first() -> None:
    audit = audited()
    task = Task.objects.get(item=drawn(select(audit.project))[0][2])
    say(task, "annie", (task.predicted + 1) % 10)
    select(audit.project)
    further = Task.objects.further().get()
    annie, bert = (make_member(audit.project, name) for name in ("annie", "bert"))
    first = queue.claim(project=audit.project, user=annie, count=15).tasks
    assert further.pk not in {task.pk for task in first}
    assert further.pk in {task.pk for task in queue.claim(project=audit.project, user=bert, count=10).tasks}


def test_a_batch_that_ends_early_leaves_its_draws_to_the_next() -> None:
    audit = audited()
    batch = select(audit.project)
    draws = drawn(batch)
    for _, _, item in draws[:4]:
        task = Task.objects.select_related("batch__project").get(item=item)
        say(task, "annie", task.predicted)
    deadlines.end_early(batch=batch)
    deadlines.clear_unanswered(batch=batch)
    assert [place for place, *_ in drawn(batch)] == [0, 1, 2, 3]
    assert [place for place, *_ in drawn(select(audit.project))] == list(range(4, 14))


def test_a_skip_counts_as_wrong_is_replaced_and_can_be_undone() -> None:
    audit = audited()
    batch = select(audit.project)
    task = Task.objects.select_related("batch__project").get(item=drawn(batch)[0][2])
    annie = say(task, "annie", "skip")
    run(Job.Kind.REPLACE)
    replacement = batch.tasks.get(replaces=task)
    assert (replacement.asked, hasattr(replacement, "audit_draw")) == (False, False)
    assert audits.outcomes(audit).wrong.tolist() == [True]
    queue.undo(project=audit.project, user=annie, annotation_id=task.annotations.get().pk)
    assert not batch.tasks.filter(replaces=task).exists()
    assert audits.outcomes(audit).wrong.tolist() == []


def test_a_newer_model_does_not_pick_the_draws_again() -> None:
    audit = audited()
    batch = select(audit.project)
    assert drawn(batch)
    assert not repick._replaceable(batch).filter(audit_draw__isnull=False).exists()


def test_draws_that_have_become_near_copies_are_asked_about_and_queued_ones_are_not() -> None:
    audit = audited()
    found = candidates.load(audit)
    batch = audit.project.batches.get()
    batch.copy_radius = 0.5
    batch.save(update_fields=["copy_radius"])
    source = batch.tasks.order_by("rank").first()
    assert source is not None
    annotation = source.annotations.create(user=make_member(audit.project, "mona", Role.MANAGER), value=1)
    copy = Copy.objects.create(of=source.item, item_id=found.items[found.order[0]], batch=batch, height=0.1)
    copy.answers.create(annotation=annotation, same=True)
    assert Copy.objects.withheld().get() == copy
    check = Copy.objects.create(
        of=source.item, item_id=found.items[found.order[1]], batch=batch, height=0.1, is_check=True
    )
    check.answers.create(annotation=annotation, same=True)
    Item.objects.filter(pk=found.items[found.order[2]]).update(queued_at=timezone.now())
    picked = select(audit.project)
    assert [place for place, *_ in drawn(picked)] == [0, 1, *range(3, 11)]
    assert picked.tasks.filter(item=found.items[found.order[2]], asked=True).exists(), "a manager asked for it"


@pytest.mark.long
def test_draws_are_as_often_asked_with_and_without_a_shown_prediction() -> None:
    """Over many seeds, a task on a prompted rank is of an audit as often as another."""
    shares: dict[bool, list[bool]] = {True: [], False: []}
    for number in range(12):
        audit = audited(slug=f"p{number}", show_predictions=True, secret=bytes([number]) * 32)
        for task in select(audit.project).tasks.select_related("audit_draw"):
            shares[task.prompted].append(hasattr(task, "audit_draw"))
    assert abs(np.mean(shares[True]) - np.mean(shares[False])) < 0.12
