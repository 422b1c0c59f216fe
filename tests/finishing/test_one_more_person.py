"""Items that only one more person can settle: they are counted for managers, with a word of what to do."""

import uuid
from typing import Any

import pytest
from django.utils import timezone
from factories import make_items, make_member, make_open_batch, make_project
from pages import manager, member, text_of
from pools import pool_project

from labeling.finishing.progress import need_one_more
from labeling.models import Batch, Finish, Membership, Project, Role, Task, User
from labeling.queue import changing, queue, submitting
from labeling.queue.answer import Answer

pytestmark = pytest.mark.django_db


def answer_all(project: Project, user: User, value: Any) -> int:
    """Let the person give this answer to all tasks that the queue has for them. Return their number."""
    answered = 0
    while tasks := queue.claim(project=project, user=user, count=10).tasks:
        answers = [Answer(uuid.uuid4(), task.pk, value) for task in tasks]
        assert not submitting.submit(project=project, user=user, answers=answers).rejected
        answered += len(tasks)
    return answered


@pytest.fixture
def project() -> Project:
    """Return a project with several classes an item, five open items and two people, who disagree about each."""
    project = make_project(question="multi", overlap_max=3)
    make_open_batch(project, make_items(project, 5), overlap_max=3)
    Project.objects.filter(pk=project.pk).update(encoded_rows=5)
    return project


def people_of(project: Project, *names: str) -> list[User]:
    return [make_member(project, name) for name in names]


def test_two_people_who_disagree_need_a_third(project: Project, django_assert_num_queries: Any) -> None:
    ann, bob = people_of(project, "ann", "bob")
    answer_all(project, ann, [1])
    assert need_one_more(project) == 0, "bob is still to be asked"
    answer_all(project, bob, [2])
    assert project.items.undecided().count() == 5
    with django_assert_num_queries(1):
        assert need_one_more(project) == 5


def test_a_third_person_can_be_asked_again_and_settles_them(project: Project) -> None:
    for place, user in enumerate(people_of(project, "ann", "bob")):
        answer_all(project, user, [1 + place])
    [cid] = people_of(project, "cid")
    assert need_one_more(project) == 0
    changing.ask_again(project=project, ids=list(project.items.values_list("pk", flat=True)))
    Batch.objects.update(state=Batch.State.DONE)
    batch = make_open_batch(project, [], number=2)
    items = project.items.asked_again()
    Task.objects.bulk_create(
        Task(batch=batch, repeats=item, rank=rank, free=1, outstanding=1) for rank, item in enumerate(items)
    )
    Batch.objects.filter(pk=batch.pk).update(size=5, remaining=5, further=5)
    items.update(again_at=None, sent_back=False)
    assert answer_all(project, cid, [1]) == 5
    assert project.items.labeled().count() == 5


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        ({"paused_at": timezone.now()}, True),
        ({"role": Role.REVIEWER}, True),
        ({"role": Role.MANAGER}, True),
        ({"daily_limit": 1}, False),
    ],
)
def test_only_people_who_may_be_asked_are_left(project: Project, change: dict[str, Any], counts: bool) -> None:
    for place, user in enumerate(people_of(project, "ann", "bob")):
        answer_all(project, user, [1 + place])
    [cid] = people_of(project, "cid")
    Membership.objects.filter(user=cid).update(**change)
    assert need_one_more(project) == (5 if counts else 0)


def test_a_person_who_left_is_missing_in_a_batch_of_three_answers(project: Project) -> None:
    Batch.objects.update(overlap=3, overlap_max=None)
    Task.objects.update(free=3, outstanding=3)
    ann, bob, cid = people_of(project, "ann", "bob", "cid")
    answer_all(project, ann, [1])
    Membership.objects.filter(user=cid).delete()
    assert need_one_more(project) == 0
    answer_all(project, bob, [1])
    assert Task.objects.unanswered().count() == 5
    assert need_one_more(project) == 5
    make_member(project, "dora")
    assert need_one_more(project) == 0


def test_an_audit_that_everybody_has_answered_needs_another_person(project: Project) -> None:
    ann, bob = people_of(project, "ann", "bob")
    answer_all(project, ann, [1])
    first = project.items.earliest("pk")
    project.items.filter(pk=first.pk).update(again_at=timezone.now())
    assert need_one_more(project) == 0
    answer_all(project, bob, [1])
    assert project.items.labeled().count() == 5
    assert need_one_more(project) == 1, "the labeled ones need nobody"


def test_corrected_and_excluded_items_need_nobody(project: Project) -> None:
    for place, user in enumerate(people_of(project, "ann", "bob")):
        answer_all(project, user, [1 + place])
    first, second = project.items.order_by("pk")[:2]
    project.items.filter(pk=first.pk).update(excluded_at=timezone.now())
    project.items.filter(pk=second.pk).update(label=[1], agreement=1)
    assert need_one_more(project) == 3


@pytest.fixture
def pool() -> Project:
    """Return a project whose goal runs, with two undecided items and nobody who could be asked."""
    project = pool_project()
    project.memberships.all().delete()
    Finish.objects.create(project=project, error=0.05)
    Task.objects.update(free=0, outstanding=0)
    for item in project.items.filter(label__isnull=True)[:2]:
        project.items.filter(pk=item.pk).update(agreement=0.5)
    return project


def test_the_page_and_the_api_say_so_to_managers(pool: Project) -> None:
    page = manager(pool).get("/p/pool/finish/")
    assert "2 items need one more person: all who can be asked have answered already. Invite" in text_of(page)
    for link in ("members/", "items/?state=undecided", "review/"):
        assert f'<a href="/p/pool/{link}">' in page.content.decode()
    client = member(pool, Role.ENGINEER)
    assert client.get("/api/v1/projects/pool/finish/").json()["need_one_more"] == 2
    assert '<a href="/p/pool/members/">Invite' not in client.get("/p/pool/finish/").content.decode()
    theirs = member(pool, Role.ANNOTATOR)
    for page in ("/p/pool/finish/", "/api/v1/projects/pool/finish/"):
        assert theirs.get(page).status_code == 403
    assert "one more person" not in text_of(theirs.get("/p/pool/"))
    Finish.objects.update(running=False)
    assert "one more person" not in text_of(client.get("/p/pool/finish/"))
