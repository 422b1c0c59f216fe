"""The steps by name, and the shortest of them. Importing this module loads torch: only the worker imports it."""

from collections.abc import Callable

from django.conf import settings
from django.utils import timezone

from labeling.finishing.advance import advance
from labeling.intake.run import import_items
from labeling.intake.watching.looking import look
from labeling.labels.items.filter import FilterError
from labeling.loop import batches
from labeling.loop.step import GaveWay, Step, StepFailed
from labeling.models import DatasetVersion, Job, TrackedVersion
from labeling.outgoing.datasets.creating import store_dataset
from labeling.outgoing.datasets.freeze import freeze
from labeling.outgoing.tracking import Tracker, TrackingError
from labeling.projects import quota
from labeling.projects.version_in_use import in_use
from labeling.steps.baseline import baseline
from labeling.steps.calibrate import calibrate
from labeling.steps.cluster import cluster
from labeling.steps.embed import embed
from labeling.steps.encode import encode
from labeling.steps.given import given
from labeling.steps.measure_encoders import measure_encoders
from labeling.steps.mislabeled import mislabeled
from labeling.steps.predict import predict
from labeling.steps.rebuild import mending, rebuild
from labeling.steps.register import register
from labeling.steps.repick import repick
from labeling.steps.replace import replace
from labeling.steps.resolve import relabel
from labeling.steps.select import select
from labeling.steps.survey import survey
from labeling.steps.train import settle, train
from models_store.networks import GraphError


def finish(step: Step) -> None:
    """Do what the project's goal needs now. See `labeling.finishing.advance`."""
    project = step.job.project
    advance(step, project)
    with step.finish():
        batches.ensure_next(project=project)  # items of a suspended certificate are in the pool again


def dataset(step: Step) -> None:
    """Write the dataset version that a person asked for."""
    version: DatasetVersion = step.job.dataset
    step.progress("reading the labels")(0)
    try:
        draft = f"job-{step.job.pk}"
        store_dataset(version, freeze(version, draft=draft), draft=draft, writing=step.finish)
    except FilterError as error:  # a batch that it names is gone
        raise StepFailed(" ".join(error.fields.values())) from error
    except quota.NoRoom as error:
        raise StepFailed(str(error.message)) from error


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


STEPS: dict[str, Callable[[Step], None]] = {
    Job.Kind.IMPORT: import_items,
    Job.Kind.SOURCE: look,
    Job.Kind.ENCODE: encode,
    Job.Kind.TRAIN: train,
    Job.Kind.SETTLE: settle,
    Job.Kind.GIVEN: given,
    Job.Kind.EMBED: embed,
    Job.Kind.CLUSTER: cluster,
    Job.Kind.SELECT: select,
    Job.Kind.REPICK: repick,
    Job.Kind.REPLACE: replace,
    Job.Kind.RELABEL: relabel,
    Job.Kind.SURVEY: survey,
    Job.Kind.PREDICT: predict,
    Job.Kind.REGISTER: register,
    Job.Kind.TRACK: track,
    Job.Kind.BASELINE: baseline,
    Job.Kind.CALIBRATE: calibrate,
    Job.Kind.MISLABELED: mislabeled,
    Job.Kind.ENCODERS: measure_encoders,
    Job.Kind.FINISH: finish,
    Job.Kind.DATASET: dataset,
    Job.Kind.REBUILD: rebuild,
}


def run_step(step: Step) -> None:
    """Run the step of the job's kind; rebuild damaged files that it finds, and run it again (`mending`)."""
    try:
        mending(STEPS[step.job.kind], step)
    except GaveWay:
        step.give_way()
    except GraphError as error:
        raise StepFailed(
            f"A registered model version cannot predict: {error} Choose another version, then retry."
        ) from error
