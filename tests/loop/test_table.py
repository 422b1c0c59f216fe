"""The loop's table, pair by pair, on the database: an event changes the state and enqueues jobs, or it is refused."""

from itertools import product
from pathlib import Path

import pytest
from factories import make_items, make_open_batch, make_project, make_webhook
from pages import make_version

from labeling.loop import batches
from labeling.loop.batches import BatchError, advance
from labeling.loop.table import TRANSITIONS, BatchEvent, Enqueue, Fact, Follow, Guard, State, Transition
from labeling.models import Batch, Event, Job, ModelVersion, Project
from labeling.models.projects import GIVEN
from scripts.reference import written
from tests.extent import some

pytestmark = pytest.mark.django_db

LOOP = Path(__file__).parents[2] / "docs/explanation/loop.md"


def project_with(*, trains: bool, versions: int) -> Project:
    """Return a project without items: no batch follows another."""
    project = make_project(model={} if trains else {"name": GIVEN})
    make_webhook(project, events=0)  # without one, no event is stored
    for number in range(1, versions + 1):
        make_version(Batch.objects.create(project=project, number=number, state=Batch.State.DONE), number)
    return project


def batch_in(project: Project, state: State, size: int) -> Batch:
    """Return a batch in this state; one without a row for `NONE`."""
    number = project.batches.count() + 1
    if state == State.NONE:
        return Batch(project=project, number=number)
    return Batch.objects.create(project=project, number=number, size=size, reason="", **state.columns)


def expected(before: State, event: BatchEvent, size: int) -> Transition | None:
    guard = {0: Guard.IS_EMPTY, 3: Guard.HAS_TASKS}[size]
    moves = [
        each for each in TRANSITIONS if (each.before, each.event) == (before, event) and each.guard in (None, guard)
    ]
    assert len(moves) < 2, "the table has two answers"
    return moves[0] if moves else None


# A job depends on one fact: two cases have each fact true and false.
@pytest.mark.parametrize(("trains", "versions"), some([(True, 0), (False, 2), (True, 2), (False, 0)], 2))
def test_every_event_in_every_state(trains: bool, versions: int, monkeypatch: pytest.MonkeyPatch) -> None:
    followed: list[Follow] = []
    # What they do to the project's other batches has tests of its own.
    monkeypatch.setattr(batches, "FOLLOWS", {each: lambda _, each=each: followed.append(each) for each in Follow})
    project = project_with(trains=trains, versions=versions)
    holds = {
        None: True,
        Fact.TRAINS: trains,
        Fact.HAS_VERSION: versions > 0,
        Fact.IS_OUTRUN: versions > 0,  # the batch's selection knew no version
        Fact.CALIBRATES: False,
    }
    for before, event, size in product(State, BatchEvent, (0, 3)):
        move = expected(before, event, size)
        if move is None and (size > 0) == trains:
            continue  # each refusal with one of the two sizes
        batch, pair = batch_in(project, before, size), f"{before}, {event}, size {size}"
        announced = Event.objects.count()
        if move is None:
            with pytest.raises(BatchError):
                advance(batch, event)
            assert Event.objects.count() == announced
            if before == State.NONE:
                assert batch.pk is None, pair
                continue
            batch.refresh_from_db()
            assert {"state": batch.state, "failed_in": batch.failed_in} == before.columns, pair
            assert not project.jobs.exists(), pair
            assert not followed, pair
        else:
            advance(batch, event)
            jobs = [each for each in move.then if isinstance(each, Enqueue)]
            kinds = [each.kind if holds[each.fact] else each.otherwise for each in jobs]
            of_project = [each.kind for each in jobs if each.of_project]
            assert sorted(project.jobs.values_list("kind", flat=True)) == sorted(filter(None, kinds)), pair
            assert followed == [each for each in move.then if isinstance(each, Follow)], pair
            assert not batch.jobs.filter(kind__in=of_project).exists(), pair
            assert Event.objects.filter(type=move.announces).count() == int(move.announces is not None), pair
            if move.after == State.NONE:
                assert not Batch.objects.filter(number=batch.number).exists(), pair
            else:
                batch.refresh_from_db()
                assert {"state": batch.state, "failed_in": batch.failed_in} == move.after.columns, pair
                assert all(getattr(batch, name) is not None for name in move.stamps), pair
        followed.clear()
        project.jobs.all().delete()
        Event.objects.all().delete()
        project.batches.filter(number=batch.number).delete()


def test_each_fact_and_each_consequence_is_bound_to_a_function() -> None:
    assert set(batches.FACTS) == set(Fact)
    assert set(batches.FOLLOWS) == set(Follow)
    assert {each.event for each in TRANSITIONS} == set(BatchEvent)
    assert {each.before for each in TRANSITIONS} == set(State) - {State.DONE}


def test_the_calibration_of_the_batchs_own_version_follows_its_training() -> None:
    project = make_project()
    batch = batch_in(project, State.TRAINING, 3)
    make_version(batch, 1, calibrating=ModelVersion.Calibrating.WAITING)
    advance(batch, BatchEvent.TRAINED)
    assert batch.jobs.filter(kind=Job.Kind.CALIBRATE).exists()


def test_a_retry_takes_the_jobs_of_the_earlier_attempt_away() -> None:
    project = make_project()
    batch = batch_in(project, State.SELECTION_FAILED, 3)
    earlier = Job.objects.enqueue(Job.Kind.SELECT, project=project, batch=batch)
    advance(batch, BatchEvent.RETRIED)
    assert batch.jobs.get().pk != earlier.pk


def test_the_last_answer_opens_the_ready_batch_and_has_another_one_picked() -> None:
    project = make_project(pick_ahead=0.9)
    items = make_items(project, 30)
    one, two = make_open_batch(project, items[:3]), make_open_batch(project, items[3:4], number=2)
    Batch.objects.filter(pk=one.pk).update(remaining=0)
    Batch.objects.filter(pk=two.pk).update(state=Batch.State.READY)
    advance(one, BatchEvent.ANSWERED)
    assert list(project.batches.order_by("number").values_list("state", flat=True)) == ["training", "open"]
    Batch.objects.filter(pk=two.pk).update(remaining=0)
    advance(two, BatchEvent.ANSWERED)
    assert [each.state for each in project.batches.order_by("number")] == ["training", "training", "selecting"]


def test_the_page_of_the_loop_shows_the_table() -> None:
    text = LOOP.read_text(encoding="utf-8")
    assert written(text) == text, "run scripts/reference.py"
