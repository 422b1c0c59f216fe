"""Test near-copies: all kinds of tasks show them, and they get the label of annotators who saw them."""

import uuid
from typing import Any

import pytest
from factories import make_items, make_member, make_open_batch, make_project
from rest_framework.test import APIClient

from labeling.labels import corrections
from labeling.models import Batch, Copy, CopyAnswer, Item, Project, Task, User
from labeling.queue import queue, removing, submitting
from labeling.queue.answer import Answer

pytestmark = pytest.mark.django_db


def setup(n: int = 3, each: int = 3, **settings: Any) -> tuple[Project, Batch, User]:
    """Create a batch of `n` items with `each` trusted near-copies, of heights 0.1, 0.2 …."""
    project = make_project(near_copies=each, **settings)
    batch = make_open_batch(project, make_items(project, n), overlap=project.overlap)
    Batch.objects.update(copy_radius=1.0)
    copies = make_items(project, n * each, first=n)
    sources = list(Item.objects.filter(task__isnull=False).order_by("pk"))
    Copy.objects.bulk_create(
        Copy(of=sources[number // each], item=item, batch=batch, height=0.1 * (number % each + 1))
        for number, item in enumerate(copies)
    )
    return project, batch, make_member(project, "ann")


def client_of(user: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


def claim(user: User, count: int = 10) -> list[dict[str, Any]]:
    return client_of(user).post("/api/v1/projects/digits/claim/", {"count": count}, format="json").json()["tasks"]


def answer(user: User, task: dict[str, Any], value: Any = "3", **more: Any) -> dict[str, Any]:
    annotation = {"id": str(uuid.uuid4()), "task": task["id"], "value": value, **more}
    body = {"annotations": [annotation]}
    reply = client_of(user).post("/api/v1/projects/digits/annotations/", body, format="json").json()
    return {**annotation, **reply}


def ids(task: dict[str, Any]) -> list[int]:
    return [copy["id"] for copy in task["item"]["copies"]]


def propagated() -> dict[int, Any]:
    return dict(Copy.objects.propagated().values_list("item", "of__label"))


def test_copies_get_the_answer_but_for_those_that_are_taken_out() -> None:
    _, _, ann = setup()
    first, second, third = claim(ann)
    assert [len(ids(task)) for task in (first, second, third)] == [3, 3, 3]
    answer(ann, first, same=ids(first)[:2], different=ids(first)[2:])
    answer(ann, second)  # says nothing of copies: none is propagated
    answer(ann, third, same=[*ids(first)[2:], 10**30, -1])  # not its own copies
    assert propagated() == dict.fromkeys(ids(first)[:2], 3)
    assert CopyAnswer.objects.count() == 3


def test_a_label_is_the_sources_as_it_is_now() -> None:
    project, _, ann = setup(1)
    [task] = claim(ann)
    first = answer(ann, task, same=ids(task))
    assert set(propagated().values()) == {3}
    client_of(ann).delete(f"/api/v1/projects/digits/annotations/{first['id']}/")
    assert propagated() == {}, "who takes back an answer takes back its copies"
    answer(ann, task, value="4", same=ids(task))
    item = Item.objects.get(pk=task["item"]["id"])
    mona = make_member(project, "mona", "manager")
    corrections.correct(item=item, user=mona, value=5)
    assert set(propagated().values()) == {5}
    removing.remove_items(project=project, ids=[item.pk, ids(task)[0]], user=mona)
    assert propagated() == {}
    removing.restore_items(project=project, ids=[item.pk], user=mona)
    assert propagated() == dict.fromkeys(ids(task)[1:], 5), "one that was excluded itself has no label"


def test_of_two_people_both_must_leave_a_copy_in() -> None:
    project, _, ann = setup(1, overlap=2)
    bob = make_member(project, "bob")
    [task], [same] = claim(ann), claim(bob)
    answer(ann, task, same=ids(task))
    assert propagated() == {}, "the source has no label yet"
    answer(bob, same, same=ids(task)[1:], different=ids(task)[:1])
    assert set(propagated()) == set(ids(task)[1:])


def test_only_as_near_as_checks_allow_and_never_from_control_items() -> None:
    _, batch, ann = setup(2)
    first, second = claim(ann)
    for task in (first, second):
        answer(ann, task, same=ids(task))
    Item.objects.filter(pk=second["item"]["id"]).update(reserved=True)
    assert set(propagated()) == set(ids(first))
    Batch.objects.update(copy_radius=0.25)
    assert set(propagated()) == set(ids(first)[:2])
    Batch.objects.update(copy_radius=None)
    assert propagated() == {}
    assert batch.copies.confirmed().count() == 6


def test_copies_stay_out_of_the_pool_until_their_batch_is_done_and_are_known_to_be_others() -> None:
    project, batch, ann = setup(2)
    Batch.objects.update(copy_radius=0.25)  # of each item one copy is too far away
    for row, item in enumerate(Item.objects.order_by("pk")):
        Item.objects.filter(pk=item.pk).update(row=row)
    pool = project.items.unlabeled()
    assert not pool.exists(), "a batch that is under way shows them, trusted or not"
    first, second = claim(ann)
    answer(ann, first, same=ids(first)[:1], different=ids(first)[1:])
    assert not pool.exists()
    assert [len(ids(task)) for task in claim(ann)] == [3], "nothing else can take them from the screen"
    answer(ann, second)
    batch.refresh_from_db()
    assert batch.state == Batch.State.TRAINING
    assert pool.count() == 5, "all but the one that somebody left in: nobody has said anything of the second item's"
    assert not pool.filter(pk=ids(first)[0]).exists()


def test_a_task_shows_no_more_copies_than_it_may_and_the_project_allows() -> None:
    project, batch, ann = setup(4)
    for rank, number in enumerate([0, 1, 2, None]):
        batch.tasks.filter(rank=rank).update(copies_shown=number)
    tasks = claim(ann)
    assert [len(ids(task)) for task in tasks] == [0, 1, 2, 3]
    nearest = [list(Item.objects.get(pk=task["item"]["id"]).copies.order_by("height")) for task in tasks]
    assert [ids(task) for task in tasks] == [[each.item_id for each in near[:n]] for n, near in enumerate(nearest)]
    Project.objects.filter(pk=project.pk).update(near_copies=1)
    assert [len(ids(task)) for task in claim(ann)] == [0, 1, 1, 1]


def test_two_tasks_of_one_item_show_as_many_copies_as_each_of_them_may() -> None:
    project, _, ann = setup(2)
    item, other = Item.objects.filter(task__isnull=False).order_by("task__rank")
    Item.objects.filter(pk=item.pk).update(gold=1)
    Task.objects.filter(item=item).update(copies_shown=2)
    Task.objects.filter(item=other).update(item=None, repeats=item, is_gold=True, copies_shown=1)
    bob = make_member(project, "bob")
    [task] = claim(ann, 1)
    assert len(ids(task)) == 2
    [task] = claim(bob, 1)
    assert len(ids(task)) == 1


def test_a_check_waits_for_people_and_then_counts() -> None:
    project, _, ann = setup(1)
    [task] = claim(ann)
    check, other, _ = ids(task)
    Copy.objects.filter(item=check).update(is_check=True)
    assert not Copy.objects.due().exists()
    answer(ann, task, same=[check, other])
    assert set(propagated()) == {other}
    assert Copy.objects.due().get().item_id == check
    later = Batch.objects.create(project=project, number=2, state="open", size=1)
    Task.objects.create(batch=later, item_id=check, rank=0, free=1, outstanding=1)
    assert not Copy.objects.due().exists()
    assert not Copy.objects.checked().exists()
    Item.objects.filter(pk=check).update(label=4)
    assert Copy.objects.checked().get().item_id == check


def test_every_task_shows_the_copies_of_its_item_whatever_it_is_for() -> None:
    _, batch, ann = setup(3)
    control, again, gold = batch.tasks.order_by("rank")
    Task.objects.filter(pk=control.pk).update(is_control=True)
    for task, is_gold in ((again, False), (gold, True)):
        Task.objects.filter(pk=task.pk).update(repeats=task.item, item=None, is_gold=is_gold)
    Item.objects.filter(pk=gold.item_id).update(gold=1, label=1)
    tasks = claim(ann)
    assert {len(ids(task)) for task in tasks} == {3}
    assert len({tuple(sorted(task["item"])) for task in tasks}) == 1
    assert all(
        set(copy) == {"id", "external_id", "data", "media_url"} for task in tasks for copy in task["item"]["copies"]
    )


def test_a_skip_says_nothing_of_copies_and_a_project_without_shows_none() -> None:
    _, _, ann = setup(1)
    [task] = claim(ann)
    client_of(ann).post("/api/v1/projects/digits/skip/", {"task": task["id"], "reason": "blurred"}, format="json")
    assert not CopyAnswer.objects.exists()
    Project.objects.update(near_copies=0)
    make_open = make_open_batch(Project.objects.get(), make_items(Project.objects.get(), 1, first=90), number=2)
    assert make_open.size == 1
    assert "copies" not in claim(ann)[0]["item"]


@pytest.mark.parametrize("bad", ["7", [1.5], [True], {"1": 2}, list(range(101)), [None], 7])
def test_what_is_no_list_of_ids_is_refused_by_name(bad: Any) -> None:
    _, _, ann = setup(1)
    [task] = claim(ann)
    [refused] = answer(ann, task, same=bad)["rejected"]
    assert refused["code"] == "invalid"
    assert refused["detail"] == "same must be a list of at most 100 ids of items."
    assert claim(ann) == [task]


def test_two_tasks_of_one_item_in_one_request_are_both_heard() -> None:
    project, batch, ann = setup(1)
    [task] = batch.tasks.all()
    Task.objects.create(batch=batch, repeats=task.item, is_gold=True, rank=1, free=1, outstanding=1)
    Batch.objects.update(size=2, remaining=2, further=1)
    tasks = queue.claim(project=project, user=ann, count=5).tasks
    tasks += queue.claim(project=project, user=ann, count=5).tasks[len(tasks) :]
    copies = list(Copy.objects.values_list("item", flat=True))
    answers = [Answer(uuid.uuid4(), each.pk, 3, same=copies) for each in tasks]
    submitting.submit(project=project, user=ann, answers=answers)
    assert CopyAnswer.objects.count() == 3 * len(tasks)
    assert len(tasks) == 2


def test_an_answer_sent_twice_says_it_once() -> None:
    _, _, ann = setup(1)
    [task] = claim(ann)
    annotation = {"id": str(uuid.uuid4()), "task": task["id"], "value": "3", "same": ids(task)}
    for _ in range(2):
        reply = client_of(ann).post(
            "/api/v1/projects/digits/annotations/", {"annotations": [annotation]}, format="json"
        )
        assert reply.json()["accepted"] == [annotation["id"]]
    assert CopyAnswer.objects.count() == 3
    assert queue.claim(project=Project.objects.get(), user=ann, count=1).tasks == []
    assert Answer(id=uuid.uuid4(), task=1).same == ()


def test_a_check_shows_the_other_copies_of_its_source_and_an_answer_does_not_count_for_them() -> None:
    _, batch, ann = setup(1)
    check, *others = Item.objects.filter(as_copy__isnull=False).order_by("as_copy__height")
    Copy.objects.filter(item=check).update(is_check=True)
    Task.objects.create(batch=batch, item=check, rank=9, free=1, outstanding=1, asked=True)
    Batch.objects.update(size=2, remaining=2)
    tasks = {task["item"]["id"]: task for task in claim(ann)}
    assert ids(tasks[check.pk]) == [item.pk for item in others], "nearest first, without the source"
    answer(ann, tasks[check.pk], same=ids(tasks[check.pk]))
    assert not CopyAnswer.objects.exists()
