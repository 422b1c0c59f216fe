"""The state of a project as one dictionary: for the command `status`, for pages and for monitoring.

The numbers agree with the exports to the row: an export has `items.labeled` rows, of which a batch has its `labeled`,
and the export's option `skipped` adds `items.skipped` rows.
"""

from typing import Any

from django.db.models import Count, F, OuterRef, Q, QuerySet, Sum
from django.utils import timezone

from labeling.insight.attention import flagged_in
from labeling.insight.control_slice import ControlSlice
from labeling.insight.pool_counts import batch_sums, encoded_items, unlabeled_items
from labeling.insight.progress import seconds_until_open
from labeling.insight.work import held_in
from labeling.labels.counting import counted
from labeling.models import Job, Project, Task, WorkLog
from labeling.projects import quota
from labeling.projects.limits import ITEMS, MEMBERS
from labeling.projects.version_in_use import in_use

_FACTS = ("number", "state", "reason", "strategy", "size", "remaining", "labeled", "dropped")
_TIMES = ("deadline_at", "created_at", "opened_at", "completed_at", "done_at")
"""What is listed of each batch."""
# The most imports, failures and delayed steps that are listed.
LISTED = 20


def status_of(project: Project) -> dict[str, Any]:
    """Return the state of the project as plain values. The number of queries does not depend on the project's size."""
    batches, use = _batches(project), quota.use_of(project)
    current = project.batches.active().current()
    active = next((batch for batch in batches if current and batch["number"] == current.number), None)
    return {
        "project": project.slug,
        "name": project.name,
        "kind": project.kind,
        "question": project.question,
        "loop": project.loop,
        "items": {**items_of(project), "skipped": sum(batch["skipped"] for batch in batches)},
        "annotations": _annotations(project),
        "batch": active and {**active, "leased": leased_of(project)},
        "step": _step(project),
        "batches": batches,
        "models": models_of(project),
        "model_in_use": used.version.number if (used := in_use(project)) else None,
        "storage": use.by_name(),
        "limits": limits_of(project, use),
        "imports": _imports(project),
        "failures": failures_of(project),
        "put_off": put_off_of(project),
    }


def items_of(project: Project) -> dict[str, int]:
    """Return the numbers of the project's items by state.

    The queries count only the items without a row, the control items and the excluded items.
    """
    items = project.items
    encoded = encoded_items(project)
    batches = batch_sums(project)
    without_row = items.filter(row__isnull=True).aggregate(
        n=Count("pk"), unreadable=Count("pk", filter=~Q(encode_error=""))
    )
    unpicked = Q(row__isnull=False, task__isnull=True)
    excluded = items.excluded().aggregate(n=Count("pk"), unpicked=Count("pk", filter=unpicked))
    return {
        "total": encoded + without_row["n"],
        "encoded": encoded,
        "unreadable": without_row["unreadable"],
        "unlabeled": unlabeled_items(project, encoded, batches, excluded["unpicked"]),
        "labeled": batches["labeled"],
        "excluded": excluded["n"],
        "control": items.control().count(),
        "control_labeled": items.control().labeled().count(),
    }


def _batches(project: Project) -> list[dict[str, Any]]:
    """Return all batches in order. A task with all its answers is answered, and skipped if its item has no label."""
    batches = project.batches.order_by("number").values(
        *_FACTS,
        *_TIMES,
        control=F("control_tasks"),
        further_answered=counted(Task.objects.further().filter(batch=OuterRef("pk"), outstanding=0)),
        picked_by=F("selected_by__number"),
        trained=F("model_version__number"),
    )
    return [_batch(**batch) for batch in batches]


def _batch(*, further_answered: int, picked_by: int | None, trained: int | None, **facts: Any) -> dict[str, Any]:
    answered = facts["size"] - facts["remaining"]
    skipped = answered - further_answered - facts["labeled"]
    return {**facts, "answered": answered, "skipped": skipped, "selected_by": picked_by, "model_version": trained}


def leased_of(project: Project) -> int:
    """Return the number of assignments with a running lease on tasks of active batches."""
    return held_in(project.batches.active(), timezone.now()).count()


def _annotations(project: Project) -> dict[str, int]:
    work = WorkLog.objects.by_people(project)
    counts = work.aggregate(answers=Sum("answers", default=0), skips=Sum("skips", default=0))
    flagged = flagged_in(project).count()
    return {"total": counts["answers"] + counts["skips"], **counts, "flagged": flagged}


def _step(project: Project) -> dict[str, Any] | None:
    """Return the running background step, or the first that waits for a worker; None if there is none."""
    # By state: "running" sorts before "waiting".
    job = (
        project.jobs.unfinished()
        .exclude(kind=Job.Kind.REPLACE)
        .select_related("batch")
        .order_by("state", "-urgent", "pk")
        .first()
    )
    if job is None:
        return None
    running = job.state == Job.State.RUNNING
    return {
        "kind": job.kind,
        "state": job.state,
        "phase": job.phase if running else "",
        "share": job.share if running else 0.0,
        "batch": job.batch.number if job.batch else None,
        "started_at": job.started_at if running else None,
        "heartbeat_at": job.heartbeat_at if running else None,
        "seconds_until_open": seconds_until_open(project),
    }


def models_of(project: Project, control: ControlSlice | None = None) -> list[dict[str, Any]]:
    """Return all versions in order, each measured twice on control items, from which it never learned. `control`: the
    project's control slice, read if needed.

    `metrics`: after the training, on the control items labeled by then. `control_now`: on all control items labeled by
    now, so that versions can be compared.
    """
    control = control or ControlSlice(project)
    return [
        {
            "version": version.number,
            "origin": version.origin,
            "batch": version.last_batch or None,
            "labels": version.labels,
            "metrics": version.metrics,
            "control_now": control.measure(version),
            "held_back": version.held_back,
            "seconds": version.seconds,
            "created_at": version.created_at,
        }
        for version in project.versions.select_related("batch").order_by("number")
    ]


def limits_of(project: Project, use: quota.Use) -> dict[str, dict[str, int | None]]:
    """Return the project's items and members, each `used` beside its `limit`: None for no limit."""
    return {
        "items": {"used": use.items, "limit": ITEMS.allowed(use.own_item_limit)},
        "members": {"used": project.memberships.count(), "limit": MEMBERS.allowed(project.member_limit)},
    }


def _imports(project: Project) -> list[dict[str, Any]]:
    """Return the newest imports."""
    values: QuerySet[Any] = project.imports.order_by("-pk").values(
        "name", "state", "reason", "position", "total", "accepted", "labeled", "rejected", "created_at", "finished_at"
    )
    return list(values[:LISTED])


def failures_of(project: Project) -> list[dict[str, Any]]:
    """Return the failed steps that a manager must retry, newest first; no predictions: people request them again."""
    failed = project.jobs.filter(state=Job.State.FAILED).exclude(kind=Job.Kind.PREDICT).order_by("-pk")
    values = failed.values_list("kind", "batch__number", "item_import__name", "reason")[:LISTED]
    return [{"step": kind, "batch": batch, "import": name, "reason": reason} for kind, batch, name, reason in values]


def put_off_of(project: Project) -> list[dict[str, Any]]:
    """Return steps that a temporary condition stopped, with the time of their next attempt."""
    waiting = project.jobs.waiting().exclude(reason="").order_by("run_after", "pk")
    values = waiting.values_list("kind", "batch__number", "item_import__name", "reason", "run_after")[:LISTED]
    return [
        {"step": kind, "batch": batch, "import": name, "reason": reason, "retry_at": retry_at}
        for kind, batch, name, reason, retry_at in values
    ]
