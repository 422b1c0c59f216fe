"""Where a project stands, as one dictionary: for `status`, for pages, for whoever watches the loop.

The numbers agree with the exports to the row: `items.labeled` is the number of rows of an export, `labeled` of a batch
the number of its rows, `items.skipped` what `skipped` adds to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Count, F, Q, Sum
from django.utils import timezone

from labeling.answering.batches import seconds_until_open
from labeling.insight.control_slice import ControlSlice
from labeling.loop.versions import in_use
from labeling.models import Annotation, Assignment, Batch, Job, Project, Task
from labeling.projects import storage

# Imports and failures are listed up to this many.
LISTED = 20


def status_of(project: Project) -> dict[str, Any]:
    """Everything that is known of the project, as plain values. The number of queries does not depend on its size."""
    batches = _batches(project)
    active = next((batch for batch in batches if batch["state"] != Batch.State.DONE), None)
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
        "model_in_use": found.version.number if (found := in_use(project)) else None,
        "storage": storage_of(project),
        "imports": _imports(project),
        "failures": failures_of(project),
    }


def items_of(project: Project) -> dict[str, int]:
    """How many items there are of each kind. Counts over indexes alone: it reads no items, tasks or annotations."""
    items = project.items
    encoded = items.filter(row__isnull=False).count()
    taken = project.batches.aggregate(n=Sum("size", default=0))["n"]
    return {
        "total": items.count(),
        "encoded": encoded,
        "unreadable": items.filter(row__isnull=True).exclude(encode_error="").count(),
        "unlabeled": encoded - taken,  # as many as `items.unlabeled()` finds, by visiting all of them
        "labeled": items.labeled().count(),
        "control": items.control().count(),
        "control_labeled": items.control().labeled().count(),
    }


def _batches(project: Project) -> list[dict[str, Any]]:
    """All batches in order. A task is answered when it has all its answers; skipped, when none of them is a label."""
    answered = Q(outstanding=0)
    labeled = Q(item__label__isnull=False)
    counts = {
        batch: {"labeled": n_labeled, "skipped": n_skipped}
        for batch, n_labeled, n_skipped in Task.objects.filter(batch__project=project)
        .order_by()
        .values("batch")
        .annotate(labeled=Count("pk", filter=labeled), skipped=Count("pk", filter=answered & ~labeled))
        .values_list("batch", "labeled", "skipped")
    }
    found = project.batches.order_by("number").values(
        "pk",
        "number",
        "state",
        "reason",
        "strategy",
        "size",
        "remaining",
        "control_tasks",
        "dropped",
        "deadline_at",
        "created_at",
        "opened_at",
        "completed_at",
        "done_at",
        selected_with=F("selected_by__number"),
        trained=F("model_version__number"),
    )
    return [_batch(batch, counts.get(batch["pk"], {"labeled": 0, "skipped": 0})) for batch in found]


def _batch(batch: Mapping[str, Any], counts: Mapping[str, int]) -> dict[str, Any]:
    return {
        "number": batch["number"],
        "state": batch["state"],
        "reason": batch["reason"],
        "strategy": batch["strategy"],
        "selected_by": batch["selected_with"],
        "model_version": batch["trained"],
        "size": batch["size"],
        "answered": batch["size"] - batch["remaining"],
        "remaining": batch["remaining"],
        **counts,
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
    held = Assignment.objects.pending().filter(task__batch__in=project.batches.active())
    return held.filter(lease_expires_at__gt=timezone.now()).count()


def _annotations(project: Project) -> dict[str, int]:
    answer = Q(value__isnull=False)
    counts = (
        Annotation.objects.standing()
        .filter(task__batch__project=project)
        .aggregate(
            total=Count("pk"),
            answers=Count("pk", filter=answer),
            skips=Count("pk", filter=~answer),
            flagged=Count("pk", filter=Q(flagged=True)),
        )
    )
    return dict(counts)


def _step(project: Project) -> dict[str, Any] | None:
    """The background step under way, or the first that waits for a worker; None if there is nothing to do."""
    # By name of the state "running" comes before "waiting".
    job = project.jobs.unfinished().select_related("batch").order_by("state", "-urgent", "pk").first()
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
    """Bytes that the project's files take, and may take."""
    use = storage.use_of(project)
    return {**use._asdict(), "total": use.total}


def _imports(project: Project) -> list[dict[str, Any]]:
    """The newest imports."""
    fields = ("name", "state", "reason", "position", "total", "accepted", "rejected", "created_at", "finished_at")
    return list(project.imports.order_by("-pk").values(*fields)[:LISTED])


def failures_of(project: Project) -> list[dict[str, Any]]:
    """Steps that failed and wait for somebody to act, the newest first. A prediction is asked for anew."""
    failed = project.jobs.filter(state=Job.State.FAILED).exclude(kind=Job.Kind.PREDICT).order_by("-pk")
    values = failed.values_list("kind", "batch__number", "item_import__name", "reason")[:LISTED]
    return [{"step": kind, "batch": batch, "import": name, "reason": reason} for kind, batch, name, reason in values]
