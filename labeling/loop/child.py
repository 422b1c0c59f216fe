"""A process that runs the steps it is sent, one after the other: what the worker's lanes consist of."""

from __future__ import annotations

import json
import logging
import signal
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from multiprocessing.connection import Connection

from django.db import close_old_connections

from labeling import database, traces
from labeling.loop import running
from labeling.loop.step import Step
from labeling.models import Job

logger = logging.getLogger(__name__)

# Nothing has been due for this long: steps that follow each other are not held up by what gets ready for later ones.
IDLE_SECONDS = 3.0


@dataclass(frozen=True)
class Child:
    """What a lane's process does. `use_threads` sets how many threads the step may compute with; see `Worker` for the
    others.
    """

    run_step: Callable[[Step], None]
    kinds: Collection[str] = tuple(Job.Kind)
    prepare: Callable[[], None] | None = None
    use_threads: Callable[[int], None] = lambda _: None
    traced: bool = False

    def serve(self, line: Connection) -> None:
        """Run what is asked for, and answer each time with the outcome, until the worker is gone."""
        stop = threading.Event()
        # Ctrl-C is for the worker, which ends this process.
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
        job = database.until_answered(held.first, stop)
        if job is None:
            return "lost"
        self.use_threads(int(order["threads"]))
        return running.run(Step(job, stopping=stop.is_set, kinds=self.kinds), self.run_step, stop)
