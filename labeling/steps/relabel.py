"""Relabel: resolve labels again after a merge or split of classes, or after a manager undid one."""

from __future__ import annotations

from labeling.answering import relabeling
from labeling.loop.step import Step


def relabel(step: Step) -> None:
    """Resolve the labels again that the project's pending changes of classes affect."""
    report = step.progress("changing labels")
    report(0)
    relabeling.relabel(step.job.project, writing=step.write, progress=report)
    with step.finish():
        pass
