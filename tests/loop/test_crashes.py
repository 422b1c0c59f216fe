"""Test that the loop continues after `kill -9` at any moment, and does nothing twice."""

import random
import signal
import time
from pathlib import Path

import pytest
from digits import annotator, answer_batch, digits_project, digits_zip
from django.db.models import QuerySet
from processes import manage, wait_until, worker
from starter import Process

from labeling.models import Item, ItemImport, Job, Project
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker
from labeling.storage.arrays.files import ProjectFiles

pytestmark = pytest.mark.django_db(transaction=True)


def running(kind: str, phase: str = "") -> QuerySet[Job]:
    """Return the running steps of this kind that have reported progress."""
    return Job.objects.running().filter(kind=kind, phase__startswith=phase).exclude(phase="")


def drain() -> None:
    """Run the remaining steps in this process, as any other worker would."""
    worker = Worker(run_step)
    worker.look_around()
    while worker.run_next():
        pass
    assert not Job.objects.unfinished().exists()


def kill(process: Process) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def attempts() -> set[tuple[int, int]]:
    """Return the number of attempts of each job, which rises when a worker takes it."""
    return set(Job.objects.values_list("pk", "attempts"))


def check_rounds(project: Project, rounds: int) -> None:
    """Check that each batch has one version, each row its place, and that no step failed."""
    assert list(project.batches.order_by("number").values_list("number", "state")) == [
        *((number, "done") for number in range(1, rounds + 1)),
        (rounds + 1, "open"),
    ]
    assert list(project.versions.order_by("number").values_list("number", "batch__number")) == [
        (number, number) for number in range(1, rounds + 1)
    ]
    rows = list(project.items.order_by("row").values_list("row", flat=True))
    assert rows == list(range(len(rows)))
    for batch in project.batches.all():
        assert batch.tasks.count() == batch.size
        assert sorted(batch.tasks.values_list("rank", flat=True)) == list(range(batch.size))
    assert not Job.objects.filter(state=Job.State.FAILED).exists()


@pytest.mark.long
def test_worker_killed_in_the_midst_of_each_long_step(tmp_path: Path) -> None:
    """The worker is killed in encoding, training, survey and calibration."""
    training = {"epochs": 20, "min_steps": 200, "learns_from": "labels"}
    project = digits_project(tmp_path, n=1500, batch_size=150, training=training, encoder={})
    user = annotator(project)
    with worker() as process:
        wait_until(running(Job.Kind.ENCODE).exists)
        kill(process)
    assert running(Job.Kind.ENCODE).exists(), "the step was over before it could be killed"

    with worker() as process:
        wait_until(project.batches.open().exists)
        assert project.items.filter(row__isnull=False).count() == 1500
        answer_batch(project, user)
        wait_until(running(Job.Kind.TRAIN, "training").exists)
        kill(process)
    assert running(Job.Kind.TRAIN, "training").exists(), "the step was over before it could be killed"

    folder = ProjectFiles(project).root
    with worker() as process:
        wait_until(running(Job.Kind.CALIBRATE, "calibrating").filter(detail__startswith="training 2").exists)
        kill(process)
    assert running(Job.Kind.CALIBRATE, "calibrating").exists(), "the step was over before it could be killed"
    assert project.batches.get(number=2).state == "open", "nobody waits for it"
    # The second may end before the kill.
    assert len(list(folder.glob("calibrating*.safetensors"))) in (1, 2), "trainings that came to their end"

    with worker() as process:
        wait_until(running(Job.Kind.SURVEY, "drawing").filter(batch__number=2).exists)
        kill(process)
    assert running(Job.Kind.SURVEY, "drawing").exists(), "the step was over before it could be killed"

    drain()
    assert ProjectFiles(project).map(2).exists()
    check_rounds(project, 1)
    assert project.versions.get().calibration["labels"] > 80
    assert not [*folder.glob("training*"), *folder.glob("calibrating*")]


def test_worker_killed_at_any_moment(tmp_path: Path) -> None:
    """In each round a worker is killed some time after it took its first step; the last one may finish."""
    project = digits_project(tmp_path, n=400)
    user = annotator(project)
    rng = random.Random(11)
    for number in (1, 2):
        before = attempts()
        with worker() as process:
            wait_until(lambda before=before: attempts() != before or not Job.objects.unfinished().exists())
            time.sleep(0.1 * rng.random())  # the shortest step takes longer than that
            kill(process)
        drain()
        assert answer_batch(project, user).number == number
    with worker("--drain") as process:
        process.wait()
    assert process.returncode == 0
    assert Job.objects.filter(attempts__gt=1).exists(), "no step was killed: they were all over before"
    check_rounds(project, 2)


@pytest.mark.long
def test_killed_import_goes_on_where_it_was(tmp_path: Path) -> None:
    digits_project(tmp_path, run_import=False)
    path = digits_zip(tmp_path / "digits.zip", 1500)
    process = manage("import_items", "digits", str(path))
    wait_until(lambda: Item.objects.count() > 0)
    process.kill()
    process.communicate()
    item_import = ItemImport.objects.get()
    assert item_import.state == ItemImport.State.RUNNING
    assert 0 < item_import.position == Item.objects.count() < 1500

    again = manage("import_items", "digits", str(path))
    output = again.communicate()[0]
    assert again.returncode == 0, output
    assert f"going on behind record {item_import.position}" in output
    assert ItemImport.objects.get().accepted == Item.objects.count() == 1500


@pytest.mark.long
def test_stopping_a_worker_leaves_nothing_running(tmp_path: Path) -> None:
    digits_project(tmp_path, n=1797)
    with worker() as process:
        wait_until(running(Job.Kind.ENCODE).exists)
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: process.poll() is not None)
        assert process.returncode == 0
    assert not Job.objects.running().exists()
    assert Job.objects.waiting().filter(kind=Job.Kind.ENCODE).exists()
