"""Test the simulation against a real server, alone and by its command in the whole loop, and its error messages."""

import csv
import datetime
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

import numpy as np
import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from knox.models import AuthToken
from sklearn.datasets import load_breast_cancer

from config.command_line import main
from demo import simulation
from demo.simulation import Game, Simulation, SimulationError
from labeling.models import Annotation, Assignment, Batch, Job, Membership, ModelVersion, Project
from labeling.questions import QUESTIONS
from labeling.queue import queue
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker
from tests.client.unreliable import FINE, LOSES, unreliable
from tests.extent import some
from tests.factories import make_items, make_member, make_open_batch, make_project
from tests.processes import manage, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Poll more often than a simulation does by default."""
    monkeypatch.setattr(simulation, "POLL_SECONDS", 0.08)


class Notes:
    """A watcher that records its events and completes a finished batch at once, without a training."""

    def __init__(self, project: Project, *, finish: bool = True) -> None:
        self.done: list[int] = []
        self.notes: list[str] = []
        self._project = project
        self._finish = finish

    def progress(self, progress: dict[str, Any]) -> None:
        if self._finish and progress["state"] == Batch.State.TRAINING:
            self._project.jobs.update(state=Job.State.DONE)
            self._project.batches.filter(state=Batch.State.TRAINING).update(state=Batch.State.DONE)

    def batch_done(self, number: int) -> None:
        self.done.append(number)

    def note(self, text: str) -> None:
        self.notes.append(text)


def play(project: Project, url: str, *, people: int = 2, finish: bool = True, **options: Any) -> tuple[Any, Notes]:
    tokens = [AuthToken.objects.create(make_member(project, f"player-{number}"))[1] for number in range(people)]
    notes = Notes(project, finish=finish)
    game = Game(url=url, slug=project.slug, tokens=tokens, **{"batches": 1, **options})
    return Simulation(game, project, notes).play(), notes


def open_project(size: int = 30, **settings: Any) -> Project:
    """Create a project with one open batch of all its items."""
    project = make_project(**settings)
    make_open_batch(project, make_items(project, size), overlap=project.overlap)
    return project


def values_by_item() -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for item, value in Annotation.objects.answers().values_list("task__item", "value"):
        found.setdefault(item, []).append(value)
    return found


@pytest.mark.parametrize("question", some(["single", "multi", "verify"], 2))
def test_answers_follow_the_known_answers_until_the_pool_is_empty(live_server: Any, question: str) -> None:
    project = open_project(question=question)
    tally, notes = play(project, live_server.url, batches=5)
    assert notes.done == [1]
    assert tally["answers"] == 30
    assert values_by_item() == {item.pk: [item.truth] for item in project.items.all()}
    assert not Assignment.objects.pending().exists()


@pytest.mark.long
def test_overlap_mistakes_skips_and_second_thoughts(live_server: Any) -> None:
    play(open_project(slug="overlap", overlap=2), live_server.url, people=3)
    assert {len(values) for values in values_by_item().values()} == {2}
    Annotation.objects.all().delete()
    project = open_project(120, seed=3)
    tally, _ = play(project, live_server.url, error_rate=0.3, skip_rate=0.1, undo_rate=0.1)
    items = {item.pk: item for item in project.items.all()}
    errors = sum(values[0] != items[pk].truth for pk, values in values_by_item().items())
    assert 18 < errors < 50
    assert 2 < Annotation.objects.skips().count() < 26
    assert Annotation.objects.filter(undone_at__isnull=False).count() == tally["undone"] > 2
    assert project.batches.get().state == Batch.State.DONE


@pytest.mark.long
def test_nothing_is_labeled_beyond_the_last_batch(live_server: Any) -> None:
    project = open_project(20)
    more = make_items(project, 20, first=20)

    class OpensTheNext(Notes):
        def progress(self, progress: dict[str, Any]) -> None:
            super().progress(progress)
            if progress["batch"] == 1 and not project.batches.active().exists():
                make_open_batch(project, more, number=2)

    tokens = [AuthToken.objects.create(make_member(project, f"player-{n}"))[1] for n in range(4)]
    notes = OpensTheNext(project)
    Simulation(Game(url=live_server.url, slug=project.slug, tokens=tokens, batches=1), project, notes).play()
    assert notes.done == [1]
    assert Annotation.objects.count() == 20
    assert not Assignment.objects.pending().filter(task__batch__number=2).exists()


@pytest.mark.parametrize(
    ("change", "message"),
    some(
        [
            ({"loop": "paused"}, "The project is paused"),
            ({"state": "failed", "reason": "The disk is full."}, "Batch 1 failed: The disk is full."),
            ({"state": "selecting"}, "batch 1 is selecting: is a worker running?"),
            ({"state": "training"}, "batch 1 is training: is a worker running?"),
            ({"state": "done", "loop": "stopped"}, "The loop is stopped"),
        ],
        3,
    ),
)
def test_what_stands_in_the_way_is_told(live_server: Any, change: dict[str, str], message: str) -> None:
    project = open_project()
    make_items(project, 5, first=30)
    loop = change.pop("loop", "running")
    Project.objects.update(loop=loop)
    if change:
        project.batches.update(**change)
    with pytest.raises(SimulationError, match=message.replace("?", r"\?")):
        play(project, live_server.url, finish=False, stall_seconds=0.5)
    assert not Annotation.objects.exists()
    assert not Assignment.objects.exists()


# A heartbeat that is still new after a poll on a busy machine.
AHEAD = datetime.timedelta(minutes=1)


def test_a_step_whose_worker_lives_is_waited_for(live_server: Any) -> None:
    """A long step may report no progress for minutes: its heartbeat decides whether to wait."""
    project = open_project()
    project.batches.update(state="training")
    job = Job.objects.create(project=project, batch=project.batches.get(), kind="train", state="running")

    class Beats(Notes):
        def __init__(self) -> None:
            super().__init__(project, finish=False)
            self.polls = 0

        def progress(self, progress: dict[str, Any]) -> None:
            self.polls += 1
            Job.objects.filter(pk=job.pk).update(heartbeat_at=timezone.now() + AHEAD)
            if self.polls == 8:
                Job.objects.filter(pk=job.pk).update(state="done")
                project.batches.update(state="done")

    watcher = Beats()
    token = AuthToken.objects.create(make_member(project, "player"))[1]
    game = Game(url=live_server.url, slug=project.slug, tokens=[token], batches=1, stall_seconds=0.5)
    Simulation(game, project, watcher).play()
    assert watcher.done == [1]


def test_an_item_without_known_answer_is_told_and_all_is_given_back(live_server: Any) -> None:
    project = open_project(30)
    project.items.filter(row=25).update(truth=None)
    with pytest.raises(SimulationError, match="Item 'item-0025' has no known answer"):
        play(project, live_server.url)
    assert not Assignment.objects.pending().exists()


@pytest.mark.long
def test_tasks_that_others_hold_are_waited_for_with_a_note(live_server: Any) -> None:
    project = open_project(10, lease_seconds=5)
    outsider = make_member(project, "outsider")
    queue.claim(project=project, user=outsider, count=3)
    tally, notes = play(project, live_server.url, stall_seconds=1)
    assert "3 tasks of batch 1 are held by others." in notes.notes
    assert (tally["answers"], notes.done) == (10, [1])


def test_a_server_that_is_not_there_or_has_another_database_and_a_project_without_items_are_told(
    live_server: Any,
) -> None:
    with pytest.raises(SimulationError, match="no items yet"):
        play(make_project("empty"), live_server.url)
    project = open_project()
    with pytest.raises(SimulationError, match=r"does not answer .* Start it"):
        play(project, "http://127.0.0.1:9")
    game = Game(url=live_server.url, slug=project.slug, tokens=["no-such-token"], batches=1)
    with pytest.raises(SimulationError, match="same database"):
        Simulation(game, project, Notes(project)).play()


def test_answers_whose_receipt_was_lost_count_once(live_server: Any) -> None:
    project = open_project(50)
    with unreliable(live_server.url) as network:
        network.faults = [FINE, FINE, LOSES] * 1000
        tally, notes = play(project, network.url, people=3)
    assert notes.done == [1]
    assert tally["retries"] > 3
    assert (tally["answers"], tally["refused"]) == (50, 0)
    assert values_by_item() == {item.pk: [item.truth] for item in project.items.all()}


@pytest.mark.parametrize("question", ["single", "multi", "verify", "score"])
@given(data=st.data(), n_classes=st.integers(2, 50), seed=st.integers(0, 1000))
def test_a_mistake_is_never_the_truth(question: str, data: st.DataObject, n_classes: int, seed: int) -> None:
    index = st.integers(0, n_classes - 1)
    forms: dict[str, Any] = {"multi": st.lists(index, unique=True).map(sorted), "verify": st.booleans()}
    truth = data.draw(forms.get(question, index))
    mistake = QUESTIONS[question].mistaken(truth, n_classes, np.random.default_rng(seed))
    assert mistake != truth
    assert type(mistake) is type(truth)
    for each in mistake if isinstance(mistake, list) else [int(mistake)]:
        assert 0 <= each < n_classes


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
def test_a_pool_that_ends_is_no_failure_people_stay_and_tokens_go(tumours: Project, live_server: Any) -> None:
    Project.objects.update(batch_size=150)
    with worker():
        text = simulate("tumours", "--annotators", "2", "--batches", "9", "--url", live_server.url)
    assert "All items of the project are labeled or skipped" in text
    assert "Batches done: 2." in text
    assert tumours.items.labeled().count() == 200
    assert ModelVersion.objects.count() == 2
    assert not AuthToken.objects.exists()
    people = Membership.objects.values_list("user__username", "role").order_by("user__username")
    assert list(people) == [(f"tumours-sim-{n}", "annotator") for n in (1, 2)]
    assert not Assignment.objects.pending().exists()


def test_ctrl_c_gives_back_what_is_held(live_server: Any) -> None:
    project = make_project()
    make_open_batch(project, make_items(project, 1000))
    process = manage("simulate_annotators", "digits", "--annotators", "2", "--url", live_server.url)
    wait_until(lambda: Annotation.objects.count() > 20)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert output.strip().splitlines() == ["CommandError: Stopped. Held tasks were given back."]
    assert Annotation.objects.count() < 1000
    assert not Assignment.objects.pending().exists()
    assert not AuthToken.objects.exists()


def test_a_fault_is_told_in_one_line() -> None:
    project = make_project(overlap=3)
    make_open_batch(project, make_items(project, 3), overlap=3)
    make_items(make_project("unknown"), 3, truth=None)
    for arguments, message in (
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
        (["unknown"], "No item has a known answer"),
    ):
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
