"""Test that a split removes the labels of a class and asks its items again, and that other labels stay."""

import pytest
from factories import make_items, make_member, make_open_batch, make_project
from test_changes import CAT, DOG, answer, labels, offered, relabel

from labeling.labels import corrections, counting
from labeling.models import Annotation, Batch, Correction, Item, Job, Project, Task
from labeling.outgoing.exports.rows import pages
from labeling.projects.classes import changing as classes
from labeling.queue import queue
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return make_project("pets", classes=["cat", "dog", "fox", "hen"], batch_size=4, control_share=0.0)


def fresh(project: Project) -> Project:
    return Project.objects.get(pk=project.pk)


def select_next(project: Project) -> Batch:
    """Select and open the next batch, as after a training."""
    Batch.objects.filter(project=project).update(state=Batch.State.DONE)
    Project.objects.filter(pk=project.pk).update(encoded_rows=project.items.count())
    batch = Batch.objects.create(project=project, number=project.batches.count() + 1)
    Job.objects.all().delete()
    Job.objects.enqueue(Job.Kind.SELECT, project=project, batch=batch)
    worker = Worker(run_step)
    while Job.objects.waiting().filter(kind=Job.Kind.SELECT).exists():
        assert worker.run_next()
    return Batch.objects.get(pk=batch.pk)


def test_items_of_a_split_class_come_back_as_tasks_and_get_the_new_label(project: Project) -> None:
    items = make_items(project, 4)
    first = make_open_batch(project, items)
    answer(project, [CAT, DOG, CAT, DOG])
    parts = classes.split(project=project, user=None, index=CAT, into=["kitten", "hen"])
    assert [part.name for part in parts] == ["kitten", "hen"]
    assert offered(fresh(project)) == ["dog", "fox", "hen", "kitten"]
    relabel()
    assert labels(project) == [None, DOG, None, DOG]
    assert Batch.objects.get(pk=first.pk).labeled == 2
    assert [item.pk for item in project.items.to_be_asked_again()] == [items[0].pk, items[2].pk]

    batch = select_next(fresh(project))
    assert (batch.size, batch.further, batch.remaining) == (2, 2, 2)  # the pool is empty
    kitten = parts[0].index
    answer(project, [kitten, kitten], "bob")
    assert labels(project) == [kitten, DOG, kitten, DOG]
    assert Annotation.objects.filter(value=CAT).count() == 2  # what was answered stays
    assert [counting.recount(each) for each in project.batches.all()] == [[], []]
    assert project.items.to_be_asked_again().count() == 0


def test_a_split_is_undone_with_the_labels_and_the_words_of_managers(project: Project) -> None:
    items = make_items(project, 3)
    make_open_batch(project, items)
    answer(project, [CAT, DOG, DOG])
    manager = make_member(project, "mona", role="manager")
    corrections.correct(item=items[1], user=manager, value=CAT)
    classes.split(project=project, user=manager, index=CAT, into=["kitten", "tomcat"])
    relabel()
    assert labels(project) == [None, None, DOG]
    change = classes.undoable(fresh(project))
    assert change is not None
    classes.undo(project=project, user=manager, revision=change.revision)
    relabel()
    assert labels(project) == [CAT, CAT, DOG]
    assert Correction.objects.standing().count() == 1
    assert project.items.filter(again_at__isnull=False).count() == 0
    assert project.batches.get().labeled == 3
    assert "cat" in offered(fresh(project))


def test_after_a_split_people_are_asked_again_and_both_answers_are_exported(project: Project) -> None:
    make_open_batch(project, make_items(project, 2))
    answer(project, [CAT, DOG])
    parts = classes.split(project=project, user=None, index=CAT, into=["kitten", "tomcat"])
    relabel()
    select_next(fresh(project))
    assert classes.undoable(fresh(project)) is None
    answer(project, [parts[0].index], "bob")
    [page] = pages(fresh(project))
    assert [(row["label"], [each["value"] for each in row["annotations"]]) for row in page] == [
        ("kitten", ["cat", "kitten"]),
        ("dog", ["dog"]),
    ]


def test_a_page_that_still_offers_the_class_leaves_no_label_of_it(project: Project) -> None:
    items = make_items(project, 2)
    make_open_batch(project, items)
    answer(project, [DOG])
    classes.split(project=project, user=None, index=CAT, into=["kitten", "tomcat"])
    answer(project, [CAT])  # it was on the screen already
    assert labels(project) == [DOG, None]
    assert [item.pk for item in project.items.asked_again()] == [items[1].pk]


def test_taking_back_the_new_answer_asks_again_and_the_old_answer_decides_nothing(project: Project) -> None:
    make_open_batch(project, make_items(project, 2))
    answer(project, [CAT, DOG])
    parts = classes.split(project=project, user=None, index=CAT, into=["kitten", "tomcat"])
    relabel()
    select_next(fresh(project))
    [more] = make_items(project, 1, first=2)
    Task.objects.create(batch=project.batches.get(number=2), item=more, rank=9, free=1, outstanding=1)
    Batch.objects.filter(number=2).update(size=2, remaining=2)
    answer(project, [parts[0].index], "bob")
    bob = make_member(project, "bob")
    given = Annotation.objects.get(user=bob)
    task = queue.undo(project=fresh(project), user=bob, annotation_id=given.pk)
    assert task.shown == Item.objects.get(row=0)
    assert labels(project)[:2] == [None, DOG]
    assert [each.labeled for each in project.batches.order_by("number")] == [1, 0]


def test_what_cannot_be_split_changes_nothing(project: Project) -> None:
    for index, into, problem in (
        (CAT, ["kitten"], "Enter 2 to 20 classes"),
        (CAT, ["cat", "kitten"], "cannot be split into itself"),
        (99, ["a", "b"], "does not have this class"),
    ):
        with pytest.raises(classes.ClassError, match=problem):
            classes.split(project=project, user=None, index=index, into=into)
        assert fresh(project).class_revision == 0


def test_a_verify_project_asks_about_one_class_and_splits_none() -> None:
    project = make_project("yes-no", question="verify", classes=["cat", "dog"])
    with pytest.raises(classes.ClassError, match="would not hold for another class"):
        classes.split(project=project, user=None, index=0, into=["a", "b"])
