"""Where a project stands, as one dictionary: for `status`, for pages, for whoever watches the loop.

The numbers agree with the exports to the row: `items.labeled` is the number of rows of an export, `labeled` of a batch
the number of its rows, `items.skipped` what `skipped` adds to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Count, F, OuterRef, Q, Sum
from django.utils import timezone

from labeling.answering.counting import counted
from labeling.insight.attention import flagged_in
from labeling.insight.control_slice import ControlSlice
from labeling.insight.pool import encoded_of
from labeling.insight.work import held_in
from labeling.loop.progress import seconds_until_open
from labeling.loop.versions import in_use
from labeling.models import Job, Project, Task, WorkLog
from labeling.projects import storage

# Imports and failures are listed up to this many.
LISTED = 20


def status_of(project: Project) -> dict[str, Any]:
    """Everything that is known of the project, as plain values. The number of queries does not depend on its size."""
    batches = _batches(project)
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
        "storage": storage_of(project),
        "imports": _imports(project),
        "failures": failures_of(project),
        "put_off": put_off_of(project),
    }


def items_of(project: Project) -> dict[str, int]:
    """How many items there are of each kind. It counts no more than those without a row, the control items and those
    that are excluded.
    """
    items = project.items
    encoded = encoded_of(project)
    batches = project.batches.aggregate(
        items=Sum(F("size") - F("further"), default=0), labeled=Sum("labeled", default=0)
    )
    without_row = items.filter(row__isnull=True).aggregate(
        n=Count("pk"), unreadable=Count("pk", filter=~Q(encode_error=""))
    )
    unpicked = Q(row__isnull=False, task__isnull=True)
    excluded = items.excluded().aggregate(n=Count("pk"), unpicked=Count("pk", filter=unpicked))
    return {
        "total": encoded + without_row["n"],
        "encoded": encoded,
        "unreadable": without_row["unreadable"],
        # As many as `items.unlabeled()` finds, by visiting all of them.
        "unlabeled": encoded - batches["items"] - excluded["unpicked"] - items.gold_unpicked().count(),
        "labeled": batches["labeled"],
        "excluded": excluded["n"],
        "control": items.control().count(),
        "control_labeled": items.control().labeled().count(),
    }


def _batches(project: Project) -> list[dict[str, Any]]:
    """All batches in order. A task is answered when it has all its answers; skipped, when none of them is a label."""
    batches = project.batches.order_by("number").values(
        "pk",
        "number",
        "state",
        "reason",
        "strategy",
        "size",
        "further",
        "remaining",
        "labeled",
        "control_tasks",
        "dropped",
        "deadline_at",
        "created_at",
        "opened_at",
        "completed_at",
        "done_at",
        further_answered=counted(Task.objects.further().filter(batch=OuterRef("pk"), outstanding=0)),
        selected_with=F("selected_by__number"),
        trained=F("model_version__number"),
    )
    return [_batch(batch) for batch in batches]


def _batch(batch: Mapping[str, Any]) -> dict[str, Any]:
    answered = batch["size"] - batch["remaining"]
    return {
        "number": batch["number"],
        "state": batch["state"],
        "reason": batch["reason"],
        "strategy": batch["strategy"],
        "selected_by": batch["selected_with"],
        "model_version": batch["trained"],
        "size": batch["size"],
        "answered": answered,
        "remaining": batch["remaining"],
        "labeled": batch["labeled"],
        "skipped": answered - batch["further_answered"] - batch["labeled"],
        "control": batch["control_tasks"],
        "dropped": batch["dropped"],
        "deadline_at": batch["deadline_at"],
        "created_at": batch["created_at"],
        "opened_at": batch["opened_at"],
        "completed_at": batch["completed_at"],
        "done_at": batch["done_at"],
    }


def leased_of(project: Project) -> int:
    """Places on tasks of the active batch that annotators hold at this moment."""
    return held_in(project.batches.active(), timezone.now()).count()


def _annotations(project: Project) -> dict[str, int]:
    work = WorkLog.objects.filter(batch__project=project)
    counts = work.aggregate(answers=Sum("answers", default=0), skips=Sum("skips", default=0))
    flagged = flagged_in(project).count()
    return {"total": counts["answers"] + counts["skips"], **counts, "flagged": flagged}


def _step(project: Project) -> dict[str, Any] | None:
    """The background step under way, or the first that waits for a worker; None if there is nothing to do."""
    # By name of the state "running" comes before "waiting".
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


def models_of(project: Project) -> list[dict[str, Any]]:
    """All versions in order, each measured twice on control items, which it never saw: when it was trained, on those
    labeled by then (in `metrics`), and on all labeled by now (`control_now`), which makes versions comparable.
    """
    control = ControlSlice(project)
    return [
        {
            "version": version.number,
            "batch": version.batch.number,
            "labels": version.labels,
            "metrics": version.metrics,
            "control_now": control.measure(version),
            "held_back": version.held_back,
            "seconds": version.seconds,
            "created_at": version.created_at,
        }
        for version in project.versions.select_related("batch").order_by("number")
    ]


def storage_of(project: Project) -> dict[str, int]:
    """Bytes that the project takes, and may take."""
    use = storage.use_of(project)
    return {**use._asdict(), "total": use.total}


def _imports(project: Project) -> list[dict[str, Any]]:
    """The newest imports."""
    fields = (
        "name",
        "state",
        "reason",
        "position",
        "total",
        "accepted",
        "labeled",
        "rejected",
        "created_at",
        "finished_at",
    )
    return list(project.imports.order_by("-pk").values(*fields)[:LISTED])


def failures_of(project: Project) -> list[dict[str, Any]]:
    """Steps that failed and wait for somebody to act, the newest first. A prediction is asked for again."""
    failed = project.jobs.filter(state=Job.State.FAILED).exclude(kind=Job.Kind.PREDICT).order_by("-pk")
    values = failed.values_list("kind", "batch__number", "item_import__name", "reason")[:LISTED]
    return [{"step": kind, "batch": batch, "import": name, "reason": reason} for kind, batch, name, reason in values]


def put_off_of(project: Project) -> list[dict[str, Any]]:
    """Steps that something stopped that passes by itself, with the time from which they are tried again."""
    waiting = project.jobs.waiting().exclude(reason="").order_by("run_after", "pk")
    values = waiting.values_list("kind", "batch__number", "item_import__name", "reason", "run_after")[:LISTED]
    return [
        {"step": kind, "batch": batch, "import": name, "reason": reason, "retry_at": retry_at}
        for kind, batch, name, reason, retry_at in values
    ]
