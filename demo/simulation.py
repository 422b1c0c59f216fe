"""Simulates annotators over HTTP with each item's known answer, until a number of batches is done.

Each annotator is a thread with a client of its own. The calling thread watches the loop, lets the annotators work while
a batch is open, and ends the simulation. It reads known answers, jobs and assignments from the database.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
import numpy as np
from django.conf import settings
from django.db import connection
from django.db.models import Max
from django.utils import timezone

from labeling.models import Assignment, Batch, Project
from labeling.questions import Stored
from marginalia_client import Marginalia, MarginaliaError, NotFound, NotSignedIn, Refused, ServerAway, Submitted

CLAIM = 10
POLL_SECONDS = 0.25
# How long a request is repeated while the server restarts.
RETRY_SECONDS = 30.0
# How long a request is repeated after the end of the simulation.
LAST_TRIES_SECONDS = 3.0
# Without progress of the background steps for this long, there is probably no worker.
STALL_SECONDS = 60.0

OTHER_DATABASE = "Does it use the same database as this command?"


class SimulationError(Exception):
    """The simulation cannot go on; the message says how to fix the cause."""


@dataclass(frozen=True, slots=True)
class Game:
    """Settings of a simulation. Rates are shares of the answers; the seed determines all random numbers."""

    url: str
    slug: str
    tokens: Sequence[str]
    batches: int
    error_rate: float = 0.0
    skip_rate: float = 0.0
    undo_rate: float = 0.0
    seed: int = 0
    stall_seconds: float = STALL_SECONDS
    retry_seconds: float = RETRY_SECONDS


class Watcher(Protocol):
    """Receives the events of a simulation, in the thread that called `play`."""

    def progress(self, progress: dict[str, Any]) -> None: ...

    def batch_done(self, number: int) -> None: ...

    def note(self, text: str) -> None: ...


class Annotator:
    """A simulated annotator, who claims tasks and submits the known answers, at times with an error, a skip or an
    undo.
    """

    def __init__(self, simulation: Simulation, number: int) -> None:
        game = simulation.game
        self.tally: Counter[str] = Counter()
        self._simulation = simulation
        self._server = simulation.server(number)
        self._tasks = self._server.project(game.slug).tasks
        self._rng = np.random.default_rng([game.seed, number])

    def run(self) -> Counter[str]:
        """Work until the simulation stops, then release all tasks. An exception stops all annotators."""
        simulation = self._simulation
        try:
            while not simulation.stop.is_set():
                if simulation.gate.wait(POLL_SECONDS) and not self._turn():
                    simulation.stop.wait(POLL_SECONDS)
        finally:
            simulation.end()
            # Without a server, the leases will expire.
            with contextlib.suppress(MarginaliaError):
                self._tasks.release()
            self._server.close()
            connection.close()
        self.tally["retries"] = self._server.retries
        return self.tally

    def _turn(self) -> bool:
        """Claim some tasks and answer them. Return False if no task is free."""
        tasks = self._tasks.claim(CLAIM).tasks
        if not tasks:
            return False
        later = [task["id"] for task in tasks if task["batch"] > self._simulation.last]
        if later:
            self._tasks.release(later)
            tasks = [task for task in tasks if task["id"] not in later]
            if not tasks:
                return False
        truths = self._simulation.truths([task["item"]["id"] for task in tasks])
        beside = self._simulation.known([each["id"] for task in tasks for each in task["item"].get("copies", ())])
        answers = []
        for task in tasks:
            if self._chance("skip_rate"):
                self._skip(task["id"])
            else:
                answers.append(self._answer(task, truths[task["item"]["id"]], beside))
        accepted = self._submit(answers)
        for each in accepted:
            if self._chance("undo_rate") and self._tasks.undo(each):
                self.tally["undone"] += 1
        return True

    def _answer(self, task: Mapping[str, Any], truth: Stored, known: Mapping[int, Stored]) -> dict[str, Any]:
        """Make an answer that leaves out near-copies with a known answer other than the item's."""
        value = truth
        copies = [each["id"] for each in task["item"].get("copies", ()) if each["id"] in known]
        if self._chance("error_rate"):
            value = self._simulation.asks.mistaken(truth, len(self._simulation.names), self._rng)
        return {
            "task": task["id"],
            "same": [each for each in copies if known[each] == truth],
            "different": [each for each in copies if known[each] != truth],
            "value": self._simulation.asks.show(value, self._simulation.names),
            "seconds": round(self._rng.uniform(0.5, 2.0), 2),
        }

    def _skip(self, task: int) -> None:
        self._count(self._tasks.skip(task, "unclear", seconds=1.0), "skips")

    def _submit(self, answers: list[dict[str, Any]]) -> Sequence[str]:
        return self._count(self._tasks.submit(answers), "answers") if answers else []

    def _count(self, outcome: Submitted, counter: str) -> Sequence[str]:
        """Count the accepted answers and return their ids.

        An answer may be rejected because its lease expired; any other rejection raises `SimulationError`.
        """
        for refused in outcome.rejected:
            if refused["code"] not in ("taken", "batch_closed", "item_removed"):
                raise SimulationError(f"An answer was refused: {refused['detail']}")
            self.tally["refused"] += 1
        self.tally[counter] += len(outcome.accepted)
        return outcome.accepted

    def _chance(self, rate: str) -> bool:
        return bool(self._rng.random() < getattr(self._simulation.game, rate))


def _with_a_hint(error: MarginaliaError) -> str:
    """Return the text of an error, with what to do."""
    if isinstance(error, ServerAway):
        return f"{error} Start it (command `run`), or name another one with --url."
    if isinstance(error, Refused):
        hint = f" {OTHER_DATABASE}" if isinstance(error, NotFound | NotSignedIn) else ""
        return f"The server refused: {error}{hint}"
    return str(error)


class Simulation:
    """A simulation in progress."""

    def __init__(self, game: Game, project: Project, watcher: Watcher) -> None:
        self.game = game
        self.stop = threading.Event()
        # Set while a batch is open, so that no annotator sends requests while a model trains.
        self.gate = threading.Event()
        self.asks = project.asks
        self.names = list(project.classes.order_by("index").values_list("name", flat=True))
        self.last = 0
        self._project = project
        self._watcher = watcher
        self._servers: list[Marginalia] = []
        self._server = self.server(0)
        self._reads = self._server.project(game.slug)
        self._seen: tuple[Any, ...] = ()
        self._seen_at = time.monotonic()
        self._noted = False

    def server(self, number: int) -> Marginalia:
        """Return the server, as the annotator of this number uses it. The caller closes it."""
        game = self.game
        http = httpx.Client(timeout=90, trust_env=False)  # proxies of the environment cannot reach a local server
        try:
            server = Marginalia(game.url, game.tokens[number], retry_seconds=game.retry_seconds, http=http)
        except ValueError as error:
            raise SimulationError(str(error)) from None
        self._servers.append(server)
        return server

    def end(self) -> None:
        """Stop the annotators. Their open requests may still succeed, but not much later."""
        self.stop.set()
        for server in self._servers:
            server.retry_seconds = LAST_TRIES_SECONDS

    def play(self) -> Counter[str]:
        """Simulate until the batches are done or no item is left; return counts: answers, skips, undone, refused,
        retries.

        Raises `SimulationError`. In any case, the annotators release their tasks before this returns.
        """
        try:
            self._server.retry_seconds = 0
            progress = self._reads.progress()
            self._server.retry_seconds = self.game.retry_seconds
            first = (progress["batch"] or 0) + (progress["state"] in (None, Batch.State.DONE))
            self.last = first + self.game.batches - 1
            with ThreadPoolExecutor(len(self.game.tokens)) as pool:
                futures = [pool.submit(Annotator(self, number).run) for number in range(len(self.game.tokens))]
                try:
                    self._watch(first, futures)
                finally:
                    self.end()
            return sum((future.result() for future in futures), Counter())
        except MarginaliaError as error:
            raise SimulationError(_with_a_hint(error)) from error
        finally:
            self._server.close()

    def truths(self, item_ids: list[int]) -> dict[int, Stored]:
        """Return the known answers of items. Raises `SimulationError` if an item has none."""
        items = self._project.items.filter(pk__in=item_ids).values_list("pk", "external_id", "truth")
        truths: dict[int, Stored] = {}
        for pk, name, truth in items:
            if truth is None:
                raise SimulationError(f"Item {name!r} has no known answer: import a `truth` with it, or label by hand.")
            truths[pk] = truth
        if len(truths) < len(item_ids):
            raise SimulationError(f"The server at {self.game.url} gives out other items. {OTHER_DATABASE}")
        return truths

    def known(self, item_ids: list[int]) -> dict[int, Stored]:
        """Return the known answers of those items that have one."""
        items = self._project.items.filter(pk__in=item_ids).values_list("pk", "truth") if item_ids else ()
        return {pk: truth for pk, truth in items if truth is not None}

    def _watch(self, number: int, futures: list[Future[Counter[str]]]) -> None:
        """Watch the loop from batch `number` until the last batch is done or no item is left."""
        while True:
            progress = self._reads.progress()
            while number <= self.last and self._is_done(number):
                self._watcher.batch_done(number)
                number += 1
            self._watcher.progress(progress)
            if number > self.last or self._is_over(progress):
                return
            if self._project.batches.open().filter(number__lte=self.last).exists():
                self.gate.set()
            else:
                self.gate.clear()
            for future in futures:
                if future.done():
                    future.result()
            self._look_for_life(progress)
            self.stop.wait(POLL_SECONDS)

    def _is_done(self, number: int) -> bool:
        return self._project.batches.filter(number=number, state=Batch.State.DONE).exists()

    def _is_over(self, progress: dict[str, Any]) -> bool:
        """Return whether no item is left. Raises `SimulationError` if items are left but no batch follows."""
        if progress["state"] == Batch.State.FAILED:
            raise SimulationError(f"Batch {progress['batch']} failed: {progress['reason']}")
        if progress["loop"] == Project.Loop.PAUSED:
            raise SimulationError("The project is paused: annotators get no tasks. Set its loop to running.")
        if progress["state"] not in (None, Batch.State.DONE):
            return False
        if self._project.jobs.unfinished().exists() or self._project.batches.active().exists():
            return False
        if not self._project.items.exists():
            raise SimulationError("The project has no items yet: add some with `import_items`.")
        if not self._project.items.unlabeled().exists():
            return True
        if progress["loop"] == Project.Loop.STOPPED:
            raise SimulationError("The loop is stopped: no further batch comes. Set it to running.")
        return False

    def _held(self) -> dict[int, int]:
        """Return the number of held tasks, by batch."""
        held = Assignment.objects.pending().filter(
            task__batch__project=self._project, task__batch__state=Batch.State.OPEN
        )
        return Counter(held.order_by("task__batch__number").values_list("task__batch__number", flat=True))

    def _look_for_life(self, progress: dict[str, Any]) -> None:
        """Raise or report the cause if nothing changed for long: no worker runs, or other annotators hold all tasks."""
        seen = tuple(progress[key] for key in ("batch", "state", "phase", "share", "remaining"))
        now = time.monotonic()
        if seen != self._seen:
            self._seen, self._seen_at, self._noted = seen, now, False
        quiet = now - self._seen_at
        if quiet < self.game.stall_seconds:
            return
        if progress["state"] == Batch.State.OPEN:
            if not self._noted:
                self._noted = True
                for number, tasks in self._held().items():
                    noun, verb = ("task", "is") if tasks == 1 else ("tasks", "are")
                    self._watcher.note(f"{tasks} {noun} of batch {number} {verb} held by others.")
            return
        beat = self._project.jobs.running().aggregate(last=Max("heartbeat_at"))["last"]
        silent = quiet if beat is None else (timezone.now() - beat).total_seconds()
        if silent < self.game.stall_seconds:
            self._seen_at = now - silent  # a step without progress reports is running, so its worker lives
            return
        where = f"batch {progress['batch']} is {progress['state']}" if progress["batch"] else "there is no batch"
        raise SimulationError(
            f"Nothing has happened for {quiet:.0f} s, and {where}: is a worker running? Start one with "
            f"`{settings.COMMAND} worker`."
        )
