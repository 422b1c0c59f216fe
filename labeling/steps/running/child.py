"""The process of a lane: it runs the steps that the worker sends, one after the other."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from multiprocessing.connection import Connection

from django.db import close_old_connections

from labeling.loop.step import Step
from labeling.models import Job
from labeling.observing import traces
from labeling.steps.running import running
from labeling.storage.db import outages

# `prepare` runs after this time without a step, so that it does not delay steps that follow each other.
IDLE_SECONDS = 3.0


@dataclass(frozen=True)
class Child:
    """The configuration of a lane's process.

    Parameters
    ----------
    run_step: runs one step.
    kinds: the kinds of steps that the worker runs.
    prepare: called once, when no step has come for `IDLE_SECONDS`.
    use_threads: sets the number of threads that a step may compute with.
    traced: whether the process sends traces.
    """

    run_step: Callable[[Step], None]
    kinds: Collection[str] = tuple(Job.Kind)
    prepare: Callable[[], None] | None = None
    use_threads: Callable[[int], None] = lambda _: None
    traced: bool = False

    def serve(self, line: Connection) -> None:
        """Run the steps that the worker orders on `line`, and answer each with its outcome, until the line closes."""
        stop = threading.Event()
        # The worker handles Ctrl-C and then ends this process.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
        if self.traced:
            traces.start("marginalia-worker")
        prepare = self.prepare
        try:
            while True:
                if prepare is not None and not line.poll(IDLE_SECONDS):
                    prepare()
                    prepare = None
                order = json.loads(line.recv_bytes())
                line.send_bytes(self._run(order, stop).encode())
        except (EOFError, OSError):
            traces.finish()

    def _run(self, order: dict[str, str | int], stop: threading.Event) -> str:
        close_old_connections()
        held = Job.objects.running().filter(pk=order["job"], worker=order["worker"], attempts=order["attempt"])
        job = outages.until_answered(held.first, stop)
        if job is None:
            return "lost"
        self.use_threads(int(order["threads"]))
        return running.run(Step(job, stopping=stop.is_set, kinds=self.kinds), self.run_step, stop)
