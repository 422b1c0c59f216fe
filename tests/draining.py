"""The due background steps, run in the test's own process."""

from collections.abc import Collection

from labeling.models import Job
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker

ON_THE_SIDE = (Job.Kind.SURVEY, Job.Kind.BASELINE, Job.Kind.CALIBRATE, Job.Kind.MISLABELED)
"""Slow steps that only measure."""


def drain(*, before: str = "", may_fail: bool = False, aside: Collection[str] = ()) -> None:
    """Run the due steps: all of them, or up to the first one of the kind `before`. Unless `may_fail`, none fails. Steps
    of the kinds `aside` count as done.
    """
    worker = Worker(run_step)
    while not (before and Job.objects.waiting().filter(kind=before).exists()) and worker.run_next():
        Job.objects.waiting().filter(kind__in=aside).update(state=Job.State.DONE)
    failed = Job.objects.filter(state=Job.State.FAILED).first()
    assert may_fail or failed is None, f"{failed}: {failed.reason}"  # type: ignore[union-attr]
