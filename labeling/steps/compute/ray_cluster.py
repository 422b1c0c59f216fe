"""Calls to the nodes of a Ray cluster: many at once; Ray repeats a call on another node when its node dies."""

import logging
import socket
import tempfile
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from django.conf import settings

from labeling.loop.step import ComputeAway, StepFailed
from labeling.observing import traces
from models_store.nodes import OtherRelease, Outcome, Rows, bytes_of, release_here
from models_store.ray_driver import LOOK_SECONDS, RETRIES, CallCrashed, DriverGone, Kept, Line
from models_store.training.together import own_address

logger = logging.getLogger(__name__)

# How long the head may take to answer.
ANSWER_SECONDS = 5.0
# Calls submitted for each core, so that a core that ends a call finds the next one.
AHEAD = 2


class Shared:
    """An argument of many calls. Ray sends it to each node once; nodes read memory-mapped rows from the file."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.kept: Kept | None = None
        self.by: Line | None = None


class Piece:
    """A piece of a result that stays on the nodes until this object is collected."""

    def __init__(self, kept: Kept, unused: list[Kept]) -> None:
        self.kept = kept
        weakref.finalize(self, unused.append, kept)


@dataclass
class Traffic:
    """The bytes of arrays sent, received and kept on the nodes, and the outcomes of all calls."""

    sent: int = 0
    received: int = 0
    kept: int = 0
    work: list[tuple[str, list[Outcome]]] = field(default_factory=list)
    """For each `map`: the function's name, and the outcomes of its calls without their results."""


class RayCluster:
    """A Ray cluster, by the value of COMPUTE: `selector.sharded.Workers`."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.traffic: Traffic | None = None  # for benchmarks
        self._line: Line | None = None
        self._head: tuple[str, int] | None = None
        self._looked_at = -LOOK_SECONDS
        self._resources: dict[str, float] = {}
        self._unused: list[Kept] = []

    @property
    def count(self) -> int:
        """The number of cores of all nodes, asked anew about once a second: nodes come and go."""
        self._look()
        return max(1, int(self._resources.get("CPU", 0)))

    def share(self, value: Any) -> Shared:
        return Shared(value)

    def map(
        self, function: Callable[..., Any], calls: Iterable[tuple[Any, ...]], *, gpu: bool = False
    ) -> Iterator[Any]:
        """Yield the results of `function(*call)` for each of `calls`, in their order.

        `gpu`: each call occupies a GPU, if the cluster has any. The node reads a memory-mapped argument from its own
        copy of the file, or receives it if it has none. Raises the function's errors, `ComputeAway`, and `StepFailed`
        if a node runs another release.
        """
        with traces.beside(f"ray {function.__name__}") as span:
            yield from self._results(function, calls, span, gpu=gpu)

    def map_kept(
        self, function: Callable[..., Any], calls: Iterable[tuple[Any, ...]], pieces: int
    ) -> Iterator[list[Piece]]:
        """Call functions as `map` does, but leave results, in `pieces` pieces, on the nodes; later calls take a
        `Piece`.

        Ray computes the pieces of a dead node again. Memory maps are sent.
        """
        with traces.beside(f"ray {function.__name__}") as span:
            yield from self._results(function, calls, span, pieces=pieces)

    def _results(
        self,
        function: Callable[..., Any],
        calls: Iterable[tuple[Any, ...]],
        span: traces.Span,
        *,
        gpu: bool = False,
        pieces: int = 0,
    ) -> Iterator[Any]:
        self._look()
        gpus = 1 if gpu and self._resources.get("GPU") else 0
        waiting, under_way, files = iter(calls), deque[tuple[Kept, list[Piece], tuple[Any, ...]]](), not pieces
        done = 0
        outcomes: list[Outcome] = []
        if self.traffic is not None:
            self.traffic.work.append((function.__name__, outcomes))
        try:
            while True:
                while len(under_way) < AHEAD * self.count and (call := next(waiting, None)) is not None:
                    submitted, *kept = self._submit(gpus, function, call, files, pieces=pieces)
                    under_way.append((submitted, [Piece(each, self._unused) for each in kept], call))
                if not under_way:
                    return
                submitted, result, call = under_way[0]
                outcome = self._result(submitted)
                if outcome.unread:
                    files = False
                    (again,) = self._submit(gpus, function, call, files)
                    under_way[0] = again, [], call
                    continue
                under_way.popleft()
                self._count(outcome, outcomes, pieces)
                done += 1
                yield result if pieces else outcome.result
        finally:
            span.tell({"ray.calls": done})
            self._cancel([submitted for submitted, _, _ in under_way])

    def room(self, *, gpu: bool = False) -> int:
        """Return the number of calls that run at once; with `gpu`, one for each GPU if the cluster has any."""
        return self.count if not (gpu and self._resources.get("GPU")) else int(self._resources["GPU"])

    def start(self, function: Callable[..., Any], calls: Iterable[tuple[Any, ...]], *, gpu: bool = False) -> list[Kept]:
        """Start calls that run beside the caller, for `runs` and `forget`. Ray does not repeat them elsewhere."""
        self._look()
        gpus = 1 if gpu and self._resources.get("GPU") else 0
        return [self._submit(gpus, function, call, files=False, retries=0)[0] for call in calls]

    def runs(self, call: Kept) -> bool:
        """Return whether the call is still running. Raises the call's error; a crash only counts as an end."""
        outcome = self._ask("result", call, 0)
        if outcome is None or isinstance(outcome, (Outcome, CallCrashed)):
            return outcome is None
        raise _as_steps_raise(outcome)

    def forget(self, calls: list[Kept]) -> None:
        """Release these calls, whose results the caller does not need. They run to their end: cancelling a call that is
        just ending would end the driver (Ray 2.60).
        """
        if self._line is not None:
            self._unused += calls

    @property
    def own_address(self) -> str:
        """The address under which the head's machine reaches this machine."""
        self._look()
        assert self._head is not None
        with self._answering():
            return own_address(*self._head)

    def _submit(
        self,
        gpus: int,
        function: Callable[..., Any],
        call: tuple[Any, ...],
        files: bool,
        *,
        retries: int = RETRIES,
        pieces: int = 0,
    ) -> list[Kept]:
        """Submit a call; return the call, followed by the pieces of its result."""
        arguments = [self._argument(each, files) for each in call]
        kept: list[Kept] = self._ask("submit", gpus, retries, pieces, release_here(), function, arguments)
        return kept

    def _argument(self, value: Any, files: bool) -> Any:
        """Return the form in which an argument is sent: a reference, rows of a file, or the value itself."""
        if isinstance(value, Piece):
            return value.kept
        plain = value.value if isinstance(value, Shared) else value
        if isinstance(plain, np.memmap):
            if files and (rows := Rows.of(plain)) is not None:
                return rows
            plain = np.array(plain)
        if not isinstance(value, Shared):
            self._sent(plain)
            return plain
        if value.kept is None or value.by is not self._line:
            value.kept, value.by = self._ask("put", plain), self._line
            weakref.finalize(value, self._unused.append, value.kept)
            self._sent(plain)
        return value.kept

    def _result(self, call: Kept) -> Outcome:
        while True:
            outcome = self._ask("result", call)
            if isinstance(outcome, Outcome):
                self._unused.append(call)
                return outcome
            if isinstance(outcome, CallCrashed):
                raise ComputeAway(
                    f"A call to the Ray cluster (COMPUTE={self.where}) ended its process {RETRIES + 1} times. See the "
                    "logs of the nodes, and whether they have enough memory."
                )
            if outcome is not None:
                raise _as_steps_raise(outcome)
            self._look()

    def _cancel(self, calls: list[Kept]) -> None:
        """Cancel these calls, whose results the caller does not need."""
        if self._line is not None:
            with suppress(ComputeAway):
                self._ask("cancel", calls)
                self._unused += calls

    def _look(self) -> None:
        """Connect to the cluster if need be; at most once a second, read its resources and release unused results.

        Raises `ComputeAway` if the cluster does not answer.
        """
        if self._line is None:
            self._connect()
        elif time.monotonic() - self._looked_at < LOOK_SECONDS:
            return
        self._resources = self._ask("resources")
        if self._unused:
            unused = self._unused[:]
            self._ask("forget", unused)
            del self._unused[: len(unused)]
        self._looked_at = time.monotonic()

    def _ask_head(self) -> None:
        """Raise OSError if the head does not accept a connection. Ray itself would wait for more than a minute."""
        if self._head is not None:
            socket.create_connection(self._head, ANSWER_SECONDS).close()

    def _connect(self) -> None:
        address = {"ray": "local", "ray:auto": settings.RAY_ADDRESS or "auto"}.get(self.where, self.where)
        with self._answering():
            self._head = head_of(self.where)
            self._ask_head()
            self._line, self._unused = Line(address), []
            if head := self._line.connect(meanwhile=self._ask_head):
                self._head = host_and_port(head)
        logger.info("Connected to the Ray cluster %s.", self.where)

    def _ask(self, method: str, *arguments: Any) -> Any:
        """Call a method of the driver. Raises `ComputeAway` if the cluster does not answer."""
        assert self._line is not None
        with self._answering():
            return self._line.ask(method, *arguments, meanwhile=self._ask_head)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """End the connection and raise `ComputeAway` if the driver or the head does not answer."""
        try:
            yield
        except (DriverGone, OSError) as error:
            if self._line is not None:
                self._line.end()
            self._line = None
            raise ComputeAway(
                f"The Ray cluster (COMPUTE={self.where}) does not answer ({error}). Is its head node running?"
            ) from error

    def _sent(self, value: Any) -> None:
        if self.traffic is not None:
            self.traffic.sent += bytes_of(value)

    def _count(self, outcome: Outcome, outcomes: list[Outcome], pieces: int) -> None:
        if self.traffic is None:
            return
        if pieces:
            self.traffic.kept += outcome.size
        else:
            self.traffic.received += outcome.size
        outcomes.append(replace(outcome, result=None))


def _as_steps_raise(error: BaseException) -> BaseException:
    """Return the error of a call in the form that steps raise: `StepFailed` for a node of another release."""
    return StepFailed(str(error)) if isinstance(error, OtherRelease) else error


def head_of(where: str) -> tuple[str, int] | None:
    """Return host and port of the head that Ray will connect to; None if unknown. Ray itself tries for many minutes."""
    if where.startswith("ray://"):
        return host_and_port(where)
    if where == "ray":
        return None
    if settings.RAY_ADDRESS:
        return host_and_port(settings.RAY_ADDRESS)
    latest = Path(tempfile.gettempdir()) / "ray" / "ray_current_cluster"
    return host_and_port(latest.read_text().strip()) if latest.exists() else None


def host_and_port(address: str) -> tuple[str, int]:
    parts = urlsplit(address if "://" in address else f"//{address}")
    return str(parts.hostname), int(parts.port or 0)
