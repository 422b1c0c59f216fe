"""The steps by name. Importing this module loads torch: only the worker imports it."""

from __future__ import annotations

from collections.abc import Callable

from labeling.intake.run import import_items
from labeling.intake.watching.looking import look
from labeling.loop.step import GaveWay, Step, StepFailed
from labeling.models import Job
from labeling.steps.baseline import baseline
from labeling.steps.calibrate import calibrate
from labeling.steps.cluster import cluster
from labeling.steps.dataset import dataset
from labeling.steps.embed import embed
from labeling.steps.encode import encode
from labeling.steps.finish import finish
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
from labeling.steps.settle import settle
from labeling.steps.survey import survey
from labeling.steps.track import track
from labeling.steps.train import train
from models_store.networks import GraphError

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
