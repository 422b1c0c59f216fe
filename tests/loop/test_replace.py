"""Test that an item that everybody skips is replaced, that annotators do not wait, and that they cannot recognise the
replacement.
"""

import threading
import uuid
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from digits import annotator, answer_batch, digits_project
from django.utils import timezone
from factories import make_items, make_member, make_open_batch, make_project
from hosts import drain
from simultaneous import at_once, elsewhere

from labeling.loop.step import Step
from labeling.models import Batch, Item, Job, Project, Task, User
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer
from labeling.steps.registry import run_step
from labeling.steps.replace import choose_rows
from labeling.steps.running.worker import Worker
from labeling.steps.select import _taken_rows
from labeling.storage.arrays.batch_plan import Pool
from tests.extent import some

pytestmark = pytest.mark.django_db(transaction=True)


def start(in_batch: int = 20, pool: int = 20, *, control: int = 4, overlap: int = 1) -> tuple[Project, Batch, User]:
    """Create an open batch with `control` control tasks first, and a pool with as many reserved items."""
    project = make_project(overlap=overlap)
    items = make_items(project, in_batch + pool)
    reserved = [item.pk for item in [*items[:control], *items[in_batch : in_batch + control]]]
    Item.objects.filter(pk__in=reserved).update(reserved=True)
    Project.objects.update(encoded_rows=in_batch + pool)
    project.refresh_from_db()
    batch = make_open_batch(project, list(Item.objects.order_by("row")[:in_batch]), overlap=overlap)
    Batch.objects.update(control_tasks=control)
    return project, batch, make_member(project, "ann")


def skip(project: Project, user: User, *tasks: Task) -> list[uuid.UUID]:
    answers = [Answer(id=uuid.uuid4(), task=task.pk, skip_reason="unclear") for task in tasks]
    return submitting.submit(project=project, user=user, answers=answers).accepted


def held(project: Project, user: User, number: int = 10) -> list[Task]:
    return queue.claim(project=project, user=user, count=number).tasks


def figures(batch: Batch) -> tuple[int, int, int]:
    batch.refresh_from_db()
    assert batch.remaining == batch.tasks.unanswered().count()
    assert batch.control_tasks == batch.tasks.filter(is_control=True).count()
    return batch.size, batch.remaining, batch.control_tasks


def test_a_skip_is_replaced_by_a_further_task_of_the_same_kind() -> None:
    project, batch, ann = start()
    tasks = held(project, ann)
    skip(project, ann, tasks[0], tasks[5])
    drain()
    new = list(batch.tasks.filter(replaces__isnull=False).order_by("rank"))
    assert [(task.rank, task.replaces_id, task.is_control) for task in new] == [
        (20, tasks[0].pk, True),
        (21, tasks[5].pk, False),
    ]
    assert [task.item.row for task in new] == [20, 24], "the next of the permutation, reserved and not"
    assert figures(batch) == (22, 20, 5)
    drain()
    assert figures(batch) == (22, 20, 5), "once"


def test_an_answer_beside_a_skip_needs_no_replacement_and_a_skip_taken_back_gets_none() -> None:
    project, batch, ann = start(overlap=2)
    bob = make_member(project, "bob")
    first, second, *_ = held(project, ann)
    assert {first.pk, second.pk} <= {task.pk for task in held(project, bob)}
    skipped = skip(project, ann, first, second)
    skip(project, bob, second)
    submitting.submit(project=project, user=bob, answers=[Answer(id=uuid.uuid4(), task=first.pk, value=1)])
    queue.undo(project=project, user=ann, annotation_id=skipped[1])
    drain()
    assert figures(batch)[0] == 20


@pytest.mark.parametrize(("size", "replaced"), [(20, 4), (25, 5)])
def test_no_more_than_a_fifth_of_a_batch_is_replaced(size: int, replaced: int) -> None:
    """A fifth of the picked tasks: the replacements themselves do not count."""
    project, batch, ann = start(size, 2 * size)
    Item.objects.filter(task=None, row__lt=size + 10).update(reserved=True)
    for _ in range(3):
        skip(project, ann, *held(project, ann, 5))
        drain()
    assert batch.tasks.filter(replaces__isnull=False).count() == replaced


@pytest.mark.parametrize("position", [0, 5])
def test_where_one_kind_has_run_out_neither_is_replaced(position: int) -> None:
    """A skip that is replaced would otherwise reveal the kind of its task."""
    project, batch, ann = start()
    Item.objects.filter(task=None, reserved=True).update(excluded_at=timezone.now())
    skip(project, ann, held(project, ann)[position])
    drain()
    assert figures(batch)[0] == 20


def test_control_items_are_no_centres_from_which_a_batch_keeps_away() -> None:
    """The picked items would otherwise depend on the control slice."""
    project, *_ = start()
    items = Item.objects.filter(task=None)
    pool = Pool(*(np.array(list(items.values_list(name, flat=True))) for name in ("row", "reserved", "control_key")))
    assert _taken_rows(project, pool, 40).tolist() == list(range(4, 20))


def make_gold_tasks(project: Project, batch: Batch, number: int) -> list[Task]:
    """Create gold tasks at the end of the batch, and as many gold items outside it."""
    items = make_items(project, 2 * number, first=100)
    Project.objects.filter(pk=project.pk).update(encoded_rows=100 + 2 * number)
    for item in items:
        Item.objects.filter(pk=item.pk).update(gold=item.truth, label=item.truth)
    tasks = [
        Task.objects.create(batch=batch, repeats=item, is_gold=True, rank=50 + n, free=1, outstanding=1)
        for n, item in enumerate(items[:number])
    ]
    Batch.objects.filter(pk=batch.pk).update(
        size=batch.size + number, remaining=batch.remaining + number, further=number
    )
    batch.refresh_from_db()
    return tasks


def test_a_skipped_gold_task_is_replaced_like_any_other() -> None:
    """A batch that does not grow after a skip would otherwise reveal its gold tasks."""
    project, batch, ann = start()
    gold = make_gold_tasks(project, batch, 2)
    claimed = held(project, ann, 100)
    while not set(gold) & set(claimed):
        submitting.submit(
            project=project, user=ann, answers=[Answer(id=uuid.uuid4(), task=task.pk, value=1) for task in claimed]
        )
        claimed = held(project, ann, 100)
    size, remaining, _ = figures(batch)
    skip(project, ann, gold[0])
    drain()
    assert figures(batch)[:2] == (size + 1, remaining)
    new = batch.tasks.get(replaces=gold[0])
    assert new.is_gold, "by a gold task, so that a replacement tells nothing either"
    assert new.repeats_id not in [task.repeats_id for task in gold]
    assert batch.further == 3
    Item.objects.filter(task=None, further_tasks=None).update(gold=None)
    skip(project, ann, gold[1])
    drain()
    assert figures(batch)[:2] == (size + 2, remaining)
    assert not batch.tasks.get(replaces=gold[1]).is_gold, "there is no other gold item"


@pytest.mark.parametrize("kind", some(["control", "picked", "gold"], 2))
def test_a_skip_that_is_taken_back_takes_its_replacement_with_it(kind: str) -> None:
    project, batch, ann = start(8)
    gold = make_gold_tasks(project, batch, 2)
    tasks = {task.pk: task for task in held(project, ann)}
    task = {"control": batch.tasks.get(rank=0), "picked": batch.tasks.get(rank=5), "gold": gold[0]}[kind]
    assert task.pk in tasks
    before = figures(batch)
    further = batch.further
    for _ in range(3):
        [annotation] = skip(project, ann, task)
        drain()
        assert figures(batch)[:2] == (before[0] + 1, before[1])
        assert queue.undo(project=project, user=ann, annotation_id=annotation).pk == task.pk
        assert figures(batch) == before
        assert batch.further == further


def test_a_replacement_that_somebody_holds_stands_for_the_next_skip() -> None:
    """So skips that are undone do not enlarge a batch, whatever the kinds of the tasks."""
    project, batch, ann = start(10)
    tasks = held(project, ann)
    for n, task in enumerate(tasks):
        [annotation] = skip(project, ann, task)
        drain()
        bob = make_member(project, f"bob{n}")
        held(project, bob)
        queue.undo(project=project, user=ann, annotation_id=annotation)
        assert figures(batch)[0] == 11, "it is somebody's, and stays"
    skip(project, ann, tasks[3])
    drain()
    assert figures(batch)[0] == 11
    assert batch.tasks.get(replaces__isnull=False).replaces_id == tasks[3].pk


def test_a_batch_does_not_wait_and_a_manager_can_turn_it_off() -> None:
    project, batch, ann = start(3, 10, control=0)
    skip(project, ann, *held(project, ann))
    batch.refresh_from_db()
    assert batch.state == Batch.State.TRAINING, "the last skip completes it"
    other = make_project("other", replace_skips=False)
    batch = make_open_batch(other, make_items(other, 10))
    skip(other, make_member(other, "bob"), held(other, make_member(other, "bob"))[0])
    assert not other.jobs.exists()


def test_a_selection_that_is_under_way_goes_first() -> None:
    project, batch, ann = start()
    skip(project, ann, held(project, ann)[0])
    picking = Job.objects.create(
        project=project, kind=Job.Kind.SELECT, state=Job.State.RUNNING, worker="w:1:x", heartbeat_at=timezone.now()
    )
    Worker(run_step).run_next()
    assert figures(batch)[0] == 20
    job = Job.objects.get(kind=Job.Kind.REPLACE)
    assert job.state == Job.State.WAITING
    assert job.run_after > timezone.now()
    picking.delete()
    Job.objects.update(run_after=timezone.now())
    drain()
    assert figures(batch)[0] == 21


def run_unless_it_trains(step: Step) -> None:
    """Run due steps except trainings, which have no labels to learn from."""
    if step.job.kind != Job.Kind.TRAIN:
        run_step(step)
        return
    with step.finish():
        pass


@pytest.mark.long
def test_many_skip_while_the_worker_replaces() -> None:
    project, batch, _ = start(60, 60, control=10)
    people = [make_member(project, f"p{number}") for number in range(6)]
    over = threading.Event()

    def work(user: User) -> None:
        while tasks := held(project, user, 3):
            skip(project, user, tasks[0])
            answers = [Answer(id=uuid.uuid4(), task=task.pk, value=1) for task in tasks[1:]]
            submitting.submit(project=project, user=user, answers=answers)

    def replace() -> None:
        while not over.is_set():
            Worker(run_unless_it_trains).run_next()

    errors: list[BaseException] = []
    worker = elsewhere(replace, errors)
    at_once(*(partial(work, user) for user in people))
    over.set()
    worker.join()
    assert errors == []
    assert not Job.objects.filter(state=Job.State.FAILED).exists()
    size, remaining, _ = figures(batch)
    assert (batch.state, remaining) == (Batch.State.TRAINING, 0)
    assert size == batch.tasks.count()
    assert batch.tasks.filter(replaces__isnull=False).count() <= 12


def test_the_replacement_comes_from_the_same_cluster_by_the_nearest_margin() -> None:
    margins = np.array([0.1, 0.5, 0.12, 0.9, 0.3, 0.2, 0.0])
    clusters = np.array([0, 0, 0, 1, 1, 2, 2])
    pool = Pool(np.arange(1, 7), np.zeros(6, bool), np.linspace(0, 1, 6))
    taken = np.array([0, 3])

    def chosen(*rows: int, known: bool = True) -> list[int]:
        skipped = [(row, False) for row in rows]
        arrays = {"margins": margins, "clusters": clusters} if known else {"margins": margins, "clusters": None}
        return choose_rows(pool, skipped, taken=taken, has_control=False, **arrays)

    assert chosen(0, 0) == [2, 1]
    assert chosen(0, 0, 0) == [2, 1, 5], "then of the cluster that the batch has nothing of"
    assert chosen(0, known=False) == [2]
    assert len(chosen(*[0] * 9)) == 6, "as far as the pool suffices"


@pytest.mark.long
def test_in_the_loop_it_is_what_the_model_that_picked_the_batch_says_of_it(tmp_path: Path) -> None:
    project = digits_project(tmp_path, n=200, batch_size=40)
    ann = annotator(project)
    drain()
    answer_batch(project, ann)
    drain()
    batch = Batch.objects.get(number=2)
    skipped = next(task for task in held(project, ann) if not task.is_control)
    skip(project, ann, skipped)
    drain()
    new = batch.tasks.select_related("item").get(replaces=skipped)
    assert None not in (new.margin, new.predicted, new.confidence, new.cluster)
    assert not new.item.reserved
    skipped.refresh_from_db()
    in_cluster = Task.objects.filter(batch=batch, cluster=skipped.cluster).count()
    assert new.cluster == skipped.cluster or in_cluster == 1
    answer_batch(project, ann)
    assert Job.objects.filter(kind=Job.Kind.TRAIN, batch=batch).exists()
