"""The steps by name. Importing this loads torch: only the worker does."""

from __future__ import annotations

from collections.abc import Callable

from labeling.models import Job
from labeling.pipeline.baseline import baseline
from labeling.pipeline.clustering import cluster
from labeling.pipeline.encoding import encode
from labeling.pipeline.importing.run import import_items
from labeling.pipeline.predicting.run import predict
from labeling.pipeline.selecting import select
from labeling.pipeline.step import Step
from labeling.pipeline.surveying import survey
from labeling.pipeline.training import embed, train

STEPS: dict[str, Callable[[Step], None]] = {
    Job.Kind.IMPORT: import_items,
    Job.Kind.ENCODE: encode,
    Job.Kind.TRAIN: train,
    Job.Kind.EMBED: embed,
    Job.Kind.CLUSTER: cluster,
    Job.Kind.SELECT: select,
    Job.Kind.SURVEY: survey,
    Job.Kind.PREDICT: predict,
    Job.Kind.BASELINE: baseline,
}


def run_step(step: Step) -> None:
    """Run the step that the job names."""
    STEPS[step.job.kind](step)
