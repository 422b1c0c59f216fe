"""Test that a place stays with the person who renews its lease while another request frees it."""

import datetime
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from factories import make_items, make_member, make_open_batch, make_project
from simultaneous import elsewhere

from labeling.models import Assignment, Task
from labeling.models.annotations import AssignmentQuerySet
from labeling.queue import assignments

HOUR = datetime.timedelta(hours=1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
def test_a_lease_renewed_while_it_is_given_back_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project()
    batch = make_open_batch(project, make_items(project, 2))
    ann = make_member(project, "ann")
    now = timezone.now()
    for task in batch.tasks.all():
        Assignment.objects.create(task=task, user=ann, lease_expires_at=now - HOUR)
    Task.objects.update(free=0)
    kept = batch.tasks.get(rank=0)
    lapsed = Assignment.objects.pending().filter(lease_expires_at__lte=now)
    lock = AssignmentQuerySet.select_for_update

    def renewed_first(self: AssignmentQuerySet, *args: Any, **kwargs: Any) -> Any:
        """Renew a place's lease after the places were read and before they are locked."""
        monkeypatch.undo()
        elsewhere(lambda: Assignment.objects.filter(task=kept).update(lease_expires_at=now + HOUR)).join()
        return lock(self, *args, **kwargs)

    monkeypatch.setattr(AssignmentQuerySet, "select_for_update", renewed_first)
    with transaction.atomic():
        assert assignments.give_back(lapsed) == 1

    assert list(Assignment.objects.pending().values_list("task__rank", flat=True)) == [0]
    assert list(Task.objects.order_by("rank").values_list("free", flat=True)) == [0, 1]
