"""The due background steps, run in the test's own process."""

from labeling.models import Job
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker


def drain(*, before: str = "", may_fail: bool = False) -> None:
    """Run the due steps: all of them, or up to the first one of the kind `before`. Unless `may_fail`, none fails."""
    worker = Worker(run_step)
    while not (before and Job.objects.waiting().filter(kind=before).exists()) and worker.run_next():
        pass
    failed = Job.objects.filter(state=Job.State.FAILED).first()
    assert may_fail or failed is None, f"{failed}: {failed.reason}"  # type: ignore[union-attr]
