"""Test jobs that several processes enqueue, take and put back at the same moment."""

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from factories import make_project
from simultaneous import elsewhere

from labeling.models import Job
from labeling.models.jobs import JobQuerySet

pytestmark = pytest.mark.django_db(transaction=True)

ON_POSTGRESQL = pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")


@ON_POSTGRESQL
def test_a_step_that_is_taken_up_while_it_is_enqueued_again_is_enqueued_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """An import that ends at this moment has done its work, so it must not fail because the waiting row is gone."""
    project = make_project()
    waiting = Job.objects.enqueue(Job.Kind.ENCODE, project=project)
    create = JobQuerySet.create

    def beaten(self: JobQuerySet, **values: Any) -> Job:
        try:
            with transaction.atomic():
                return create(self, **values)
        except IntegrityError:
            monkeypatch.undo()
            elsewhere(lambda: Job.objects.take(waiting, "host:1:other", timezone.now())).join()
            raise

    monkeypatch.setattr(JobQuerySet, "create", beaten)
    with transaction.atomic():
        again = Job.objects.enqueue(Job.Kind.ENCODE, project=project)

    assert again.pk != waiting.pk
    assert dict(Job.objects.values_list("pk", "state")) == {waiting.pk: "running", again.pk: "waiting"}


@ON_POSTGRESQL
def test_a_waiting_step_is_not_taken_up_before_what_it_is_enqueued_for_is_there() -> None:
    """Encoding that began before the end of an import would miss its last items, and no encoding would follow."""
    project = make_project()
    waiting = Job.objects.enqueue(Job.Kind.ENCODE, project=project)
    with transaction.atomic():
        assert Job.objects.enqueue(Job.Kind.ENCODE, project=project).pk == waiting.pk
        taker = elsewhere(lambda: Job.objects.take(waiting, "host:1:other", timezone.now()))
        taker.join(0.3)
        assert taker.is_alive(), "it waits for the end of this transaction"
    taker.join()
    assert Job.objects.get().state == Job.State.RUNNING
