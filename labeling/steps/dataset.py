"""Write a dataset version that a person asked for."""

from __future__ import annotations

from labeling.items.filter import FilterError
from labeling.loop.step import Step, StepFailed
from labeling.models import DatasetVersion
from labeling.outgoing.datasets.freeze import freeze, keep
from labeling.projects import quota


def dataset(step: Step) -> None:
    """Write the version of the job. A version that is written already stays as it is."""
    version: DatasetVersion = step.job.dataset
    step.progress("reading the labels")(0)
    try:
        files = freeze(version, draft=f"job-{step.job.pk}")
        with step.finish():
            keep(version, files)
    except FilterError as error:  # a batch that it names is gone
        raise StepFailed(" ".join(error.fields.values())) from error
    except quota.NoRoom as error:
        raise StepFailed(str(error.message)) from error
