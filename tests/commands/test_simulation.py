"""Test the simulation against a real server, and its error messages."""

import datetime
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from knox.models import AuthToken

from demo import simulation
from demo.simulation import Game, Simulation, SimulationError
from labeling.models import Annotation, Assignment, Batch, Job, Project
from labeling.questions import QUESTIONS
from labeling.queue import queue
from tests.extent import some
from tests.factories import make_items, make_member, make_open_batch, make_project

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
def test_answers_follow_the_known_answers(live_server: Any, question: str) -> None:
    project = open_project(question=question)
    tally, notes = play(project, live_server.url)
    assert notes.done == [1]
    assert tally["answers"] == 30
    assert values_by_item() == {item.pk: [item.truth] for item in project.items.all()}
    assert not Assignment.objects.pending().exists()


@pytest.mark.long
def test_each_task_is_answered_by_as_many_people_as_its_overlap(live_server: Any) -> None:
    project = open_project(overlap=2)
    play(project, live_server.url, people=3)
    assert {len(values) for values in values_by_item().values()} == {2}


@pytest.mark.long
def test_mistakes_skips_and_second_thoughts(live_server: Any) -> None:
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


def test_an_empty_pool_ends_the_game(live_server: Any) -> None:
    _, notes = play(open_project(), live_server.url, batches=5)
    assert notes.done == [1]


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


def test_a_project_without_items_is_told(live_server: Any) -> None:
    with pytest.raises(SimulationError, match="no items yet"):
        play(make_project(), live_server.url)


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


def test_a_server_that_is_not_there_is_told_at_once() -> None:
    with pytest.raises(SimulationError, match=r"does not answer .* Start it"):
        play(open_project(), "http://127.0.0.1:9")


def test_a_server_with_another_database_is_told(live_server: Any) -> None:
    project = open_project()
    game = Game(url=live_server.url, slug=project.slug, tokens=["no-such-token"], batches=1)
    with pytest.raises(SimulationError, match="same database"):
        Simulation(game, project, Notes(project)).play()


@contextmanager
def lossy_proxy(target: str) -> Iterator[str]:
    """Run a proxy that forwards all requests, but drops every third response to a POST."""
    posts = iter(range(1, 100_000))
    client = httpx.Client(base_url=target, trust_env=False)

    class Handler(http.server.BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            kept = {name: self.headers[name] for name in ("Authorization", "Content-Type") if name in self.headers}
            answer = client.request(self.command, self.path, content=body, headers=kept)
            if self.command == "POST" and next(posts) % 3 == 0:
                self.close_connection = True
                return
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer.headers["Content-Type"])
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = do_DELETE = _pass_on

        def log_message(self, *args: Any) -> None:
            """Log nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        client.close()


def test_answers_whose_receipt_was_lost_count_once(live_server: Any) -> None:
    project = open_project(50)
    with lossy_proxy(live_server.url) as url:
        tally, notes = play(project, url, people=3)
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
