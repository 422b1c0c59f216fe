"""Regular work of a worker beside its steps: recount counters once a day, refresh PostgreSQL's statistics, deliver the
messages of webhooks, tell of waiting reviews and reached goals, and remove old events and notices.
"""

import datetime
import logging

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from labeling.finishing import reaching
from labeling.insight.review import Reason, waiting
from labeling.labels import counting, label_counts
from labeling.models import Batch, Delivery, Event, EventType, Job, Notice, NoticeKind, Project, Webhook, WorkLog
from labeling.outside.webhooks.delivering import deliver
from labeling.storage.db.statements import analyze, rows

logger = logging.getLogger(__name__)

DAY = datetime.timedelta(days=1)
# The first recount begins this long after the worker, which has more urgent work at its start.
FIRST = datetime.timedelta(hours=1)
# Tables with fewer changed rows keep their statistics: every plan reads a small table quickly.
FEW = 1000
EVERY = datetime.timedelta(minutes=1)
"""The time between two looks at the reviewers' queues, which are expensive to read."""
BACK = datetime.timedelta(hours=1)
"""Each look covers what happened so long before the last one: a transaction may have ended late, or no worker ran."""
KEPT = datetime.timedelta(days=30)


class Recounts:
    """Recounts every batch once a day, at most two at a call, and stores the label counts of done batches."""

    def __init__(self) -> None:
        self._due: list[int] = []
        self._next: datetime.datetime | None = None

    def __call__(self, now: datetime.datetime) -> None:
        uncounted = Batch.objects.filter(state=Batch.State.DONE, label_counts=None).first()
        if uncounted is not None:
            recount(uncounted)
        if self._next is None:
            self._next = now + FIRST
        if now >= self._next:
            self._next = now + DAY
            self._due = list(Batch.objects.order_by("-pk").values_list("pk", flat=True))
        batch = Batch.objects.filter(pk=self._due.pop()).first() if self._due else None
        if batch is not None:
            recount(batch)


def recount(batch: Batch) -> list[str]:
    """Correct the batch's counters and store its label counts. Log and return a line for each counter that differed."""
    lines = counting.recount(batch)
    for line in lines:
        logger.warning("Mended a counter. %s", line)
    label_counts.store_counts(batch)
    return lines


def refresh_statistics(now: datetime.datetime) -> None:
    """Analyze each table of this application in which more rows have changed than it had at the last analysis.

    PostgreSQL reuses the plan of a repeated statement until the statistics of its tables change, which autovacuum does
    only after a minute or more. On a new installation, or at the beginning of a first large project, claims would until
    then scan whole tables, by plans made for empty ones.
    """
    if connection.vendor != "postgresql":
        return
    grown = rows(
        """
        SELECT s.relname FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
        WHERE s.schemaname = current_schema() AND s.relname LIKE %s
        AND s.n_mod_since_analyze > %s AND s.n_mod_since_analyze > c.reltuples
        """,
        ["labeling\\_%", FEW],
    )
    for (table,) in grown:
        analyze(table)


class Messenger:
    """Delivers the messages of webhooks at each call, and does the rest once a minute."""

    def __init__(self) -> None:
        self._looked: datetime.datetime | None = None

    def __call__(self) -> None:
        now = timezone.now()
        if self._looked is None or abs(now - self._looked) >= EVERY:
            since = min(self._looked or now, now) - BACK
            self._looked = now
            tell_of_reviews(since=since)
            reaching.look(now)
            remove_old(now)
        deliver()


def tell_of_reviews(*, since: datetime.datetime) -> None:
    """Tell webhooks and reviewers of each project that has items that wait for a review, and had none before.

    Items begin to wait by answers and by steps: of other projects than those with one after `since`, only those are
    looked at whose items waited.
    """
    at_work = Webhook.objects.active().filter(project__archived_at=None).select_related("project")
    asking = [each for each in at_work if EventType.REVIEW_WAITING in each.events]
    answers = WorkLog.objects.filter(batch__project=OuterRef("pk"), last_at__gte=since)
    steps = Job.objects.filter(project=OuterRef("pk"), finished_at__gte=since)
    busy = Project.objects.kept().filter(Q(Exists(answers) | Exists(steps)) | Q(reviews_since__isnull=False))
    for project in {*busy.filter(archived_at=None), *(each.project for each in asking)}:
        waits = any(waiting(project, reason, most=1) for reason in Reason)
        _tell_reviewers(project, waits)
        for webhook in asking:
            if webhook.project == project and webhook.reviews_sent != waits:
                _note(webhook, waits)


@transaction.atomic
def _tell_reviewers(project: Project, waits: bool) -> None:
    """Store since when items wait, and the notices if they begin to and another worker has not stored them."""
    now = timezone.now()
    before = Project.objects.filter(pk=project.pk, reviews_since__isnull=waits)
    if before.update(reviews_since=now if waits else None) and waits:
        Notice.objects.tell_members(NoticeKind.REVIEW_WAITING, project, about=now.isoformat())


@transaction.atomic
def _note(webhook: Webhook, waits: bool) -> None:
    """Store whether items wait for a review, and send the event if they do and another worker has not sent it."""
    if Webhook.objects.filter(pk=webhook.pk, reviews_sent=not waits).update(reviews_sent=waits) and waits:
        Event.objects.send(EventType.REVIEW_WAITING, webhook.project, [webhook])


def remove_old(now: datetime.datetime) -> None:
    """Remove events older than `KEPT` with their deliveries, unless one of them waits, and old notices."""
    waits = Delivery.objects.waiting().filter(event=OuterRef("pk"))
    Event.objects.filter(created_at__lt=now - KEPT).exclude(Exists(waits)).delete()
    Notice.objects.filter(created_at__lt=now - Notice.KEPT).delete()
