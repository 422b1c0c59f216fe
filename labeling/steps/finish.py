"""Finish: prove labels of the model by the answers to an audit, issue certificates, and plan the next audit."""

from __future__ import annotations

from labeling.finishing.advance import advance
from labeling.loop.step import Step


def finish(step: Step) -> None:
    """Do what the project's goal needs now. See `labeling.finishing.advance`."""
    advance(step, step.job.project)
    with step.finish():
        pass
