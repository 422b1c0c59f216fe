"""Test that items are removed from the pool and restored while people label."""

import datetime
import uuid
from typing import Any

import pytest
from django.utils import timezone
from factories import make_answerable, make_items, make_member, make_open_batch, make_project
from mixture import mixture, numbers

from labeling.insight.attention import attention_of
from labeling.insight.balance import balance_of
from labeling.insight.pool_counts import PoolCounts, count_pool
from labeling.insight.status import items_of
from labeling.labels.items import search
from labeling.labels.items.item_filters import matching, read_filter
from labeling.labels.items.records import record_of, state_of
from labeling.labels.items.words import read_search
from labeling.models import Annotation, Batch, Item, Job, ModelVersion, Project, Removal, Role, Task, User
from labeling.outgoing.exports import count_rows
from labeling.outgoing.exports.choice import Choice
from labeling.projects.erasing_items import erase_items
from labeling.queue import queue, removing, submitting
from labeling.queue.answer import Answer
from labeling.queue.changing import ACTIONS, Change, Effect
from labeling.storage import media

pytestmark = pytest.mark.django_db


def ids_of(project: Project, *places: int) -> list[int]:
    ids = list(project.items.order_by("pk").values_list("pk", flat=True))
    return [ids[place] for place in places]


def mona(project: Project) -> User:
    return make_member(project, "mona", Role.MANAGER)


def exclude(project: Project, *places: int, **more: Any) -> int:
    return removing.remove_items(project=project, ids=ids_of(project, *places), user=mona(project), **more)


def answer(project: Project, user: User, task: Task, value: int = 1) -> Any:
    make_answerable([task], user)
    return submitting.submit(project=project, user=user, answers=[Answer(uuid.uuid4(), task.pk, value=value)])


def test_an_excluded_item_leaves_pool_training_measuring_and_exports() -> None:
    project = mixture()
    before, labels = count_pool(project), balance_of(project)
    assert exclude(project, 0, 1, 9, reason="Two owls.") == 3
    assert numbers(project, project.items.unlabeled().order_by("pk").values_list("pk", flat=True)) == [10]
    assert numbers(project, project.items.trainable().order_by("pk").values_list("pk", flat=True)) == [3, 4, 5]
    assert not project.items.measuring().exists()
    assert count_pool(project) == PoolCounts(before.unlabeled - 1, before.reserved)
    assert items_of(project)["unlabeled"] == project.items.unlabeled().count()
    assert items_of(project)["excluded"] == 3
    assert count_rows(project) == 3
    assert count_rows(project, Choice({"excluded": True})) == 5
    assert balance_of(project).labeled == labels.labeled - 2
    assert {each.name: each.labels for each in balance_of(project).classes} == {"class 5": 2, "class 7": 1}
    assert Annotation.objects.filter(task__item__in=ids_of(project, 0, 1)).count() == 4
    assert exclude(project, 0, 1) == 0, "asked twice, it counts once"
    assert Removal.objects.standing().count() == 3


def test_nothing_of_an_excluded_item_waits_for_a_manager() -> None:
    project = mixture()
    exclude(project, 1, 2, 4)
    assert not attention_of(project).any


def test_included_again_it_is_as_before() -> None:
    project = mixture()
    before = (count_pool(project), set(project.items.trainable()))
    exclude(project, 0, 9)
    assert removing.restore_items(project=project, ids=ids_of(project, 0, 3, 9), user=mona(project)) == 2
    assert (count_pool(project), set(project.items.trainable())) == before
    removal = Removal.objects.get(item=ids_of(project, 0)[0])
    assert (removal.ended_by, removal.ended_at is None) == (mona(project), False)


def test_deleted_items_are_in_no_list_but_their_own() -> None:
    project = mixture()
    exclude(project, 0, reason="Once.")
    assert exclude(project, 0, 9, delete=True) == 2
    assert exclude(project, 9) == 0, "it is out already"
    assert 0 not in numbers(project, matching(project, {}).values_list("pk", flat=True))
    chosen = read_filter(project, {"deleted": "true"})
    assert numbers(project, sorted(matching(project, chosen).values_list("pk", flat=True))) == [0, 9]
    assert [each.deleted for each in record_of(project, ids_of(project, 0)[0]).removals] == [True, False]
    removing.restore_items(project=project, ids=ids_of(project, 0), user=mona(project))
    assert 0 in numbers(project, matching(project, {}).values_list("pk", flat=True))


def test_states_of_what_is_out_are_those_that_find_it() -> None:
    project = mixture()
    exclude(project, 0, 6, 9, 11)
    for item in matching(project, {"state": "excluded"}):
        assert state_of(item, out_again=False) == "excluded"
    assert numbers(project, matching(project, {"state": "excluded"}).values_list("pk", flat=True)) == [9]
    assert 9 not in numbers(project, matching(project, {"state": "unlabeled"}).values_list("pk", flat=True))


@pytest.mark.parametrize("overlap", [1, 2])
def test_an_unanswered_task_leaves_the_open_batch_and_an_answered_one_stays(overlap: int) -> None:
    project = make_project(overlap=overlap)
    batch = make_open_batch(project, make_items(project, 4, reserved=True), overlap=overlap)
    Batch.objects.filter(pk=batch.pk).update(control_tasks=4)
    annie, bert = make_member(project, "annie"), make_member(project, "bert")
    tasks = list(batch.tasks.order_by("rank"))
    answer(project, annie, tasks[0])
    if overlap == 2:
        answer(project, bert, tasks[0])
        answer(project, annie, tasks[1], 2)
    queue.claim(project=project, user=bert, count=4)
    exclude(project, 0, 1, 2)
    batch.refresh_from_db()
    kept = 3 if overlap == 2 else 2
    assert (batch.state, batch.size, batch.remaining, batch.dropped) == ("open", kept, 1, 4 - kept)
    assert batch.control_tasks == kept
    assert Task.objects.filter(batch=batch).count() == kept
    if overlap == 2:
        assert Item.objects.get(pk=tasks[1].item_id).label == 2
    for user in (bert, annie)[:overlap]:
        answer(project, user, tasks[3])
    batch.refresh_from_db()
    assert (batch.state, batch.remaining) == ("training", 0)
    assert Job.objects.filter(batch=batch, kind="train").count() == 1


def test_the_last_unanswered_task_completes_the_batch_as_it_leaves() -> None:
    project = make_project()
    batch = make_open_batch(project, make_items(project, 3))
    annie = make_member(project, "annie")
    for task in batch.tasks.filter(rank__lt=2):
        answer(project, annie, task)
    exclude(project, 2)
    batch.refresh_from_db()
    assert (batch.state, batch.size, batch.remaining) == ("training", 2, 0)
    assert Job.objects.filter(batch=batch, kind="train").count() == 1


def test_a_batch_of_which_nothing_is_left_gives_way_to_the_next() -> None:
    project = make_project(batch_size=3)
    batch = make_open_batch(project, make_items(project, 3))
    make_items(project, 5, first=3)
    exclude(project, 0, 1, 2)
    batch.refresh_from_db()
    assert (batch.state, batch.size) == ("done", 0)
    assert project.batches.active().get().number == 2


def test_whoever_held_the_task_is_told_and_goes_on() -> None:
    project = make_project()
    batch = make_open_batch(project, make_items(project, 12))
    annie = make_member(project, "annie")
    claim = queue.claim(project=project, user=annie, count=2)
    first, second = (task.pk for task in claim.tasks)
    item = Task.objects.get(pk=first).item_id
    removing.remove_items(project=project, ids=[item], user=mona(project))
    late = [Answer(uuid.uuid4(), pk, value=1) for pk in (first, second)]
    outcome = submitting.submit(project=project, user=annie, answers=late)
    assert [(each.code, each.detail) for each in outcome.rejected] == [
        ("item_removed", "The item was removed before this answer arrived.")
    ]
    assert outcome.accepted == [late[1].id]
    batch.refresh_from_db()
    assert batch.remaining == 10


def test_what_was_picked_at_that_moment_is_closed_and_what_is_taken_back_can_be_answered() -> None:
    project = make_project()
    items = make_items(project, 3)
    batch = make_open_batch(project, items)
    Item.objects.filter(pk=items[0].pk).update(excluded_at=timezone.now())  # while it was being picked
    removing.close_left_over()
    batch.refresh_from_db()
    assert (batch.size, batch.remaining) == (2, 2)
    annie = make_member(project, "annie")
    task = batch.tasks.get(item=items[1])
    outcome = answer(project, annie, task)
    removing.remove_items(project=project, ids=[items[1].pk], user=mona(project))
    queue.undo(project=project, user=annie, annotation_id=outcome.accepted[0])
    for each in batch.tasks.all():
        answer(project, annie, each)
    batch.refresh_from_db()
    assert (batch.size, batch.remaining, batch.state) == (2, 0, "training")


def test_a_batch_that_is_being_selected_is_left_alone() -> None:
    project = make_project()
    items = make_items(project, 3)
    batch = make_open_batch(project, items)
    Batch.objects.filter(pk=batch.pk).update(state=Batch.State.SELECTING)
    exclude(project, 0)
    assert batch.tasks.count() == 3
    Batch.objects.filter(pk=batch.pk).update(state=Batch.State.OPEN)
    removing.close_left_over()
    assert batch.tasks.count() == 2


def test_versions_that_have_learned_from_it() -> None:
    project = mixture()
    first, second = project.batches.order_by("number")
    now = timezone.now()

    def version(number: int, batch: Batch, began: datetime.datetime) -> None:
        facts = {"labels": 1, "seed": 1, "seconds": 10, "metrics": {}}
        made = ModelVersion.objects.create(project=project, batch=batch, number=number, **facts)
        ModelVersion.objects.filter(pk=made.pk).update(created_at=began + datetime.timedelta(seconds=10))

    version(1, first, now - datetime.timedelta(hours=5))
    version(2, second, now - datetime.timedelta(hours=3))
    exclude(project, 0)
    Removal.objects.update(created_at=now - datetime.timedelta(hours=4))
    versions = project.versions.select_related("batch")
    learned = [record_of(project, pk).learned_by(versions) for pk in ids_of(project, 0, 1, 2, 3, 6, 9)]
    assert learned == [[1], [], [], [1, 2], [], []]


@pytest.mark.parametrize(
    ("action", "places", "effect"),
    [
        ("exclude", (0, 6, 9, 11), Effect(4, 1, 1)),
        ("delete", (0, 6, 9), Effect(3, 1, 1)),
        ("include", (0, 6), Effect(0, 0, 0)),
        ("restore", (0, 6), Effect(0, 0, 0)),
        ("queue", (0, 6, 9, 10), Effect(2, 0, 0)),
        ("unqueue", (9,), Effect(0, 0, 0)),
        ("relabel", (0, 2, 6, 9), Effect(2, 1, 0)),
    ],
)
def test_what_a_change_means_is_known_before(action: str, places: tuple[int, ...], effect: Effect) -> None:
    project = mixture()
    stranger = make_items(make_project("theirs"), 1)[0]
    change = Change(action, [*ids_of(project, *places), stranger.pk], "Why.", value=7)
    assert change.preview(project) == effect == change.carry_out(project, mona(project))
    assert change.carry_out(project, mona(project)).items == (2 if action == "relabel" else 0)
    stranger.refresh_from_db()
    assert (stranger.excluded_at, stranger.queued_at, stranger.label) == (None, None, None)
    if action == "relabel":
        assert set(project.items.filter(pk__in=ids_of(project, 0, 2)).values_list("label", flat=True)) == {7}


def test_every_action_has_its_opposite() -> None:
    project = mixture()
    user, ids = mona(project), ids_of(project, 9)
    for one, other in (("queue", "unqueue"), ("exclude", "include"), ("delete", "restore")):
        before = project.items.filter(pk__in=ids).values("excluded_at", "deleted_at", "queued_at").get()
        assert Change(one, ids).carry_out(project, user).items == 1
        assert Change(other, ids).carry_out(project, user).items == 1
        assert project.items.filter(pk__in=ids).values("excluded_at", "deleted_at", "queued_at").get() == before
    pairs = {"queue", "unqueue", "exclude", "include", "delete", "restore", "gold", "ungold"}
    assert set(ACTIONS) == pairs | {"relabel", "again", "erase"}


def test_after_thirty_days_it_is_gone_for_good_with_all_that_hangs_on_it() -> None:
    project = make_project(kind="image")
    items = make_items(project, 3)
    Item.objects.filter(pk=items[2].pk).update(media=items[1].media)
    batch = make_open_batch(project, items)
    annie = make_member(project, "annie")
    for task in batch.tasks.all():
        answer(project, annie, task)
    search.catch_up()
    exclude(project, 0, 1, delete=True)
    now = timezone.now()
    assert erase_items(now + datetime.timedelta(days=31)) == 0, "its batch is not done"
    Batch.objects.filter(pk=batch.pk).update(state=Batch.State.DONE)
    assert erase_items(now + datetime.timedelta(days=29)) == 0
    assert erase_items(now + datetime.timedelta(days=31)) == 2
    assert list(project.items.values_list("row", flat=True)) == [2]
    assert (Task.objects.count(), Annotation.objects.count(), Removal.objects.count()) == (1, 1, 0)
    assert not media.path_of(items[0].media).exists()
    assert media.path_of(items[1].media).exists(), "another item has the same file"
    batch.refresh_from_db()
    assert (batch.size, batch.dropped) == (1, 2)
    assert count_pool(project).unlabeled == project.items.unlabeled().count() == 0
    assert not search.look_up(project, read_search("item-0000")).ids
