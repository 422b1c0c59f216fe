"""Simulates annotators over HTTP with each item's known answer, until a number of batches is done.

Each annotator is a thread with a client of its own. The calling thread watches the loop, lets the annotators work while
a batch is open, and ends the simulation. It reads known answers, jobs and assignments from the database.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from django.conf import settings
from django.db import connection
from django.db.models import Max
from django.utils import timezone

from demo.client import OTHER_DATABASE, RETRY_SECONDS, Client, SimulationError
from labeling.models import Assignment, Batch, Project
from labeling.questions import Stored

CLAIM = 10
POLL_SECONDS = 0.25
# Without progress of the background steps for this long, there is probably no worker.
STALL_SECONDS = 60.0


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
        self._client = simulation.client(number)
        self._rng = np.random.default_rng([game.seed, number])

    def run(self) -> Counter[str]:
        """Work until the simulation stops, then release all tasks. An exception stops all annotators."""
        simulation = self._simulation
        try:
            while not simulation.stop.is_set():
                if simulation.gate.wait(POLL_SECONDS) and not self._turn():
                    simulation.stop.wait(POLL_SECONDS)
        finally:
            simulation.stop.set()
            # Without a server, the leases will expire.
            with contextlib.suppress(SimulationError):
                self._client.post("release/", {})
            self._client.close()
            connection.close()
        self.tally["retries"] = self._client.retries
        return self.tally

    def _turn(self) -> bool:
        """Claim some tasks and answer them. Return False if no task is free."""
        claimed = self._client.post("claim/", {"count": CLAIM})
        tasks = claimed["tasks"]
        if not tasks:
            return False
        later = [task["id"] for task in tasks if task["batch"] > self._simulation.last]
        if later:
            self._client.post("release/", {"tasks": later})
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
            if self._chance("undo_rate") and self._client.delete(f"annotations/{each}/"):
                self.tally["undone"] += 1
        return True

    def _answer(self, task: dict[str, Any], truth: Stored, known: Mapping[int, Stored]) -> dict[str, Any]:
        """Make an answer that leaves out near-copies with a known answer other than the item's."""
        value = truth
        copies = [each["id"] for each in task["item"].get("copies", ()) if each["id"] in known]
        if self._chance("error_rate"):
            value = wrong(truth, len(self._simulation.names), self._rng)
        return {
            "id": str(uuid.uuid4()),
            "task": task["id"],
            "same": [each for each in copies if known[each] == truth],
            "different": [each for each in copies if known[each] != truth],
            "value": self._simulation.asks.show(value, self._simulation.names),
            "seconds": round(self._rng.uniform(0.5, 2.0), 2),
        }

    def _skip(self, task: int) -> None:
        body = {"id": str(uuid.uuid4()), "task": task, "reason": "unclear", "seconds": 1.0}
        self._count(self._client.post("skip/", body), "skips")

    def _submit(self, answers: list[dict[str, Any]]) -> list[str]:
        if not answers:
            return []
        return self._count(self._client.post("annotations/", {"annotations": answers}), "answers")

    def _count(self, outcome: dict[str, Any], counter: str) -> list[str]:
        """Count the accepted answers and return their ids.

        An answer may be rejected because its lease expired; any other rejection raises `SimulationError`.
        """
        for refused in outcome["rejected"]:
            if refused["code"] not in ("taken", "batch_closed", "item_removed"):
                raise SimulationError(f"An answer was refused: {refused['detail']}")
            self.tally["refused"] += 1
        self.tally[counter] += len(outcome["accepted"])
        return list(outcome["accepted"])

    def _chance(self, rate: str) -> bool:
        return bool(self._rng.random() < getattr(self._simulation.game, rate))


def wrong(truth: Stored, n_classes: int, rng: np.random.Generator) -> Stored:
    """Return a wrong answer: another class, one class added or removed, or the opposite of yes and no."""
    if isinstance(truth, bool):
        return not truth
    if isinstance(truth, list):
        return sorted(set(truth) ^ {int(rng.integers(n_classes))})
    other = int(rng.integers(n_classes - 1))
    return other + (other >= truth)


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
        self._client = self.client(0)
        self._seen: tuple[Any, ...] = ()
        self._seen_at = time.monotonic()
        self._noted = False

    def client(self, number: int) -> Client:
        """Make a client for the annotator of this number. The caller closes it."""
        game = self.game
        return Client(
            url=game.url,
            slug=game.slug,
            token=game.tokens[number],
            retry_seconds=game.retry_seconds,
            stop=self.stop,
        )

    def play(self) -> Counter[str]:
        """Simulate until the batches are done or no item is left; return counts: answers, skips, undone, refused,
        retries.

        Raises `SimulationError`. In any case, the annotators release their tasks before this returns.
        """
        try:
            progress = self._client.get("progress/", patient=False)
            first = (progress["batch"] or 0) + (progress["state"] in (None, Batch.State.DONE))
            self.last = first + self.game.batches - 1
            with ThreadPoolExecutor(len(self.game.tokens)) as pool:
                futures = [pool.submit(Annotator(self, number).run) for number in range(len(self.game.tokens))]
                try:
                    self._watch(first, futures)
                finally:
                    self.stop.set()
            return sum((future.result() for future in futures), Counter())
        finally:
            self._client.close()

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
            progress = self._client.get("progress/")
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
