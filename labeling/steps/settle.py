"""Settle the labels of a complete batch in a project that trains no models; then the next batch can be picked."""

from __future__ import annotations

from labeling.intake import prediction_sets
from labeling.loop import batches
from labeling.loop.step import Step
from labeling.loop.table import BatchEvent
from labeling.queue import deadlines
from labeling.steps import batch_copies
from labeling.steps.resolve import resolve


def settle(step: Step) -> None:
    """Settle the labels, end the batch, and ask the project's server for newer predictions, if it has one."""
    batch, project = step.job.batch, step.job.project
    assert batch is not None
    deadlines.clear(batch=batch, writing=step.write)
    resolve(step, project)
    with step.write():
        batch_copies.update_radius(project)
    with step.finish():
        batches.advance(batch, BatchEvent.TRAINED)
        prediction_sets.ask_after_batch(project)
