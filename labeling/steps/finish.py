"""Finish: prove labels of the model by the answers to an audit, issue certificates, and plan the next audit."""

from __future__ import annotations

from labeling.finishing.advance import advance
from labeling.loop import batches
from labeling.loop.step import Step


def finish(step: Step) -> None:
    """Do what the project's goal needs now. See `labeling.finishing.advance`."""
    project = step.job.project
    advance(step, project)
    with step.finish():
        batches.ensure_next(project=project)  # items of a suspended certificate are in the pool again
