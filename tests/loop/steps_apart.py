"""Workers in processes of their own, whose steps hang or take memory on request."""

from collections.abc import Iterator
from contextlib import contextmanager

from factories import make_items, make_open_batch, make_project
from processes import environment
from starter import Process

from labeling.models import Batch, Job

# Run by `manage.py shell`. What a step does is said by its project's slug.
PROGRAM = """
import re, time
import numpy as np
from django.core.management import call_command
from labeling.loop import turns
from labeling.management.commands import worker
from labeling.models import Project

def run(step):
    does = step.job.project.slug.split("-")[0]
    step.report(does, 0.5)
    if does == "hangs":
        time.sleep(3600)
    if does == "holds":  # the interpreter, so that no other thread of the process gets a turn
        re.match(r"(a+)+$", "a" * 60 + "b")
    if does == "eats":
        kept = []
        while True:
            kept.append(np.ones(4_000_000))
            time.sleep(0.01)
    if does == "reads":  # the database, until it says that this is enough
        while not Project.objects.filter(pk=step.job.project_id, name="enough").exists():
            time.sleep(0.01)
    with step.finish():
        pass
    if does == "lingers":
        time.sleep(1)

worker.run_step = run
{settings}
call_command("worker", {arguments})
"""


def enqueued(slug: str, kind: str = Job.Kind.TRAIN) -> Job:
    """Enqueue a step of a new project with this slug; a training has its batch."""
    project = make_project(slug)
    batch = make_open_batch(project, make_items(project, 1)) if kind == Job.Kind.TRAIN else None
    if batch:
        Batch.objects.filter(pk=batch.pk).update(state=Batch.State.TRAINING)
    return Job.objects.enqueue(kind, project=project, batch=batch)


@contextmanager
def worker_of_steps(*arguments: str, settings: str = "", **variables: str) -> Iterator[Process]:
    """Start a worker with such steps. `settings`: lines of Python that run before the worker."""
    program = PROGRAM.format(settings=settings, arguments=", ".join(map(repr, arguments)) or "stdout=None")
    process = Process(["shell", "--no-imports", "--command", program], {**environment(), **variables})
    try:
        yield process
    finally:
        process.kill()
        if not process.stdout.closed:
            print(process.communicate()[0])  # noqa: T201
