"""Relabel: let labels follow classes that were merged, or are apart again."""

from __future__ import annotations

from labeling.answering import relabeling
from labeling.loop.step import Step


def relabel(step: Step) -> None:
    """Settle the labels again that the project's changes of classes are about."""
    report = step.progress("changing labels")
    report(0)
    relabeling.relabel(step.job.project, writing=step.write, progress=report)
    with step.finish():
        pass
