"""`kill -9` at any moment: the loop goes on, and nothing is done twice."""

import random
import signal
import time
from pathlib import Path

import pytest
from digits import annotator, answer_batch, digits_project, digits_zip
from processes import manage, wait_until, worker

from labeling.arrays.files import ProjectFiles
from labeling.models import Item, ItemImport, Job, Project

pytestmark = pytest.mark.django_db(transaction=True)


def running(kind: str) -> bool:
    return Job.objects.running().filter(kind=kind, share__gt=0).exists()


def kill_during(kind: str) -> None:
    """Start a worker, and kill it while it is in the midst of a step of this kind."""
    with worker() as process:
        wait_until(lambda: Job.objects.running().filter(kind=kind).exclude(phase="").exists())
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert Job.objects.running().filter(kind=kind).exists(), "the step was over before it could be killed"


def attempts() -> set[tuple[int, int]]:
    """How often each job was taken up: it changes when a worker takes one."""
    return set(Job.objects.values_list("pk", "attempts"))


def check_rounds(project: Project, rounds: int) -> None:
    """One batch after the other, one version a batch, every row in its place, nothing failed."""
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


def test_worker_killed_in_the_midst_of_encoding_and_of_training(tmp_path: Path) -> None:
    project = digits_project(tmp_path, n=1200, training={})
    user = annotator(project)
    kill_during(Job.Kind.ENCODE)
    with worker():
        wait_until(lambda: project.batches.open().exists())
    assert project.items.filter(row__isnull=False).count() == 1200
    answer_batch(project, user)
    kill_during(Job.Kind.TRAIN)
    with worker("--drain") as process:
        process.wait()
    assert process.returncode == 0
    check_rounds(project, 1)


def test_worker_killed_while_the_model_is_calibrated_goes_on_behind_the_training(tmp_path: Path) -> None:
    project = digits_project(tmp_path, n=600, batch_size=150, training={})
    user = annotator(project)
    with worker("--drain") as process:
        process.wait()
    answer_batch(project, user)
    with worker() as process:
        wait_until(lambda: Job.objects.running().filter(phase="calibrating the model").exists())
        process.kill()
        process.wait()
    checkpoint = ProjectFiles(project).checkpoint
    trained = checkpoint.stat()
    with worker() as process:
        wait_until(lambda: Job.objects.running().filter(phase="calibrating the model", attempts=2).exists())
        assert checkpoint.stat().st_mtime_ns > trained.st_mtime_ns, "it was read, and written again at the end"
        assert len(list(checkpoint.parent.glob("training*.safetensors"))) > 0
        wait_until(lambda: project.batches.filter(number=2, state="open").exists())
    check_rounds(project, 1)
    assert project.versions.get().metrics["training"]["calibrated_on"] > 80
    assert not list(checkpoint.parent.glob("training*.safetensors"))


def test_worker_killed_at_any_moment(tmp_path: Path) -> None:
    """Each round, a worker is killed some time after it took the first step up; in the end one may finish."""
    project = digits_project(tmp_path, n=600, training={})
    user = annotator(project)
    rng = random.Random(11)
    for number in (1, 2):
        for _ in range(2):
            before = attempts()
            with worker() as process:
                wait_until(lambda before=before: attempts() != before or not Job.objects.unfinished().exists())
                time.sleep(3 * rng.random() ** 3)
                process.kill()
        with worker("--drain") as process:
            process.wait()
        assert answer_batch(project, user).number == number
    with worker("--drain") as process:
        process.wait()
    check_rounds(project, 2)


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


def test_stopping_a_worker_leaves_nothing_running(tmp_path: Path) -> None:
    digits_project(tmp_path, n=800)
    with worker() as process:
        wait_until(lambda: running(Job.Kind.ENCODE))
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: process.poll() is not None, seconds=20)
        assert process.returncode == 0
    assert not Job.objects.running().exists()
    assert Job.objects.waiting().filter(kind=Job.Kind.ENCODE).exists()


def test_worker_killed_in_the_midst_of_a_survey(tmp_path: Path) -> None:
    project = digits_project(tmp_path, n=600)
    user = annotator(project)
    with worker("--drain") as process:
        process.wait()
    answer_batch(project, user)
    with worker() as process:
        wait_until(lambda: Job.objects.running().filter(batch__number=2, phase__startswith="drawing").exists())
        process.kill()
        process.wait()
    assert project.batches.get(number=2).state == "open", "nobody waits for it"
    with worker("--drain") as process:
        process.wait()
    assert ProjectFiles(project).map(2).exists()
    check_rounds(project, 1)
