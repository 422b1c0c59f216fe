"""Track: log a model version to MLflow, and register it there."""

from __future__ import annotations

from django.conf import settings
from django.utils import timezone

from labeling.loop.step import Step
from labeling.models import TrackedVersion
from labeling.outgoing.tracking import Tracker, TrackingError
from labeling.projects.version_in_use import in_use


def track(step: Step) -> None:
    """Register the version of the job's row, or record there why that is not possible."""
    tracked = TrackedVersion.objects.select_related("version__project", "version__batch", "version__parent").get(
        job=step.job
    )
    version, used = tracked.version, in_use(tracked.project)
    step.progress("sending the version to MLflow")(0)
    try:
        tracker = Tracker(version.project, uri=settings.MLFLOW_TRACKING_URI)
        found = tracker.register(version, in_use=used is not None and used.version == version)
    except TrackingError as error:
        with step.finish():
            tracked.step_failed(str(error))
        return
    with step.finish():
        TrackedVersion.objects.filter(pk=tracked.pk).update(
            state=TrackedVersion.State.DONE,
            model_name=found.name,
            model_version=found.number,
            reason="",
            finished_at=timezone.now(),
        )
