"""Test the whole loop from the command line: create, import, simulate with a real server and worker, status, export."""

import csv
import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from knox.models import AuthToken
from sklearn.datasets import load_breast_cancer

from config.command_line import main
from labeling.models import Annotation, Assignment, Membership, ModelVersion, Project
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker
from tests.factories import make_items, make_open_batch, make_project
from tests.processes import manage, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

QUICK = '{"epochs": 2, "min_steps": 20, "max_steps": 40}'


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


@contextmanager
def worker() -> Iterator[None]:
    """Run a worker in a thread, which starts faster than a process."""
    over = threading.Event()

    def work() -> None:
        try:
            worker = Worker(run_step)
            while not over.is_set():
                if not worker.run_next():
                    time.sleep(0.05)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture
def tumours(tmp_path: Path) -> Project:
    """Create a project of 200 real tumours with the commands."""
    data = load_breast_cancer()
    path = tmp_path / "tumours.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", *data.feature_names, "truth"])
        for number in range(200):
            writer.writerow([number, *data.data[number], data.target_names[data.target[number]]])
    arguments = ["--classes", "malignant,benign", "--batch-size", "30", "--control-share", "0.2", "--seed", "5"]
    run("create_project", "tumours", "--kind", "vector", *arguments, "--training", QUICK)
    run("import_items", "tumours", str(path))
    return Project.objects.get()


def simulate(*arguments: str) -> str:
    return run("simulate_annotators", *arguments)


def test_two_batches_are_played_and_everything_agrees(tumours: Project, live_server: Any, tmp_path: Path) -> None:
    Project.objects.update(pick_ahead=None)  # so that each version has picked a batch, however quick these people are
    with worker():
        text = simulate("tumours", "--annotators", "4", "--batches", "2", "--url", live_server.url)
        wait_until(lambda: not tumours.jobs.unfinished().exists())
    assert "Batch 1 (30 tasks) was done" in text
    assert "Batch 2 (30 tasks) was done" in text
    assert "model 2 is right on" in text
    assert "Batches done: 2. 60 answers, 0 skips, 0 undone, 0 refused" in text

    status = json.loads(run("status", "tumours", "--json"))
    assert [(b["number"], b["state"], b["labeled"]) for b in status["batches"]] == [
        (1, "done", 30),
        (2, "done", 30),
        (3, "open", 0),
    ]
    assert [m["version"] for m in status["models"]] == [1, 2]
    assert [m["control_now"]["n"] for m in status["models"]] == [12, 12], "on the same control items"
    assert status["items"]["labeled"] == 60

    paths = {name: tmp_path / f"labels.{name}" for name in ("jsonl", "csv", "parquet")}
    for path in paths.values():
        run("export_labels", "tumours", "--output", str(path))
    rows = [json.loads(line) for line in paths["jsonl"].read_text().splitlines()]
    table = pq.read_table(paths["parquet"])
    records = list(csv.DictReader(paths["csv"].open(newline="")))
    assert len(rows) == table.num_rows == len(records) == 60
    names = {item.pk: item.truth for item in tumours.items.all()}
    classes = list(tumours.classes.values_list("name", flat=True))
    assert all(row["label"] == classes[names[row["item"]]] and len(row["annotations"]) == 1 for row in rows)
    assert [row["label"] for row in rows] == table["label"].to_pylist() == [r["label"] for r in records]
    assert {(row["batch"], row["model_version"], row["learned_by"]) for row in rows if not row["is_control"]} == {
        (1, None, 1),
        (2, 1, 2),
    }


@pytest.mark.long
def test_people_stay_and_tokens_go(tumours: Project, live_server: Any) -> None:
    with worker():
        simulate("tumours", "--annotators", "3", "--batches", "1", "--url", live_server.url)
    assert not AuthToken.objects.exists()
    people = Membership.objects.values_list("user__username", "role").order_by("user__username")
    assert list(people) == [(f"tumours-sim-{n}", "annotator") for n in (1, 2, 3)]
    assert not Assignment.objects.pending().exists()


@pytest.mark.long
def test_a_pool_that_ends_is_no_failure(tumours: Project, live_server: Any) -> None:
    Project.objects.update(batch_size=150)
    with worker():
        text = simulate("tumours", "--annotators", "2", "--batches", "9", "--url", live_server.url)
    assert "All items of the project are labeled or skipped" in text
    assert "Batches done: 2." in text
    assert tumours.items.labeled().count() == 200
    assert ModelVersion.objects.count() == 2


def test_ctrl_c_gives_back_what_is_held(live_server: Any) -> None:
    project = make_project()
    make_open_batch(project, make_items(project, 3000))
    process = manage("simulate_annotators", "digits", "--annotators", "2", "--url", live_server.url)
    wait_until(lambda: Annotation.objects.count() > 20)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert output.strip().splitlines() == ["CommandError: Stopped. Held tasks were given back."]
    assert Annotation.objects.count() < 3000
    assert not Assignment.objects.pending().exists()
    assert not AuthToken.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "no project 'nothing'"),
        (["digits", "--annotators", "0"], "annotators: "),
        (["digits", "--batches", "0"], "batches: "),
        (["digits", "--error-rate", "1.5"], "error_rate: "),
        (["digits", "--skip-rate", "nan"], "skip_rate: "),
        (["digits", "--undo-rate", "1"], "undo_rate: "),
        (["digits", "--seed", "-1"], "seed: "),
        (["digits", "--annotators", "2"], "answers of 3 people"),
        (["digits", "--url", "http://127.0.0.1:9"], "does not answer"),
        (["digits", "--url", "nowhere"], "'nowhere' is not the address of a server"),
    ],
)
def test_a_fault_is_told_in_one_line(arguments: list[str], message: str) -> None:
    project = make_project(overlap=3)
    make_open_batch(project, make_items(project, 3), overlap=3)
    with pytest.raises(CommandError, match=message) as error:
        simulate(*arguments)
    assert "\n" not in str(error.value)
    assert not AuthToken.objects.exists()


def test_a_missing_client_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("demo.simulation", "demo.management.commands.simulate_annotators"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "marginalia_client", None)
    monkeypatch.setattr(sys, "argv", ["marginalia", "simulate_annotators", "digits"])
    with pytest.raises(SystemExit, match="needs Marginalia's client: pip install"):
        main()


def test_items_without_known_answers_cannot_be_played() -> None:
    project = make_project()
    make_items(project, 3, truth=None)
    with pytest.raises(CommandError, match="No item has a known answer"):
        simulate("digits")
