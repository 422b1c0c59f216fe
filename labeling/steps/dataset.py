"""Write a dataset version that a person asked for."""

from __future__ import annotations

from labeling.labels.items.filter import FilterError
from labeling.loop.step import Step, StepFailed
from labeling.models import DatasetVersion
from labeling.outgoing.datasets.creating import write
from labeling.outgoing.datasets.freeze import freeze
from labeling.projects import quota


def dataset(step: Step) -> None:
    """Write the version of the job."""
    version: DatasetVersion = step.job.dataset
    step.progress("reading the labels")(0)
    try:
        draft = f"job-{step.job.pk}"
        write(version, freeze(version, draft=draft), draft=draft, writing=step.finish)
    except FilterError as error:  # a batch that it names is gone
        raise StepFailed(" ".join(error.fields.values())) from error
    except quota.NoRoom as error:
        raise StepFailed(str(error.message)) from error
