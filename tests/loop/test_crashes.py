"""`kill -9` at any moment: the loop goes on, and nothing is done twice."""

import signal
from pathlib import Path

import pytest
from digits import annotator, answer_batch, digits_project, digits_zip
from processes import manage, wait_until, worker

from labeling.models import Batch, Item, ItemImport, Job, ModelVersion

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


def test_worker_killed_in_encoding_training_and_selecting(tmp_path: Path) -> None:
    project = digits_project(tmp_path, n=1200)
    user = annotator(project)
    kill_during(Job.Kind.ENCODE)
    with worker():
        wait_until(lambda: project.batches.open().exists())
    assert Item.objects.filter(row__isnull=False).count() == 1200
    assert sorted(Item.objects.values_list("row", flat=True)) == list(range(1200))

    answer_batch(project, user)
    kill_during(Job.Kind.TRAIN)
    kill_during(Job.Kind.EMBED)
    with worker():
        wait_until(lambda: project.batches.open().filter(number=2).exists())
    assert ModelVersion.objects.count() == 1

    answer_batch(project, user)
    with worker("--drain") as process:
        wait_until(lambda: process.poll() is not None)
        assert process.returncode == 0
    assert list(ModelVersion.objects.order_by("number").values_list("batch__number", flat=True)) == [1, 2]
    assert list(Batch.objects.order_by("number").values_list("state", flat=True)) == ["done", "done", "open"]
    assert not Job.objects.filter(state=Job.State.FAILED).exists()


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
