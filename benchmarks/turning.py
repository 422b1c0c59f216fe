"""A turn of the loop by the product's own steps, in this process: import, encode, batch, answers, training, next batch.

For benchmarks of big batches. Answers are written by plain SQL, as if people had given them.
"""

import json
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measuring import peak_bytes

PART = 1_000


@dataclass(frozen=True)
class Pool:
    """The items to import, and their right answers.

    `answer_of` maps an item's position in the file of vectors to its answer as stored. `companion`: a table with facts
    about each vector.
    """

    question: str
    classes: list[str]
    vectors: Path
    answer_of: Callable[[int], Any]
    companion: Path | None = None


class Clock:
    """Records the steps: name, seconds, processor seconds, peak memory in MB, start and end, and the rise of each of
    the `gauges`.

    Processor seconds hardly depend on other processes. `before` is called before each step.
    """

    def __init__(
        self, gauges: Callable[[], Mapping[str, float]] = dict, *, before: Callable[[], None] = lambda: None
    ) -> None:
        self.steps: list[dict[str, Any]] = []
        self._gauges, self._before = gauges, before

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self._before()
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")  # the most memory from here on
        gauges, began, cpu = self._gauges(), time.time(), time.process_time()
        yield
        ended, cpu = time.time(), time.process_time() - cpu
        rose = {name: value - gauges[name] for name, value in self._gauges().items()}
        memory = peak_bytes() / 1e6
        self.steps.append({"step": name, "seconds": ended - began, "cpu_seconds": cpu, "memory_mb": memory,
                           "began": began, "ended": ended, **rose})  # fmt: skip
        told = "".join(f", {gauge} {value:,.0f}" for gauge, value in rose.items())
        print(
            f"{name}: {ended - began:.1f} s, {cpu:.1f} s of the processor, {memory:.0f} MB{told}",
            file=sys.stderr,
            flush=True,
        )


@contextmanager
def as_a_worker() -> Iterator[None]:
    """Use the threads of `manage.py worker`, and load and compile in advance what the worker does."""
    import torch
    from threadpoolctl import threadpool_limits

    from labeling.steps.compute import compute

    threads = max(1, (os.cpu_count() or 1) - 1)
    torch.set_num_threads(threads)
    with threadpool_limits(threads):
        compute.prepare()
        yield


def turn(pool: Pool, *, slug: str, size: int, clock: Clock) -> None:
    """Turn the loop once in a new project, with batches of `size`, and pick once more. Django is set up."""
    from labeling.intake.run import import_items
    from labeling.intake.uploads import register
    from labeling.loop import batches
    from labeling.loop.step import Step
    from labeling.loop.table import BatchEvent
    from labeling.models import Job, Project
    from labeling.models.jobs import worker_name
    from labeling.outgoing.exports import export
    from labeling.projects.create import create_project

    settings = {"question": pool.question, "seed": 1, "batch_size": size, "pick_ahead": None}
    project = create_project(slug=slug, kind="vector", classes=pool.classes, settings=settings)
    job = register(project=project, user=None, path=pool.vectors, name=pool.vectors.name, strict=True,
                   truth_path=pool.companion, taken_by=worker_name())  # fmt: skip
    with clock.step("import"):
        import_items(Step(job, gives_way=False))
    _run_jobs(clock, until=lambda: project.batches.open().exists(), first="select (at random)")
    batch = project.batches.get()
    with clock.step("answer by SQL"):
        _answer(batch, pool.answer_of)
        batches.advance(batch, BatchEvent.ANSWERED)
    _run_jobs(clock, until=lambda: project.batches.filter(number=2, state="open").exists())
    with clock.step("export as JSONL"):
        project = Project.objects.get(pk=project.pk)
        assert sum(len(part) for part in export(project, "jsonl"))
    assert not Job.objects.filter(state=Job.State.FAILED).exists(), "a step has failed"


def _run_jobs(clock: Clock, *, until: Callable[[], bool], first: str = "") -> None:
    """Run the due jobs, except those that no user waits for."""
    from django.utils import timezone

    from labeling.loop.step import Step
    from labeling.models import Job
    from labeling.models.job_kinds import PATIENT_KINDS
    from labeling.models.jobs import worker_name
    from labeling.steps.registry import run_step

    while not until():
        Job.objects.waiting().update(run_after=timezone.now())
        job = Job.objects.due(timezone.now()).exclude(kind__in=PATIENT_KINDS).first()
        assert job is not None, "nothing is left to do"
        assert Job.objects.take(job, worker_name(), timezone.now())
        name = first if first and job.kind == Job.Kind.SELECT else str(job.kind)
        with clock.step(name):
            run_step(Step(job, gives_way=False))


def _answer(batch: Any, answer_of: Callable[[int], Any]) -> None:
    """Answer all tasks of the batch, in several transactions."""
    from django.db import transaction
    from django.utils import timezone

    from labeling.models import Annotation, Batch, Task
    from labeling.projects.people.members import get_or_create_user
    from labeling.storage.db.long_writes import keep_log_short
    from labeling.storage.db.statements import change_each, insert_many, stored

    user, _ = get_or_create_user("annotator")
    tasks = list(batch.tasks.order_by("rank").values_list("pk", "item_id", "item__source"))
    fixed = {"skip_reason": "", "seconds": 1.0, "flagged": False, "class_revision": 0, "guidelines_version": 0,
             "sampled": False}  # fmt: skip
    columns = ("id", "task", "user", "value", "created_at", *fixed)
    for start in range(0, len(tasks), PART):
        now = timezone.now()
        moment = stored(Annotation, "created_at", now)
        # The position in the file identifies an item, because rows are assigned at random.
        part = [(task, item, json.dumps(answer_of(int(source.removeprefix("row ")) - 1)))
                for task, item, source in tasks[start : start + PART]]  # fmt: skip
        rows = [(stored(Annotation, "id", uuid.uuid4()), task, user.pk, answer, moment, *fixed.values())
                for task, _, answer in part]  # fmt: skip
        with transaction.atomic():
            insert_many(Annotation, columns, rows)
            Task.objects.filter(pk__in=[task for task, _, _ in part]).update(free=0, outstanding=0)
            change_each("UPDATE labeling_item SET label = %s, agreement = 1, labeled_at = %s WHERE id = %s",
                        [(answer, moment, item) for _, item, answer in part])  # fmt: skip
        time.sleep(0.02)
        keep_log_short()
    Batch.objects.filter(pk=batch.pk).update(remaining=0)
