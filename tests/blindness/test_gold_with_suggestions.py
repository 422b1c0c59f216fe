"""Test that an imported suggestion on the screen tells nothing about whether a task is gold."""

import uuid
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from django.db.models import Q
from draining import drain
from factories import make_member, make_project
from predicting.handed import given_project, hand_in, lines, predictions, put_in, vectors
from taken_in import take_in

from labeling.models import ItemImport, Project, Task, User
from labeling.models.tasks import TaskQuerySet
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer
from tests.extent import some

CLASSES = ["cat", "dog", "owl"]
BATCH = 40


def started(folder: Path, pool: Collection[int], gold: Collection[int], **settings: Any) -> Project:
    """Create a project of 90 items and of 60 gold items, and its first batch. `pool`, `gold`: the numbers of the items
    with a suggestion.
    """
    project = make_project(classes=CLASSES, batch_size=BATCH, control_share=0.25, gold_share=0.5, **settings)
    add(folder, project, "pool", 90, pool)
    add(folder, project, "gold", 60, gold)
    drain()
    project.refresh_from_db()
    return project


def add(folder: Path, project: Project, name: str, n: int, suggested: Collection[int]) -> ItemImport:
    """Import `n` items, gold ones if `name` is "gold"."""
    rows: list[dict[str, Any]] = [{"id": f"{name}{i}", "text": f"{CLASSES[i % 3]} {name} {i}"} for i in range(n)]
    for i, row in enumerate(rows):
        row |= {"gold": CLASSES[i % 3]} if name == "gold" else {"truth": CLASSES[i % 3]}
        row |= {"suggestion": "dog"} if i in suggested else {}
    path = folder / f"{name}.jsonl"
    path.write_bytes(lines(rows))
    return take_in(project, path)


def of_batch(project: Project, *, is_gold: bool) -> TaskQuerySet:
    return Task.objects.filter(batch__project=project, is_gold=is_gold)


def with_suggestion(tasks: TaskQuerySet) -> int:
    return tasks.filter(Q(item__suggestion__isnull=False) | Q(repeats__suggestion__isnull=False)).count()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("pool", "gold"), some([(range(45), ()), (range(45), range(60)), ((), range(60)), (range(90), ())], 2)
)
def test_no_gold_is_asked_that_suggestions_would_tell(
    pool: Collection[int], gold: Collection[int], tmp_path: Path
) -> None:
    project = started(tmp_path, pool, gold)
    assert of_batch(project, is_gold=False).count() == BATCH
    assert not of_batch(project, is_gold=True).exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("pool", "gold", "n"), some([(range(60), range(30), 20), (range(60), range(6), 9), ((), (), 20)], 2)
)
def test_gold_tasks_have_a_suggestion_as_often_as_others(
    pool: Collection[int], gold: Collection[int], n: int, tmp_path: Path
) -> None:
    project = started(tmp_path, pool, gold)
    share = with_suggestion(of_batch(project, is_gold=False)) / BATCH
    tasks = of_batch(project, is_gold=True)
    assert tasks.count() == pytest.approx(n, abs=3)
    assert with_suggestion(tasks) == pytest.approx(share * tasks.count(), abs=1)


@pytest.mark.django_db(transaction=True)
def test_gold_is_asked_as_before_where_annotators_see_no_suggestions(tmp_path: Path) -> None:
    project = started(tmp_path, range(45), (), show_suggestions=False)
    assert of_batch(project, is_gold=True).count() == BATCH // 2


@pytest.mark.django_db(transaction=True)
def test_the_replacement_of_a_skipped_gold_task_may_have_a_suggestion_or_not(tmp_path: Path) -> None:
    project = started(tmp_path, range(45), range(30), replace_skips=True, kept_ready=60)
    assert replaced_gold(project) == {True}
    project.items.filter(gold__isnull=False, suggestion__isnull=False).update(suggestion=None)
    assert replaced_gold(project) == {False}, "all gold items left have none, so another item is asked"


def replaced_gold(project: Project) -> set[bool]:
    """Skip the gold tasks that a new annotator is given, and return whether their replacements are gold."""
    ann = make_member(project, f"ann{project.memberships.count()}")
    held = queue.claim(project=project, user=ann, count=BATCH).tasks
    skipped = [task for task in held if task.is_gold]
    assert skipped, (len(held), of_batch(project, is_gold=True).count())
    answers = [Answer(id=uuid.uuid4(), task=task.pk, skip_reason="unclear") for task in skipped]
    assert not submitting.submit(project=project, user=ann, answers=answers).rejected
    queue.release(project=project, user=ann)
    drain()
    replacements = Task.objects.filter(replaces__in=[task.pk for task in skipped])
    assert replacements.count() == len(skipped)
    return set(replacements.values_list("is_gold", flat=True))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("suggesting", "selection"), [(True, 1), (False, 2)])
def test_a_batch_is_not_picked_again_where_suggestions_would_tell_its_gold(suggesting: bool, selection: int) -> None:
    gold = [{"gold" if name == "truth" else name: each[name] for name in each} for each in vectors(20, first=500)]
    project = given_project(rows=[*vectors(50), *gold], batch_size=40, gold_share=0.3, strategy="margin")
    assert of_batch(project, is_gold=True).count() == 12
    newer = [{**each, "suggestion": "left"} if suggesting else each for each in vectors(300, first=1000)]
    put_in(project, User.objects.get(username="mona"), newer)
    hand_in(project, predictions(project))
    assert project.batches.get().selection == selection
    assert of_batch(project, is_gold=True).count() == 12


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("pool", "gold", "notice"),
    [
        (range(45), (), "No gold item has a suggestion, but 45 of the 90 items to label have one: gold is not asked"),
        ((7,), range(60), "Each gold item has a suggestion, but only 1 of the 90 items to label has one: gold is not"),
        (range(45), (7,), ""),
        ((), (), ""),
        (range(90), range(60), ""),
    ],
)
def test_an_import_says_why_gold_is_not_asked(
    pool: Collection[int], gold: Collection[int], notice: str, tmp_path: Path
) -> None:
    project = make_project(classes=CLASSES)
    assert not add(tmp_path, project, "pool", 90, pool).reason
    reason = add(tmp_path, project, "gold", 60, gold).reason
    assert reason.startswith(notice) if notice else not reason
    Project.objects.update(show_suggestions=False)
    assert not add(tmp_path, project, "more", 1, ()).reason
