"""A goal's audit proves labels; its certificate says how, and is suspended when its ground moves."""

import datetime
import hashlib
import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from factories import make_member
from goals import advance, answer_draws, answer_until_proven, make_goal

from labeling.finishing.goal import Goal, start, stop
from labeling.insight import pool_counts, status
from labeling.labels import corrections, counting
from labeling.loop import batches
from labeling.loop.step import Step
from labeling.models import (
    Audit,
    AuditDraw,
    Batch,
    Certificate,
    CertifiedLabel,
    EventType,
    Finish,
    Item,
    Job,
    LogEntry,
    LogKind,
    Notice,
    NoticeKind,
    Project,
    Role,
)
from labeling.outgoing import documents
from labeling.projects import duplicating, erasing_items, erasing_projects, lifecycle
from labeling.projects.classes import changing as classes
from labeling.queue import removing
from labeling.steps.select import select
from labeling.storage.arrays.files import ProjectFiles

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def made(once: Path) -> Project:
    return make_goal()


def counts_agree(project: Project) -> None:
    """Compare counts that read no item with the rows."""
    certified = Certificate.objects.filter(project=project)
    assert sum(each.labels for each in certified.standing()) == CertifiedLabel.objects.certifying().count()
    assert pool_counts.count_pool(project).unlabeled == project.items.unlabeled().count()
    assert counting.certified_labels(project) == CertifiedLabel.objects.standing().count()
    assert status.items_of(project)["labeled"] == project.items.labeled().count()


def test_people_answer_a_part_the_rest_is_certified_and_damage_is_found(project: Project) -> None:
    audit = Audit.objects.get()
    assert (audit.state, audit.attempt, audit.pool_size) == ("asking", 1, 1500)
    project.webhooks.create(url="https://example.org/", events=[EventType.CERTIFICATE_ISSUED])
    answers = answer_until_proven(project)
    assert [event.payload["data"]["number"] for event in project.events.all()] == [1]
    certificate, labels = Certificate.objects.get(), CertifiedLabel.objects.standing()
    audit.refresh_from_db()
    assert (audit.state, answers < 300) == ("proven", True)
    assert certificate.labels == labels.count() > 900
    wrong = sum(label.value != label.item.truth for label in labels.select_related("item"))
    assert wrong <= certificate.most_wrong < 0.08 * certificate.labels
    counts_agree(project)
    content = ProjectFiles(project).owned(certificate).read_bytes()
    assert hashlib.sha256(content).hexdigest() == certificate.digest
    written = json.loads(content)
    assert len(written["draws"]) == answers
    assert written["draws"][0]["answers"][0]["annotator"] == "ann"
    assert written["proof"]["most_wrong"] == certificate.most_wrong
    before = list(Certificate.objects.values()), list(Audit.objects.values()), Finish.objects.get().forecasts
    advance(project)
    assert before == (list(Certificate.objects.values()), list(Audit.objects.values()), Finish.objects.get().forecasts)
    path = ProjectFiles(project).owned(certificate)
    path.write_bytes(path.read_bytes().replace(b'"wrong":false', b'"wrong":true ', 1))
    with pytest.raises(CommandError):
        call_command("check_files", project.slug, stdout=(out := StringIO()))
    assert "certificates/" in out.getvalue()


@pytest.mark.long
def test_labels_that_a_killed_step_wrote_do_not_count(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(documents, "replace_file", killed)
        with pytest.raises(KeyboardInterrupt):
            answer_until_proven(project)
    Job.objects.filter(kind=Job.Kind.FINISH).update(state=Job.State.FAILED)
    left = CertifiedLabel.objects.count()
    assert left > 900
    assert not CertifiedLabel.objects.standing().exists()
    counts_agree(project)
    advance(project)
    certificate = Certificate.objects.get()
    assert (certificate.number, certificate.labels) == (1, left)
    assert CertifiedLabel.objects.standing().count() == left
    assert Audit.objects.get().state == "proven"


def test_a_step_leaves_the_goal_to_another_that_runs(project: Project) -> None:
    other = Job.objects.create(project=project, kind=Job.Kind.SELECT, state=Job.State.RUNNING, worker="another")
    Finish.objects.update(job=other)
    answer_draws(project, 400)
    before = Audit.objects.values().get()
    advance(project)
    assert Audit.objects.values().get() == before
    assert Job.objects.waiting().filter(kind=Job.Kind.FINISH).exists()


@pytest.mark.long
def test_a_batch_for_which_no_item_is_left_is_dissolved(project: Project) -> None:
    answer_until_proven(project)
    project.items.filter(label__isnull=True, certified_label__isnull=True).update(excluded_at=timezone.now())
    batch = Batch.objects.create(project=project, number=99, selected_by=project.versions.get(), strategy="margin")
    job = Job.objects.create(project=project, kind=Job.Kind.SELECT, batch=batch)
    assert Job.objects.take(job, "a worker", timezone.now())
    select(Step(job, gives_way=False))
    assert not Batch.objects.filter(number=99).exists()
    assert not Job.objects.filter(pk=job.pk).exists()
    assert batches.final().exists()


def test_corrections_undo_and_exclusion_keep_the_counts(project: Project) -> None:
    answer_until_proven(project)
    manager = make_member(project, "mona", Role.MANAGER)
    certificate = Certificate.objects.get()
    items = list(project.items.certified().order_by("pk")[:20])
    for item in items[:3]:
        corrections.correct(item=item, user=manager, value=item.truth)
    counts_agree(project)
    corrections.withdraw(item=items[0], user=manager)
    removing.remove_items(project=project, ids=[items[1].pk, items[4].pk], user=manager)
    counts_agree(project)
    removing.restore_items(project=project, ids=[items[1].pk], user=manager)
    project.items.filter(pk=items[5].pk).update(queued_at="2026-01-01T00:00:00Z")
    project.items.filter(pk=items[6].pk).update(gold=1)
    counts_agree(project)
    assert CertifiedLabel.objects.standing().count() == certificate.labels - 3
    assert project.items.unlabeled().filter(pk=items[5].pk).exists()
    assert not project.items.trainable().filter(pk__in=project.items.certified().filter(label__isnull=True)).exists()


@pytest.mark.long
def test_more_corrections_than_may_be_wrong_suspend_a_certificate(project: Project) -> None:
    answer_until_proven(project)
    manager = make_member(project, "mona", Role.MANAGER)
    certificate = Certificate.objects.get()
    items = [label.item for label in certificate.certified_labels.select_related("item")[: certificate.most_wrong + 1]]
    for item in items:
        assert Certificate.objects.standing().exists()
        corrections.correct(item=item, user=manager, value=(item.truth + 5) % 10)
    certificate.refresh_from_db()
    assert f"{len(items)} of its labels were corrected" in certificate.suspended_for
    assert Notice.objects.filter(kind=NoticeKind.CERTIFICATE_SUSPENDED).count() == 1
    assert "of its labels were corrected" in LogEntry.objects.get(kind=LogKind.CERTIFICATE_SUSPENDED).after
    assert (
        project.items.unlabeled().count()
        == certificate.labels
        - len(items)
        + project.items.unlabeled().exclude(certified_label__certificate=certificate).count()
    )
    advance(project)
    assert not CertifiedLabel.objects.exists()
    counts_agree(project)


@pytest.mark.long
def test_a_merge_suspends_certificates_with_labels_of_the_class(project: Project) -> None:
    answer_until_proven(project)
    Item.objects.filter(certified_label__value=3).delete()
    classes.merge(project=project, user=None, index=3, into=4)
    assert Certificate.objects.standing().exists()
    classes.merge(project=project, user=None, index=7, into=4)
    assert Certificate.objects.get().suspended_for.startswith("Merged “7” into “4”. Its items are in the pool again")


def test_a_merge_ends_an_audit(project: Project) -> None:
    answer_draws(project, 20)
    classes.merge(project=project, user=None, index=7, into=4)
    advance(project)
    audit = Audit.objects.get(attempt=1)
    assert (audit.state, audit.reason) == ("ended", "Classes have changed.")


@pytest.mark.long
def test_each_class_has_an_audit_and_a_certificate_of_its_own() -> None:
    project = make_goal(1600, slug="by-class", goal={"by_class": True, "error": 0.1}, classes=["0", "1"])
    audits = Audit.objects.filter(project=project).order_by("of_class")
    assert list(audits.values_list("attempt", "of_class")) == [(1, 0), (1, 1)]
    answer_until_proven(project)
    found = Certificate.objects.filter(project=project).select_related("audit")
    for certificate in found:
        assert set(certificate.certified_labels.values_list("value", flat=True)) == {certificate.audit.of_class}
        labels = certificate.certified_labels.select_related("item")
        assert sum(label.value != label.item.truth for label in labels) <= certificate.most_wrong
    assert len(found) == 2


def test_a_changed_goal_ends_audits_and_a_stopped_one_keeps_them(project: Project) -> None:
    start(project, None, Goal(error=0.06))
    advance(project)
    assert (Audit.objects.get().attempt, Audit.objects.get().error) == (1, 0.06)  # the first one had asked no person
    answer_draws(project, 10)
    stop(project)
    advance(project)
    assert Audit.objects.get().state == "asking"
    start(project, None, Goal(error=0.1))
    advance(project)
    assert list(Audit.objects.order_by("pk").values_list("attempt", "state")) == [(1, "ended"), (2, "asking")]
    assert Audit.objects.asking().get().risk < 0.02


def test_purged_items_and_erased_projects_leave_no_certified_rows(project: Project) -> None:
    answer_until_proven(project)
    manager = make_member(project, "mona", Role.MANAGER)
    certified, drawn = CertifiedLabel.objects.first(), AuditDraw.objects.select_related("task").first()
    assert certified is not None
    assert drawn is not None
    assert drawn.task.item_id is not None
    removing.remove_items(project=project, ids=[certified.pk, drawn.task.item_id], user=manager, delete=True)
    Batch.objects.update(state=Batch.State.DONE)
    late = timezone.now() + datetime.timedelta(days=40)
    assert erasing_items.erase_items(late) == 2
    assert not CertifiedLabel.objects.filter(pk=certified.pk).exists()
    assert pool_counts.count_pool(project).unlabeled == project.items.unlabeled().count()
    copied = duplicating.duplicate(project=project, user=manager, slug="copy", name="Copy", items=True, labels=True)
    assert not Finish.objects.filter(project=copied).exists()
    lifecycle.delete(project=project, user=manager, name=project.name)
    Job.objects.all().delete()
    erasing_projects.erase_projects(late, seconds=60)
    assert not Project.objects.filter(pk=project.pk).exists()
    assert not any(table.objects.exists() for table in (Finish, Audit, AuditDraw, Certificate, CertifiedLabel))
