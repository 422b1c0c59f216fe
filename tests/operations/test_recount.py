"""Test that wrong counters are corrected and reported."""

import datetime
import logging
import uuid

import pytest
from django.core.management import call_command
from django.utils import timezone
from factories import make_items, make_member, make_open_batch, make_project

from labeling.insight.status import status_of
from labeling.labels import corrections
from labeling.labels.label_counts import counts_of
from labeling.models import Batch, LabelCounts, Role, WorkLog
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer
from labeling.steps.running.sweeps import FIRST, Recounts

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch() -> Batch:
    """Create four tasks, of which annie answered two and skipped one."""
    project = make_project()
    batch = make_open_batch(project, make_items(project, 4))
    annie = make_member(project, "annie")
    for value in (1, 7, None):
        (task,) = queue.claim(project=project, user=annie, count=1).tasks
        answer = Answer(uuid.uuid4(), task.pk, value=value, skip_reason="" if value else "unclear", seconds=2)
        assert submitting.submit(project=project, user=annie, answers=[answer]).accepted
    return batch


def recount(capsys: pytest.CaptureFixture[str], *slug: str) -> str:
    call_command("recount", *slug)
    return capsys.readouterr().out


def test_what_differs_is_mended_and_told(
    batch: Batch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert recount(capsys, "digits") == recount(capsys) == "All counters are right.\n"
    right = status_of(batch.project)
    Batch.objects.update(labeled=9)
    WorkLog.objects.update(answers=5, seconds=1.0)
    with caplog.at_level(logging.WARNING):
        lines = recount(capsys, "digits").splitlines()
    assert lines == [
        "digits batch 1: 9 items were counted as labeled, 2 are.",
        "digits batch 1: 6 answers and skips were counted in 1 spans of ten minutes of one person, 3 are there.",
    ]
    assert [record.getMessage() for record in caplog.records] == [f"Mended a counter. {line}" for line in lines]
    again = status_of(batch.project)
    assert (again["items"], again["annotations"]) == (right["items"], right["annotations"])
    assert recount(capsys) == "All counters are right.\n"
    WorkLog.objects.all().delete()
    assert "0 answers and skips were counted" in recount(capsys)
    work = WorkLog.objects.get()
    assert (work.answers, work.skips, work.seconds) == (2, 1, 6.0)


def test_the_worker_recounts_once_a_day(batch: Batch) -> None:
    sweep, now = Recounts(), timezone.now()
    Batch.objects.update(labeled=9)
    sweep(now)
    assert Batch.objects.get().labeled == 9, "a worker that was just started has more urgent things to do"
    sweep(now + FIRST)
    assert Batch.objects.get().labeled == 2
    Batch.objects.update(labeled=9)
    sweep(now + FIRST + datetime.timedelta(hours=23))
    assert Batch.objects.get().labeled == 9
    sweep(now + FIRST + datetime.timedelta(hours=24))
    assert Batch.objects.get().labeled == 2


def test_the_labels_of_a_done_batch_are_counted_once(batch: Batch) -> None:
    Batch.objects.update(state=Batch.State.DONE)
    Recounts()(timezone.now())
    assert LabelCounts.objects.get().classes == {"1": 1, "7": 1}
    skipped = batch.project.items.get(label__isnull=True, task__rank=2)
    manager = make_member(batch.project, "mona", Role.MANAGER)
    corrections.correct(item=skipped, user=manager, value=7)
    batch = Batch.objects.select_related("label_counts").get()
    assert (counts_of(batch.project.asks, [batch]).classes, batch.labeled) == ({1: 1, 7: 2}, 3)
    call_command("recount")
    assert LabelCounts.objects.get().classes == {"1": 1, "7": 2}
    corrections.withdraw(item=skipped, user=manager)
    assert counts_of(batch.project.asks, Batch.objects.select_related("label_counts")).classes == {1: 1, 7: 1}
