"""Test that the overview tells a manager which decisions wait, and why an open batch waits."""

import re
import uuid

import pytest
from factories import make_items, make_member, make_open_batch, make_project
from pages import manager, member, text_of

from labeling.models import Batch, ClassProposal, Item, Membership, Project, Role, Task, User
from labeling.queue import gold, parts, queue, submitting
from labeling.queue.answer import Answer

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    project = make_project(class_proposals=True)
    make_open_batch(project, make_items(project, 10))
    return project


def told(project: Project) -> list[str]:
    """Return the lines, without their links."""
    page = manager(project).get("/p/digits/").content.decode()
    found = re.search(r'<ul class="waits.*?</ul>', page, flags=re.DOTALL)
    return [re.sub(r"<[^>]*>", "", each).strip() for each in re.findall(r"<li>(.*?)<a ", found[0])] if found else []


def answer(project: Project, user: User, count: int, *, skip: bool = False) -> None:
    tasks = queue.claim(project=project, user=user, count=count).tasks
    value, reason = (None, "unclear") if skip else (1, "")
    answers = [Answer(id=uuid.uuid4(), task=task.pk, value=value, skip_reason=reason) for task in tasks]
    assert not submitting.submit(project=project, user=user, answers=answers).rejected
    queue.release(project=project, user=user)


def test_a_batch_that_nothing_holds_up_has_no_line(project: Project) -> None:
    answer(project, make_member(project, "ann"), 3)
    assert told(project) == []
    assert 'class="attention"' not in manager(project).get("/p/digits/").content.decode()


def test_classes_that_annotators_proposed_are_told_with_the_way_to_them(project: Project) -> None:
    ann = make_member(project, "ann")
    for task, name in zip(queue.claim(project=project, user=ann, count=3).tasks, ("owl", "owl", "hen"), strict=True):
        reply = Answer(id=uuid.uuid4(), task=task.pk, skip_reason="None of these", proposed_class=name)
        assert not submitting.submit(project=project, user=ann, answers=[reply]).rejected
    page = manager(project).get("/p/digits/")
    assert '<a href="/p/digits/classes/#proposals">2 proposed classes</a>' in page.content.decode()
    assert 'id="proposals"' in manager(project).get("/p/digits/classes/").content.decode()
    for role in (Role.ENGINEER, Role.REVIEWER, Role.ANNOTATOR):
        assert "proposed class" not in text_of(member(project, role).get("/p/digits/"))
    ClassProposal.objects.filter(name="hen").delete()
    assert "1 proposed class " in text_of(manager(project).get("/p/digits/"))


def test_people_who_are_paused_or_at_their_limit(project: Project) -> None:
    ann, bob = make_member(project, "ann"), make_member(project, "bob")
    gold.pause(Membership.objects.get(user=ann), "Look at it.")
    assert told(project) == ["ann is paused, and gets no items until a manager decides."]
    Membership.objects.filter(user=bob).update(daily_limit=2)
    answer(project, bob, 1)
    assert len(told(project)) == 1
    answer(project, bob, 1)
    assert told(project)[1] == "bob is at the daily limit, until midnight UTC."
    Project.objects.update(daily_limit=0)
    assert "No person can get items now." in told(project)
    assert "bob and mona are at the daily limit" in " ".join(told(project)) or "ann, bob" in " ".join(told(project))


def test_fewer_people_than_each_item_is_asked_of(project: Project) -> None:
    Batch.objects.update(overlap=3)
    assert told(project) == ["Each item is asked of 3 people, and 1 person can get items now."]
    make_member(project, "ann")
    make_member(project, "enzo", Role.ENGINEER)
    assert told(project) == ["Each item is asked of 3 people, and 2 people can get items now."]
    make_member(project, "bob")
    assert told(project) == []


def test_items_that_are_assigned_hold_it_up_when_no_others_are_left_or_nobody_can_answer_them(project: Project) -> None:
    ann, bob = make_member(project, "ann"), make_member(project, "bob")
    batch = Batch.objects.get()
    part = parts.assign_part(batch=batch, share=0.4, user=ann)
    assert told(project) == []
    answer(project, bob, 10)
    assert told(project) == ["4 items are left, all assigned. Other people get no items."]
    gold.pause(Membership.objects.get(user=ann), "Look at it.")
    assert "4 items are assigned to people who cannot get items now." in told(project)
    Membership.objects.filter(user=bob).update(group="night")
    type(part).objects.update(user=None, group="night")
    assert "4 items are left, all assigned. Other people get no items." in told(project)
    parts.unassign_part(batch=batch, part_id=part.pk)
    assert len(told(project)) == 1


def test_gold_items_when_no_others_lack_answers(project: Project) -> None:
    batch = Batch.objects.get()
    known = make_items(project, 1, first=10, gold=3)[0]
    Task.objects.create(batch=batch, repeats=known, is_gold=True, rank=10, free=1, outstanding=1)
    Batch.objects.update(further=1, size=11, remaining=11)
    assert told(project) == []
    answer(project, make_member(project, "ann"), 10)
    assert told(project) == ["Only a gold item lacks answers. You can end the batch without them."]
    assert "gold" not in text_of(member(project, Role.ANNOTATOR).get("/p/digits/"))


def test_items_in_place_of_skipped_ones(project: Project) -> None:
    ann = make_member(project, "ann")
    answer(project, ann, 1, skip=True)
    batch, item = Batch.objects.get(), make_items(project, 1, first=20)[0]
    skipped = Task.objects.get(outstanding=0)
    Task.objects.create(batch=batch, item=item, replaces=skipped, rank=10, free=1, outstanding=1)
    Batch.objects.update(size=11, remaining=10)
    assert told(project) == ["1 item is in the batch in place of skipped items, and still lacks answers."]
    answer(project, ann, 10)
    assert told(project) == []
    assert Item.objects.labeled().count() == 10
