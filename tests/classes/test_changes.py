"""Test the effects of each change of classes on classes, answers and labels, and of its undo."""

import uuid
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import connection
from factories import make_items, make_member, make_open_batch, make_project

from labeling.labels import corrections
from labeling.models import Annotation, ClassChange, Item, Job, LabelClass, ModelVersion, Project, Role
from labeling.projects.classes import changing as classes
from labeling.projects.duplicating import duplicate
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker

pytestmark = pytest.mark.django_db
CAT, DOG, FOX, HEN = range(4)
class_keys = import_module("labeling.migrations.0004_class_keys")


@pytest.fixture
def project() -> Project:
    return make_project("pets", classes=["cat", "dog", "fox", "hen"])


def offered(project: Project) -> list[str]:
    return list(project.classes.offered().values_list("name", flat=True))


def relabel() -> None:
    """Run the step that updates labels after a change of classes."""
    Job.objects.filter(kind=Job.Kind.RELABEL).update(run_after="2000-01-01T00:00Z")
    worker = Worker(run_step)
    while Job.objects.waiting().filter(kind=Job.Kind.RELABEL).exists():
        assert worker.run_next()


def answer(project: Project, values: list[Any], name: str = "ann") -> list[Item]:
    """Answer the next items of the open batch; return them in that order."""
    user = make_member(project, name)
    tasks = queue.claim(project=Project.objects.get(pk=project.pk), user=user, count=len(values)).tasks
    answers = [Answer(id=uuid.uuid4(), task=task.pk, value=value) for task, value in zip(tasks, values, strict=True)]
    outcome = submitting.submit(project=Project.objects.get(pk=project.pk), user=user, answers=answers)
    assert not outcome.rejected
    return [task.item for task in tasks]


def labels(project: Project) -> list[Any]:
    return list(project.items.order_by("row").values_list("label", flat=True))


def test_a_class_is_added_behind_the_others_and_can_be_answered_at_once(project: Project) -> None:
    make_open_batch(project, make_items(project, 1))
    added = classes.add(project=project, user=None, name=" owl ", description="Big eyes.", aliases=["strix", "strix"])
    assert (added.index, added.name, added.aliases) == (4, "owl", ["strix"])
    assert offered(project) == ["cat", "dog", "fox", "hen", "owl"]
    answer(project, [4])
    assert labels(project) == [4]
    assert Annotation.objects.get().class_revision == 1
    with pytest.raises(classes.ClassError, match="has already been used in answers"):
        classes.undo(project=project, user=None, revision=1)
    assert "owl" in offered(project)


def test_a_name_an_order_and_an_archive_change_no_label(project: Project) -> None:
    make_open_batch(project, make_items(project, 2))
    answer(project, [DOG, HEN])
    classes.edit(project=project, user=None, index=DOG, name="hound")
    assert offered(project) == ["cat", "hound", "fox", "hen"]
    classes.move(project=project, user=None, index=HEN, position=0)
    assert offered(project) == ["hen", "cat", "hound", "fox"]
    classes.move(project=project, user=None, index=HEN, position=99)
    assert offered(project) == ["cat", "hound", "fox", "hen"]
    classes.archive(project=project, user=None, index=HEN)
    assert offered(project) == ["cat", "hound", "fox"]
    classes.restore(project=project, user=None, index=HEN)
    assert offered(project) == ["cat", "hound", "fox", "hen"]
    assert labels(project) == [DOG, HEN]


def test_labels_follow_a_merge_and_answers_stay(project: Project) -> None:
    make_open_batch(project, make_items(project, 5))
    items = answer(project, [CAT, DOG, FOX, DOG, HEN])
    corrections.correct(item=items[4], user=make_member(project, "mona", Role.MANAGER), value=DOG)
    classes.merge(project=project, user=None, index=DOG, into=FOX)
    relabel()
    assert labels(project) == [CAT, FOX, FOX, FOX, FOX]
    assert list(Annotation.objects.order_by("task__rank").values_list("value", flat=True)) == [CAT, DOG, FOX, DOG, HEN]
    assert offered(project) == ["cat", "fox", "hen"]
    classes.merge(project=project, user=None, index=FOX, into=CAT)
    relabel()
    assert labels(project) == [CAT] * 5
    assert Project.objects.get().merges == {DOG: CAT, FOX: CAT}, "one step leads to the class that holds now"


def test_a_merge_that_is_undone_brings_every_label_back(project: Project) -> None:
    make_open_batch(project, make_items(project, 4), overlap=1)
    answer(project, [CAT, DOG, FOX, DOG])
    before = labels(project)
    classes.merge(project=project, user=None, index=DOG, into=FOX)
    relabel()
    assert labels(project) != before
    classes.undo(project=project, user=None, revision=1)
    relabel()
    assert labels(project) == before
    assert offered(project) == ["cat", "dog", "fox", "hen"]
    assert Project.objects.get().merged == {}


def test_answers_that_were_split_agree_after_a_merge(project: Project) -> None:
    make_open_batch(project, make_items(project, 1), overlap=3)
    for name, value in (("ann", CAT), ("bob", DOG), ("cyd", FOX)):
        answer(project, [value], name)
    assert Item.objects.get().agreement == pytest.approx(1 / 3)
    classes.merge(project=project, user=None, index=FOX, into=DOG)
    relabel()
    item = Item.objects.get()
    assert (item.label, item.agreement) == (DOG, pytest.approx(2 / 3))


def test_an_answer_from_a_page_that_knows_the_old_classes_counts_for_the_new_one(project: Project) -> None:
    make_open_batch(project, make_items(project, 2))
    classes.merge(project=project, user=None, index=DOG, into=FOX)
    answer(project, [DOG, CAT])
    assert labels(project) == [FOX, CAT]
    assert Annotation.objects.get(task__rank=0).value == DOG


def test_classes_of_several_follow_too() -> None:
    project = make_project("pets", classes=["cat", "dog", "fox"], question="multi")
    make_open_batch(project, make_items(project, 4))
    answer(project, [[CAT, DOG], [DOG], [DOG, FOX], []])
    classes.merge(project=project, user=None, index=DOG, into=FOX)
    relabel()
    assert labels(project) == [[CAT, FOX], [FOX], [FOX], []]


def test_each_change_is_on_record_and_undone_newest_first(project: Project) -> None:
    mona = make_member(project, "mona", Role.MANAGER)
    classes.add(project=project, user=mona, name="owl")
    classes.edit(project=project, user=mona, index=CAT, name="tom", key="7", colour="#aa00ff")
    classes.move(project=project, user=mona, index=HEN, position=0)
    classes.archive(project=project, user=mona, index=DOG)
    assert [change.text for change in ClassChange.objects.all()] == [
        "Added “owl”",
        "Renamed “cat” to “tom”",
        "Moved “hen” to place 1",
        "Archived “dog”",
    ]
    with pytest.raises(classes.ClassError, match="can no longer be undone"):
        classes.undo(project=project, user=mona, revision=2)
    for revision in (4, 3, 2, 1):
        classes.undo(project=project, user=mona, revision=revision)
    assert list(project.classes.offered().values_list("name", "key", "colour", "index")) == [
        (name, str(index + 1), "", index) for index, name in enumerate(["cat", "dog", "fox", "hen"])
    ]
    assert classes.undoable(project) is None


def test_nothing_is_undone_once_a_model_has_learned_it(project: Project) -> None:
    batch = make_open_batch(project, make_items(project, 1))
    classes.add(project=project, user=None, name="owl")
    ModelVersion.objects.create(project=project, number=1, batch=batch, labels=1, seed=1, seconds=1)
    assert classes.undoable(project) is None
    with pytest.raises(classes.ClassError):
        classes.undo(project=project, user=None, revision=1)


def test_what_cannot_be_is_refused_with_its_field(project: Project) -> None:
    wrong: dict[str, list[Any]] = {
        "name": [" ", "dog", "x" * 201, "a\u200bb"],
        "key": ["x", "12"],
        "colour": ["red", "#12345g"],
        "aliases": ["word", ["a"] * 5 + [str(n) for n in range(30)]],
    }
    for field, values in wrong.items():
        for value in values:
            with pytest.raises(ValidationError) as caught:
                classes.edit(project=project, user=None, index=CAT, **{field: value})
            assert list(caught.value.message_dict) == [field], value
    assert offered(project) == ["cat", "dog", "fox", "hen"]
    assert not ClassChange.objects.exists()


def test_keys_are_given_once_and_classes_form_no_circle(project: Project) -> None:
    classes.edit(project=project, user=None, index=CAT, key="7")
    with pytest.raises(ValidationError, match="already has this key"):
        classes.edit(project=project, user=None, index=DOG, key="7")
    cat, dog = LabelClass.objects.get(index=CAT), LabelClass.objects.get(index=DOG)
    classes.edit(project=project, user=None, index=DOG, parent=cat)
    with pytest.raises(ValidationError, match="its own parent"):
        classes.edit(project=project, user=None, index=CAT, parent=dog)


def keys(project: Project) -> dict[str, str]:
    return dict(project.classes.offered().values_list("name", "key"))


def test_a_class_keeps_its_key_whatever_happens_to_the_others(project: Project) -> None:
    assert keys(project) == {"cat": "1", "dog": "2", "fox": "3", "hen": "4"}
    classes.merge(project=project, user=None, index=CAT, into=HEN)
    classes.move(project=project, user=None, index=HEN, position=0)
    classes.split(project=project, user=None, index=DOG, into=["hound", "wolf"])
    assert keys(project) == {"hen": "4", "fox": "3", "hound": "1", "wolf": "5"}, "the lowest that were free"
    classes.edit(project=project, user=None, index=FOX, key="")
    classes.add(project=project, user=None, name="9")
    classes.add(project=project, user=None, name="owl")
    assert keys(project) == {"hen": "4", "fox": "", "hound": "1", "wolf": "5", "9": "9", "owl": "2"}


def test_a_restored_class_has_its_key_unless_another_class_has_it_now(project: Project) -> None:
    classes.archive(project=project, user=None, index=CAT)
    classes.restore(project=project, user=None, index=CAT)
    assert keys(project)["cat"] == "1"
    classes.archive(project=project, user=None, index=CAT)
    classes.add(project=project, user=None, name="owl")
    classes.restore(project=project, user=None, index=CAT)
    assert (keys(project)["owl"], keys(project)["cat"]) == ("1", "5")
    classes.undo(project=project, user=None, revision=project.class_changes.count())
    assert LabelClass.objects.get(index=CAT).key == "1"


def test_an_eleventh_class_has_no_key_and_two_classes_are_left() -> None:
    project = make_project("birds", classes=[f"bird {number}" for number in range(11)])
    classes.add(project=project, user=None, name="owl")
    assert "".join(keys(project).values()) == "1234567890"
    classes.archive(project=project, user=None, index=3)
    assert "4" not in keys(project).values(), "no class gets a key that it did not have"
    project = make_project("pets", classes=["cat", "dog"])
    with pytest.raises(classes.ClassError, match="at least 2 classes"):
        classes.merge(project=project, user=None, index=0, into=1)


def test_a_copy_has_the_keys_of_the_original(project: Project) -> None:
    for index, key in ((CAT, "9"), (DOG, "1"), (FOX, "2")):
        classes.edit(project=project, user=None, index=index, key=key)
    user = make_member(project, "mona", Role.MANAGER)
    for number, items in enumerate((False, True)):
        copy = duplicate(project=project, user=user, slug=f"copy-{number}", name="Copy", items=items)
        assert keys(copy) == keys(project)


def test_an_upgrade_gives_classes_the_keys_that_they_had_by_their_place(project: Project) -> None:
    digits = make_project("digits", classes=["0", "1", "2"])
    birds = make_project("birds", classes=[f"bird {number}" for number in range(30)])
    LabelClass.objects.update(key="")
    classes.edit(project=project, user=None, index=DOG, key="1")
    classes.edit(project=project, user=None, index=HEN, key="")
    classes.archive(project=project, user=None, index=FOX)
    class_keys.keep_present_keys(apps, connection.schema_editor())
    assert keys(project) == {"cat": "2", "dog": "1", "hen": "3"}
    assert keys(digits) == {"0": "0", "1": "1", "2": "2"}
    assert "".join(keys(birds).values()) == "1234567890"
    rows = [(1, "cat", "7"), (2, "dog", "7"), (3, "fox", "")]
    assert [key for *_, key in class_keys.present_keys(rows)] == ["7", "1", "2"], "a key that two classes had"


@pytest.mark.parametrize(("question", "names"), [("verify", ["cat", "dog", "fox"]), ("score", ["1", "2", "3"])])
def test_classes_that_mean_something_elsewhere_are_not_merged(question: str, names: list[str]) -> None:
    project = make_project("pets", classes=names, question=question)
    with pytest.raises(classes.ClassError, match="cannot be changed"):
        classes.merge(project=project, user=None, index=0, into=1)
    with pytest.raises(classes.ClassError, match="cannot be changed"):
        classes.archive(project=project, user=None, index=0)
