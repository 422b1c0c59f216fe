"""Test that the next batch is picked before the current one is complete, so that annotators wait for no training."""

import random
import time
import uuid
from pathlib import Path

import numpy as np
import pytest
from digits import annotator, digits_project
from django.db.models import Count
from processes import wait_until, worker

from labeling.loop.step import StepLost
from labeling.models import Annotation, Item, Job, ModelVersion, Project, Task, User
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer
from labeling.steps import batch_copies
from labeling.steps import repick as repicking
from labeling.steps.cluster import clusters_at
from labeling.steps.registry import run_step
from labeling.steps.repick import _places
from labeling.steps.running.worker import Worker
from labeling.steps.select import read_pool
from labeling.storage.arrays.batch_plan import plan_batch
from labeling.storage.arrays.files import ProjectFiles, load_array, sha256_of

pytestmark = pytest.mark.django_db(transaction=True)


def drain(kinds: set[str] | None = None) -> None:
    """Run every due step, or only those of these kinds."""
    step_by_step = Worker(run_step)
    if kinds is None:
        while step_by_step.run_next():
            pass
        assert not Job.objects.exclude(state=Job.State.DONE).exists()
        return
    while jobs := list(Job.objects.waiting().filter(kind__in=kinds)):
        Job.objects.exclude(pk=jobs[0].pk).filter(state=Job.State.WAITING).update(run_after="2100-01-01T00:00Z")
        assert step_by_step.run_next()
        Job.objects.update(run_after="2000-01-01T00:00Z")


def answer(project: Project, user: User, n: int) -> list[Task]:
    """Answer the next `n` tasks with the truth, or fewer if fewer are free."""
    answered: list[Task] = []
    while len(answered) < n:
        tasks = queue.claim(project=project, user=user, count=min(10, n - len(answered))).tasks
        if not tasks:
            break
        answers = [Answer(id=uuid.uuid4(), task=task.pk, value=task.item.truth) for task in tasks]
        assert not submitting.submit(project=project, user=user, answers=answers).rejected
        answered += tasks
    return answered


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return digits_project(tmp_path, n=300, batch_size=40, pick_ahead=0.9)


@pytest.mark.long
def test_people_go_on_while_the_model_is_trained(project: Project) -> None:
    user = annotator(project)
    drain()
    assert len(answer(project, user, 36)) == 36
    drain()
    assert [batch.state for batch in project.batches.order_by("number")] == ["open", "ready"]
    held = queue.claim(project=project, user=user, count=14).tasks
    assert [task.batch.number for task in held] == [1] * 4 + [2] * 4, "nobody has waited for a model"
    answers = [Answer(id=uuid.uuid4(), task=task.pk, value=task.item.truth) for task in held[:6]]
    submitting.submit(project=project, user=user, answers=answers)
    items = {task.pk: task.item_id for task in held}

    drain()  # the training, and the batch's rest is picked by what came of it
    version = ModelVersion.objects.get()
    assert version.labels == 32, "what is answered of batch 2 is for its own version"
    second = project.batches.get(number=2)
    assert (second.selection, second.selected_by, second.strategy) == (2, version, "cluster-margin")
    assert second.kept == [[0, 4]]
    tasks = list(second.tasks.order_by("rank"))
    assert [task.selection for task in tasks] == [1] * 4 + [2] * 36
    assert all(task.margin is None for task in tasks[:4])
    assert all(task.margin is not None for task in tasks[4:])
    assert {task.pk: task.item_id for task in tasks[:4]} == {task.pk: items[task.pk] for task in tasks[:4]}
    first = second.earlier_selections.get()
    assert (first.number, first.strategy, first.selected_by, first.kept) == (1, "seed", None, [])
    assert second.control_tasks == second.tasks.filter(is_control=True).count()
    assert second.tasks.filter(is_control=True, selection=2).count() == 7, "a fifth of what was picked again"
    assert second.remaining == 40 - 2

    assert len(answer(project, user, 35)) == 35
    drain()
    assert len(answer(project, user, 200)) == 43, "the three that are left of batch 2, and batch 3"
    assert not Job.objects.filter(kind=Job.Kind.TRAIN).values("batch").annotate(n=Count("pk")).filter(n__gt=1).exists()


@pytest.mark.long
def test_the_second_selection_can_be_replayed(project: Project) -> None:
    user = annotator(project)
    drain()
    answer(project, user, 36)
    drain()
    answer(project, user, 17)
    queue.claim(project=project, user=user, count=3)
    drain()
    batch = project.batches.get(number=2)
    kept = [rank for start, stop in batch.kept for rank in range(start, stop)]
    assert len(kept) == 16
    margins = load_array(ProjectFiles(project).pool(batch.selected_by, "margins"))
    assert sha256_of(margins) == batch.margins_hash
    clusters, _ = clusters_at(project, project.clustering, batch.mean_cluster_size)
    pool = read_pool(project, batch.pool_rows, also=project.items.filter(task__in=batch.tasks.exclude(rank__in=kept)))
    assert len(pool.rows) == batch.pool_size
    plan = plan_batch(
        pool,
        batch_size=batch.batch_size,
        control_share=batch.control_share,
        strategy=batch.strategy,
        candidate_factor=batch.candidate_factor,
        margins=margins,
        clusters=clusters,
        rng=np.random.default_rng(batch.seed),
    )
    picked = batch.tasks.filter(selection=2).values_list("item__row", flat=True)
    assert sorted(picked) == sorted(plan.rows.tolist())
    for task in batch.tasks.filter(selection=2).select_related("item"):
        at = int(np.flatnonzero(plan.rows == task.item.row)[0])
        assert task.margin == pytest.approx(margins[task.item.row])
        assert task.is_control == plan.is_control[at]
        assert task.draw_pass == (None if task.is_control else plan.passes[at])


def test_what_is_given_out_meanwhile_stays_as_it_is(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """An annotator claims tasks between the plan of the second selection and its writes."""
    user, bert = annotator(project), annotator(project, "bert")
    drain()
    answer(project, user, 40)
    drain({"select", "train"})
    given: dict[int, int] = {}
    write = repicking._write

    def meanwhile(*parts: object) -> None:
        if not given:
            given.update((task.pk, task.item_id) for task in Claimed(project, bert).tasks)
        write(*parts)

    monkeypatch.setattr(repicking, "_write", meanwhile)
    drain()
    assert len(given) == 10
    batch = project.batches.get(number=2)
    assert dict(batch.tasks.filter(selection=1).values_list("pk", "item_id")) == given
    assert batch.tasks.filter(selection=2).count() == 30
    assert batch.tasks.values("item").distinct().count() == 40
    assert batch.control_tasks == batch.tasks.filter(is_control=True).count()


class Claimed:
    """A claim by another connection between two transactions of the step."""

    def __init__(self, project: Project, user: User) -> None:
        self.tasks = queue.claim(project=project, user=user, count=10).tasks


def test_killed_in_the_midst_of_it_the_next_attempt_ends_it(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    user = annotator(project)
    drain()
    answer(project, user, 40)
    drain({"select", "train"})
    monkeypatch.setattr(repicking, "PART", 7)
    write, parts = repicking._write, []

    def dies(*args: object) -> None:
        write(*args)
        parts.append(1)
        if len(parts) == 3:
            raise StepLost

    monkeypatch.setattr(repicking, "_write", dies)
    Worker(run_step).run_next()
    batch = project.batches.get(number=2)
    assert batch.selection == 2
    assert 0 < batch.tasks.filter(selection=1).count() < 40
    assert {task.selection for task in batch.tasks.all()} <= {1, 2}
    assert [each.number for each in batch.earlier_selections.all()] == [1]
    Job.objects.filter(kind=Job.Kind.REPICK).update(state="waiting", worker="")
    # The same version is in use: what is left of the first selection is picked again by it.
    drain()
    batch.refresh_from_db()
    assert not batch.tasks.filter(selection=1).exists()
    assert batch.tasks.values("item").distinct().count() == 40
    assert len(answer(project, user, 40)) == 40


@pytest.mark.long
def test_killed_before_near_copies_are_chosen_the_next_attempt_chooses_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = digits_project(tmp_path, n=300, batch_size=40, pick_ahead=0.9, near_copies=3)
    user = annotator(project)
    drain()
    answer(project, user, 40)
    drain({"select", "train"})
    choose = batch_copies.choose

    def dies(*args: object) -> None:
        monkeypatch.setattr(batch_copies, "choose", choose)
        raise StepLost

    monkeypatch.setattr(batch_copies, "choose", dies)
    Worker(run_step).run_next()
    tasks = project.batches.get(number=2).tasks
    assert set(tasks.values_list("selection", "copies_shown")) == {(2, 0)}
    Job.objects.filter(kind=Job.Kind.REPICK).update(state="waiting", worker="")
    drain()
    assert set(tasks.values_list("selection", flat=True)) == {2}
    assert set(tasks.values_list("copies_shown", flat=True)) > {0, 1}


@pytest.mark.long
def test_by_chance_nothing_is_picked_again(tmp_path: Path) -> None:
    project = digits_project(tmp_path, n=200, batch_size=40, pick_ahead=0.9, strategy="uniform")
    user = annotator(project)
    drain()
    answer(project, user, 40)
    drain()
    assert ModelVersion.objects.count() == 1
    assert project.batches.get(number=2).selection == 1


@pytest.mark.long
def test_a_worker_that_dies_now_and_then_loses_nothing(tmp_path: Path) -> None:
    project = digits_project(tmp_path, n=240, batch_size=40, pick_ahead=0.6)
    user, rng = annotator(project), random.Random(3)
    ended = time.monotonic() + 300
    while Annotation.objects.count() < 160 and time.monotonic() < ended:
        with worker() as process:
            wait_until(lambda: bool(answer(project, user, rng.choice([7, 20, 40]))) or process.poll() is not None)
            time.sleep(1.5 * rng.random())
            process.kill()
    with worker("--drain") as process:
        assert process.wait() == 0
    assert Annotation.objects.count() >= 160
    assert list(Task.objects.values("item").annotate(n=Count("pk")).filter(n__gt=1)) == []
    for batch in project.batches.all():
        assert batch.remaining == batch.tasks.unanswered().count()
        assert batch.size == batch.tasks.count()
        known = {batch.selection, *batch.earlier_selections.values_list("number", flat=True)}
        assert {task.selection for task in batch.tasks.all()} <= known
    trained = list(project.versions.order_by("number").values_list("batch__number", flat=True))
    assert trained == sorted(set(trained)), "one version a batch, in their order"
    answers = Annotation.objects.select_related("task__item")
    assert all(each.value == each.task.item.truth for each in answers), "nobody's item was changed under their hands"
    assert Item.objects.labeled().count() == Annotation.objects.count()


def test_what_a_manager_asked_for_is_in_the_next_batch_and_stays_there(project: Project) -> None:
    user = annotator(project)
    drain()
    answer(project, user, 30)
    asked = list(project.items.unlabeled().filter(reserved=False).order_by("row")[:5])
    project.items.filter(pk__in=[item.pk for item in asked]).update(queued_at="2026-01-01T00:00Z")
    answer(project, user, 10)
    drain()
    batch = project.batches.get(number=2)
    assert batch.selection == 2, "picked ahead, and again"
    assert set(batch.tasks.filter(asked=True).values_list("item", flat=True)) == {item.pk for item in asked}


@pytest.mark.long
def test_who_holds_up_the_first_batch_holds_up_nobody_and_its_model_knows_all_the_same(project: Project) -> None:
    late, user = annotator(project, "late"), annotator(project)
    drain()
    [straggler] = queue.claim(project=project, user=late, count=1).tasks
    answer(project, user, 39)
    drain()
    answer(project, user, 40)
    drain()
    assert list(project.batches.order_by("number").values_list("state", flat=True))[:2] == ["open", "done"]
    assert project.versions.get().batch.number == 2
    answers = [Answer(id=uuid.uuid4(), task=straggler.pk, value=straggler.item.truth)]
    assert submitting.submit(project=project, user=late, answers=answers).batch_completed
    drain()
    first, second = project.versions.order_by("number")
    assert (second.batch.number, second.number) == (1, 2)
    assert second.labels >= first.labels, "the later version knows what the earlier one knew"


def test_tasks_stay_where_nothing_is_left_to_pick_in_their_place() -> None:
    assert (_places(np.array([], np.int64), np.array([3, 5])) == -1).all()
    assert _places(np.array([5, 8]), np.array([3, 5])).tolist() == [1, 0]
