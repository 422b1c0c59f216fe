"""Test that each fact gives one notice to each person whom it concerns, and none to others."""

from pathlib import Path

import pytest
from django.db import transaction
from django.urls import resolve
from django.utils import timezone
from factories import make_answerable, make_items, make_member, make_open_batch, make_project, make_user

from labeling.intake.run import import_items
from labeling.intake.uploads import register
from labeling.labels import comments
from labeling.loop import batches, endings
from labeling.loop.step import Step
from labeling.models import (
    Annotation,
    Batch,
    Event,
    EventType,
    Item,
    ItemImport,
    Membership,
    Notice,
    NoticeKind,
    Project,
    Role,
    Task,
    User,
    WorkLog,
)
from labeling.models.jobs import worker_name
from labeling.projects import lifecycle
from labeling.projects.people import members
from labeling.projects.privacy import ledger
from labeling.projects.privacy.budgets import Budget
from labeling.queue import gold
from labeling.steps.running import sweeps as looking
from models_store.privacy.accounting import Phase, epsilons

pytestmark = pytest.mark.django_db

ANNOTATORS = {"annie", "bert", "mona"}
READERS = {"enzo", "aude", "mona"}


@pytest.fixture
def project() -> Project:
    """A project with members of each role, of whom one is paused, one left, and one has an account that is closed."""
    project = make_project()
    for name in ("annie", "bert", "paula", "leo", "ivan"):
        make_member(project, name)
    roles = {"rita": Role.REVIEWER, "enzo": Role.ENGINEER, "aude": Role.AUDITOR, "mona": Role.MANAGER}
    for name, role in roles.items():
        make_member(project, name, role)
    Membership.objects.filter(user__username="paula").update(paused_at=timezone.now())
    members.remove_member(project=project, user=User.objects.get(username="leo"))
    User.objects.filter(username="ivan").update(is_active=False)
    other = make_project("other")
    for role in Role:
        make_member(other, f"other-{role}", role)
    return project


def told(kind: NoticeKind) -> set[str]:
    """Return who was told of the only fact of the kind."""
    notices = Notice.objects.filter(kind=kind)
    assert notices.values("key").distinct().count() <= 1
    names = list(notices.values_list("user__username", flat=True))
    assert len(names) == len(set(names))
    return set(names)


def annie() -> User:
    return User.objects.get(username="annie")


def test_annotators_are_told_of_a_batch_that_opens(project: Project) -> None:
    batch = make_open_batch(project, make_items(project, 2))
    Batch.objects.update(state=Batch.State.READY)
    batches.open_ready(project)
    batches.open_ready(project)
    assert told(NoticeKind.BATCH_READY) == ANNOTATORS
    assert {each.number for each in Notice.objects.all()} == {batch.number}


def test_a_person_has_one_notice_of_a_batch(project: Project) -> None:
    for event in (EventType.BATCH_OPENED, EventType.BATCH_DONE):
        Event.objects.announce(event, project, number=3)
    Event.objects.announce(EventType.BATCH_OPENED, project, number=4)
    assert sorted(Notice.objects.filter(user__username="mona").values_list("kind", "number")) == [
        (NoticeKind.BATCH_DONE, 3), (NoticeKind.BATCH_READY, 4),
    ]  # fmt: skip
    assert [each.number for each in Notice.objects.of(annie())] == [4], "a batch that is done is no longer ready"


def test_an_event_is_told_once_though_its_step_runs_twice(project: Project) -> None:
    make_user("boss", is_staff=True, is_superuser=True)  # is told nothing: in no project
    with transaction.atomic():  # nor is anybody of what is rolled back
        Event.objects.announce(EventType.BATCH_DONE, project, number=3)
        transaction.set_rollback(True)
    Event.objects.announce(EventType.MODEL_PASSED, project, number=3)
    assert not Notice.objects.exists(), "there is no notice of this event"
    events = {
        EventType.BATCH_DONE: NoticeKind.BATCH_DONE,
        EventType.MODEL_HELD_BACK: NoticeKind.MODEL_HELD_BACK,
        EventType.CERTIFICATE_ISSUED: NoticeKind.CERTIFICATE_ISSUED,
    }
    for event, kind in events.items():
        for _ in range(2):
            Event.objects.announce(event, project, number=3)
        assert told(kind) == READERS
    assert Notice.objects.count() == len(events) * len(READERS)


def test_the_author_of_a_comment_is_told_of_an_answer(project: Project) -> None:
    batch = make_open_batch(project, make_items(project, 1))
    for name in ("annie", "mona"):
        user = User.objects.get(username=name)
        make_answerable([batch.tasks.get()], user)
        Annotation.objects.create(task=batch.tasks.get(), user=user, value=1)
    item, mona = project.items.get(), User.objects.get(username="mona")
    comments.write_reviewers_comment(item=item, user=mona, text="To other reviewers.")
    comments.write_reviewers_comment(item=item, user=mona, text="To myself.", to="mona")
    assert told(NoticeKind.COMMENT_ANSWERED) == set()
    comments.write_reviewers_comment(item=item, user=mona, text="It is a 3.", to="annie")
    assert told(NoticeKind.COMMENT_ANSWERED) == {"annie"}
    comments.write_reviewers_comment(item=item, user=mona, text="Really.", to="annie")
    assert Notice.objects.count() == 2


def test_a_paused_person_is_told_each_time_unless_it_was_her_own_act(project: Project) -> None:
    membership = project.memberships.get(user=annie())
    assert gold.pause(membership, "Look at it.", by=User.objects.get(username="mona"))
    assert not gold.pause(membership, "Look at it.")
    assert told(NoticeKind.MEMBER_PAUSED) == {"annie"}
    gold.let_go_on(membership)
    gold.pause(membership, "Look again.")
    assert Notice.objects.filter(kind=NoticeKind.MEMBER_PAUSED).count() == 2
    membership = project.memberships.get(user__username="mona")
    assert gold.pause(membership, "A holiday.", by=membership.user)
    assert Notice.objects.count() == 2


def test_reviewers_are_told_when_items_begin_to_wait(project: Project) -> None:
    first, second = make_items(project, 2)
    batch = make_open_batch(project, [first, second])
    Task.objects.update(outstanding=0, free=0)
    Item.objects.filter(pk=first.pk).update(agreement=0.5)
    now = timezone.now()
    looking.tell_of_reviews(since=now)
    assert told(NoticeKind.REVIEW_WAITING) == set()  # nothing has happened in the project
    WorkLog.objects.create(batch=batch, user=annie(), start=now, last_at=timezone.now())
    for waits in (1, 2):
        Item.objects.filter(pk__in=[first.pk, second.pk][:waits]).update(agreement=0.5)
        looking.tell_of_reviews(since=now)
        assert told(NoticeKind.REVIEW_WAITING) == {"rita", "mona"}
    Item.objects.update(label=1, agreement=1)
    looking.tell_of_reviews(since=timezone.now())
    Item.objects.update(label=None, agreement=0.5)
    looking.tell_of_reviews(since=now)
    assert Notice.objects.filter(kind=NoticeKind.REVIEW_WAITING).count() == 4


def test_managers_are_told_of_an_import_that_fails_or_is_refused(project: Project, tmp_path: Path) -> None:
    job = register(project=project, user=None, path=Path("/nowhere/a.csv"), name="a.csv", strict=False, taken_by="w")
    for _ in range(2):  # the second time, the job is no longer this worker's
        endings.fail(job, "The disk is full.")
    assert told(NoticeKind.IMPORT_FAILED) == {"mona"}
    assert Notice.objects.get().number == project.imports.get().pk
    Notice.objects.all().delete()
    path = tmp_path / "a.csv"
    path.write_text("")
    job = register(project=project, user=None, path=path, name="a.csv", strict=False, taken_by=worker_name())
    import_items(Step(job, gives_way=False))
    assert project.imports.latest("pk").state == ItemImport.State.REFUSED
    assert told(NoticeKind.IMPORT_FAILED) == {"mona"}


def test_a_budget_that_is_nearly_spent_is_told_once(project: Project) -> None:
    Project.objects.update(privacy_epsilon=4.0, privacy_delta=1e-5, privacy_trainings=2)
    project.refresh_from_db()
    batch = Batch.objects.create(project=project, number=1, strategy="seed")
    for number in (1, 2):
        ledger.start(project=project, batch=batch, labels=1000)
        assert told(NoticeKind.BUDGET_NEARLY_SPENT) == (READERS if number == 2 else set())
    Project.objects.update(privacy_epsilon=8.0, privacy_trainings=3)
    ledger.start(project=project, batch=batch, labels=1000)
    assert Notice.objects.filter(kind=NoticeKind.BUDGET_NEARLY_SPENT).count() == 2 * len(READERS)


def test_a_budget_by_a_plan_is_nearly_spent_by_the_lower_of_two_bounds(project: Project) -> None:
    budget, phases = Budget(epsilon=4.0, delta=1e-5, trainings=2), [Phase(1.0, 0.1, 1000)]
    bound = epsilons([[], phases], budget.delta)[-1]
    assert bound > budget.epsilon
    for cost, readers in ((0.1, set()), (3.9, READERS)):
        ledger.tell_if_nearly_spent(project, budget, [], phases, cost)
        assert told(NoticeKind.BUDGET_NEARLY_SPENT) == readers


def test_notices_go_with_the_membership_the_project_and_the_account(project: Project) -> None:
    Event.objects.announce(EventType.BATCH_OPENED, project, number=1)
    own = Notice.objects.shown_to(annie())
    assert own.count() == 1
    membership = project.memberships.get(user=annie())
    members.remove_member(project=project, user=annie())
    assert own.count() == 0
    membership.save(force_insert=True)
    lifecycle.delete(project=project, user=User.objects.get(username="mona"), name=project.name)
    assert own.count() == 0
    assert Notice.objects.count() == len(ANNOTATORS)
    annie().delete()
    assert Notice.objects.count() == len(ANNOTATORS) - 1


def test_notices_whose_page_a_new_role_does_not_open_are_gone(project: Project) -> None:
    mona, annie = (User.objects.get(username=name) for name in ("mona", "annie"))
    gold.pause(project.memberships.get(user=annie), "Paused.", by=mona)
    Notice.objects.tell_members(NoticeKind.BATCH_DONE, project, number=1)
    assert [Notice.objects.of(user).count() for user in (mona, annie)] == [1, 1]
    members.set_role(project=project, user=annie, role=Role.ENGINEER)
    assert not Notice.objects.of(annie).exists()
    make_member(project, "boss", Role.MANAGER)
    members.set_role(project=project, user=mona, role=Role.ANNOTATOR)
    assert not Notice.objects.of(mona).exists()
    members.set_role(project=project, user=mona, role=Role.MANAGER)
    assert Notice.objects.of(mona).exists(), "they come back with the role"


def test_old_notices_are_removed(project: Project) -> None:
    for number in (1, 2):
        Event.objects.announce(EventType.BATCH_OPENED, project, number=number)
    Notice.objects.filter(number=1).update(created_at=timezone.now() - Notice.KEPT)
    looking.remove_old(timezone.now())
    assert set(Notice.objects.values_list("number", flat=True)) == {2}


def test_five_hundred_annotators_cost_no_query_each(project: Project, django_assert_max_num_queries: object) -> None:
    users = User.objects.bulk_create(User(username=f"ann-{number}") for number in range(500))
    Membership.objects.bulk_create(Membership(project=project, user=user, role=Role.ANNOTATOR) for user in users)
    with django_assert_max_num_queries(10):  # type: ignore[operator]
        Event.objects.announce(EventType.BATCH_OPENED, project, number=1)
    assert Notice.objects.count() == 500 + len(ANNOTATORS)


def test_each_address_exists() -> None:
    for kind in NoticeKind:
        resolve(kind.address.format(project="owls", number=3))
