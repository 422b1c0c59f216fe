"""Test corrections: a standing one is the item's label, and no answer is lost."""

import uuid
from typing import Any

import pytest
from factories import make_items, make_member, make_open_batch, make_project

from labeling.insight.status import status_of
from labeling.labels import counting, item_labels
from labeling.labels.corrections import CorrectionError, correct, withdraw
from labeling.models import Annotation, Batch, Correction, Item, Project, Role, User
from labeling.outgoing.exports import Choice, count_rows
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer
from labeling.queue.closing import close_tasks
from tests.exports.labeled import answer

pytestmark = pytest.mark.django_db


def settled(*values: Any, n: int = 2, **settings: Any) -> tuple[Project, Item, User]:
    """Create a project whose first item has these answers by different annotators; return it with its manager."""
    project = make_project(overlap=len(values), **settings)
    batch = make_open_batch(project, make_items(project, n), overlap=len(values))
    for number, value in enumerate(values):
        answer(batch, make_member(project, f"annie-{number}"), [value])
    return project, project.items.order_by("pk")[0], make_member(project, "mona", Role.MANAGER)


def fresh(item: Item) -> tuple[Any, float | None, bool]:
    item.refresh_from_db()
    return item.label, item.agreement, item.labeled_at is not None


def test_a_correction_is_the_label_and_leaves_the_answers_as_they_were() -> None:
    _, item, mona = settled(3, 3, 5)
    assert fresh(item) == (3, pytest.approx(2 / 3), True)
    said = correct(item=item, user=mona, value=5, note="A curved top.")
    assert fresh(item) == (5, pytest.approx(1 / 3), True)
    assert item.labeled_at == said.created_at
    assert sorted(Annotation.objects.standing().values_list("value", flat=True)) == [3, 3, 5]


def test_an_item_that_everybody_skipped_can_be_given_a_label_and_lose_it_again() -> None:
    project, item, mona = settled("skip", "skip")
    assert (fresh(item), status_of(project)["items"]["skipped"]) == ((None, None, False), 1)
    correct(item=item, user=mona, value=4)
    assert fresh(item) == (4, None, True)
    items = status_of(project)["items"]
    assert (items["labeled"], items["skipped"]) == (1, 0) == (count_rows(project), 0)
    withdraw(item=item, user=mona)
    assert fresh(item) == (None, None, False)
    assert (count_rows(project), count_rows(project, Choice({"skipped": True}))) == (0, 1)
    assert Item.objects.labeled().count() == 0


def test_a_correction_takes_the_place_of_another_and_the_history_stays() -> None:
    _, item, mona = settled(3)
    max_ = make_member(item.project, "max", Role.MANAGER)
    correct(item=item, user=mona, value=5, note="first")
    correct(item=item, user=max_, value=6)
    assert fresh(item) == (6, 0.0, True)
    history = [(c.value, c.user, c.withdrawn_by) for c in item.corrections.order_by("pk")]
    assert history == [(5, mona, max_), (6, max_, None)]
    withdraw(item=item, user=mona)
    assert fresh(item) == (3, 1.0, True), "what the annotators said, not the correction before"
    assert not Correction.objects.standing().exists()


def test_the_present_label_can_be_confirmed_and_saying_it_twice_counts_once() -> None:
    _, item, mona = settled(3)
    assert correct(item=item, user=mona, value=3) == correct(item=item, user=mona, value=3)
    assert fresh(item) == (3, 1.0, True)
    assert Item.objects.corrected().get() == item
    assert item not in Item.objects.uncorrected()


@pytest.mark.parametrize(
    ("question", "answers", "corrected"),
    [("multi", [[1, 2], [1, 2], [2]], [2]), ("verify", [True, True, False], False)],
)
def test_every_kind_of_question(question: str, answers: list[Any], corrected: Any) -> None:
    _, item, mona = settled(*answers, question=question)
    label, agreement, _ = fresh(item)
    correct(item=item, user=mona, value=corrected)
    assert fresh(item) == (corrected, pytest.approx(1 / 3), True)
    withdraw(item=item, user=mona)
    assert fresh(item) == (label, agreement, True)


def test_an_item_that_people_are_still_answering_waits_for_them_and_others_have_nothing_to_correct() -> None:
    project, item, mona = settled(3, 5)
    label = fresh(item)
    for _ in range(2):
        with pytest.raises(CorrectionError, match="no correction to withdraw"):
            withdraw(item=item, user=mona)
        assert fresh(item) == label
    (new,) = make_items(project, 1, first=50)
    with pytest.raises(CorrectionError, match="This item has not been in a batch yet"):
        correct(item=new, user=mona, value=1)
    other = project.items.order_by("pk")[1]
    batch = project.batches.get()
    with pytest.raises(CorrectionError, match="still answering"):
        correct(item=other, user=mona, value=1)
    # A batch that ended early takes no more answers: what it has is all there will be, once its tasks are settled.
    Batch.objects.filter(pk=batch.pk).update(state=Batch.State.TRAINING)
    with pytest.raises(CorrectionError, match="still answering"):
        correct(item=other, user=mona, value=1)
    batch.tasks.update(free=0, outstanding=0)
    correct(item=other, user=mona, value=1)
    assert fresh(other) == (1, None, True)


@pytest.mark.parametrize("again", [5, None])
def test_an_undo_under_a_correction_leaves_the_label(again: int | None) -> None:
    """The annotator's request must not tell that a manager has corrected the item."""
    project, item, mona = settled(3)
    given = Annotation.objects.get()
    correct(item=item, user=mona, value=5)
    task = queue.undo(project=project, user=given.user, annotation_id=given.pk)
    assert fresh(item) == (5, 0.0, True)
    batch = project.batches.get()
    assert (batch.remaining, batch.labeled) == (2, 1)
    correct(item=item, user=mona, value=6)  # a manager can still change or withdraw it
    answer = Answer(uuid.uuid4(), task.pk, again, skip_reason="" if again else "unclear")
    assert submitting.submit(project=project, user=given.user, answers=[answer]).accepted
    assert fresh(item)[0] == 6
    assert counting.recount(project.batches.get()) == []
    withdraw(item=item, user=mona)
    assert fresh(item)[0] == again
    assert counting.recount(project.batches.get()) == []


def test_a_correction_withdrawn_while_its_task_is_open_leaves_no_label() -> None:
    project, item, mona = settled(3)
    given = Annotation.objects.get()
    correct(item=item, user=mona, value=5)
    queue.undo(project=project, user=given.user, annotation_id=given.pk)
    withdraw(item=item, user=mona)
    assert fresh(item)[0] is None
    with pytest.raises(CorrectionError, match="still answering"):
        correct(item=item, user=mona, value=5)
    assert counting.recount(project.batches.get()) == []


def test_a_batch_that_ends_early_keeps_a_correction_whose_answer_was_undone() -> None:
    project, item, mona = settled(3)
    given = Annotation.objects.get()
    correct(item=item, user=mona, value=5)
    queue.undo(project=project, user=given.user, annotation_id=given.pk)
    close_tasks(project.batches.get().tasks.all())
    assert [task.item for task in project.batches.get().tasks.all()] == [item]
    assert fresh(item)[0] == 5


def test_a_batch_that_ends_early_drops_a_task_whose_correction_was_withdrawn() -> None:
    project, item, mona = settled(3)
    given = Annotation.objects.get()
    correct(item=item, user=mona, value=5)
    queue.undo(project=project, user=given.user, annotation_id=given.pk)
    withdraw(item=item, user=mona)
    dropped, closed = close_tasks(project.batches.get().tasks.filter(item=item))
    assert ([task.item for task in dropped], closed) == ([item], [])


def test_answers_that_come_behind_a_correction_do_not_change_the_label_also_of_a_control_item() -> None:
    project, item, mona = settled(3)
    Item.objects.filter(pk=item.pk).update(reserved=True)
    correct(item=item, user=mona, value=5)
    task = item.task
    item_labels.resolve(task.batch.project, [task])
    assert fresh(item) == (5, 0.0, True)
    assert project.items.control().labeled().get().label == 5, "models are measured by it"
    assert not project.items.trainable().exists()
