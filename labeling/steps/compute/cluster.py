"""Calls to the nodes of a Ray cluster: many under way at once, each done again elsewhere when its node dies."""

from __future__ import annotations

import logging
import socket
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from django.conf import settings

from labeling.loop.step import ComputeAway, StepFailed
from models_store.nodes import Done, OtherRelease, Rows, release_here, run

logger = logging.getLogger(__name__)

# How often a call is begun anew whose node has died. One that kills every node must end.
RETRIES = 8
# How often we look whether the cluster is still there, how long it may take to answer, and to take leave of it.
LOOK_SECONDS, ANSWER_SECONDS, GOODBYE_SECONDS = 1.0, 5.0, 10.0
# Calls under way for each core: the next must be there when one ends.
AHEAD = 2


class Shared:
    """A value that many calls take. It is sent to each node once; rows of a file are read there instead."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.reference: Any = None


@dataclass
class Traffic:
    """Bytes of arrays that went out and came back, and by function what became of its calls."""

    sent: int = 0
    received: int = 0
    done: dict[str, list[Done]] = field(default_factory=dict)
    """Where each ran, the seconds that it took there and, for its result, the bytes of that."""


class Cluster:
    """A Ray cluster, by the value of COMPUTE: `selector.sharded.Workers`."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.traffic: Traffic | None = None  # for benchmarks
        self._ray: Any = None
        self._head: tuple[str, int] | None = None
        self._node: str | None = None
        self._looked_at = -LOOK_SECONDS
        self._resources: dict[str, float] = {}

    @property
    def count(self) -> int:
        """Cores of all nodes, as of the last second: nodes come and go."""
        self._look()
        return max(1, int(self._resources.get("CPU", 0)))

    def share(self, value: Any) -> Shared:
        return Shared(value)

    def map(
        self, function: Callable[..., Any], calls: Iterable[tuple[Any, ...]], *, gpu: bool = False
    ) -> Iterator[Any]:
        """The results of `function(*call)` for each of `calls`, in their order.

        `gpu`: each call takes one, if the cluster has any.
        An argument that is a memory map is read on the node, if its file is there too, and sent otherwise. Raises what
        the function raises, `ComputeAway`, and `StepFailed` for a node of another release.
        """
        self._look()
        gpus = 1 if gpu and self._resources.get("GPU") else 0
        remote = self._ray.remote(run).options(num_cpus=1, num_gpus=gpus, max_retries=RETRIES, name=function.__name__)
        waiting, under_way, files = iter(calls), deque[tuple[Any, tuple[Any, ...]]](), True
        try:
            while True:
                while len(under_way) < AHEAD * self.count and (call := next(waiting, None)) is not None:
                    under_way.append((self._submit(remote, function, call, files), call))
                if not under_way:
                    return
                done = self._result(under_way[0][0])
                if done.unread:
                    files = False
                    done = self._result(self._submit(remote, function, under_way[0][1], files))
                under_way.popleft()
                self._count(function, done)
                yield done.result
        finally:
            self._cancel([reference for reference, _ in under_way])

    def _submit(self, remote: Any, function: Callable[..., Any], call: tuple[Any, ...], files: bool) -> Any:
        with self._answering():
            return remote.remote(release_here(), function, *(self._argument(each, files) for each in call))

    def _argument(self, value: Any, files: bool) -> Any:
        """The argument as it goes out."""
        plain = value.value if isinstance(value, Shared) else value
        if isinstance(plain, np.memmap):
            if files and (rows := Rows.of(plain)) is not None:
                return rows
            plain = np.array(plain)
        if not isinstance(value, Shared):
            self._sent(plain)
            return plain
        if value.reference is None:
            value.reference = self._ray.put(plain)
            self._sent(plain)
        return value.reference

    def _result(self, reference: Any) -> Done:
        while True:
            with self._answering():
                outcome = self._outcome(reference)
            if isinstance(outcome, OtherRelease):
                raise StepFailed(str(outcome))
            if isinstance(outcome, BaseException):
                raise outcome
            if outcome is not None:
                return outcome
            self._look()

    def _outcome(self, reference: Any) -> Done | BaseException | None:
        """What a call came to, or raised; None while it runs."""
        errors = self._ray.exceptions
        try:
            done: Done = self._ray.get(reference, timeout=LOOK_SECONDS)
        except errors.GetTimeoutError:
            return None
        except errors.RayTaskError as error:
            raised: BaseException = error.cause
            return raised
        return done

    def _cancel(self, references: list[Any]) -> None:
        """Nobody waits for these any more."""
        if self._ray is not None:
            with suppress(Exception):
                for reference in references:
                    self._ray.cancel(reference)

    def _look(self) -> None:
        """Connect, if that has not been done; and once a second see that the cluster answers, and what it has."""
        if self._ray is None:
            self._connect()
        elif time.monotonic() - self._looked_at < LOOK_SECONDS:
            return
        with self._answering():
            self._ask_head()
            alive = [node for node in self._ray.nodes() if node["Alive"]]
            if self._node is not None and self._node not in [node["NodeID"] for node in alive]:
                raise ConnectionError("the node of this machine has gone")
            self._resources = {name: sum(node["Resources"].get(name, 0) for node in alive) for name in ("CPU", "GPU")}
        self._looked_at = time.monotonic()

    def _ask_head(self) -> None:
        """Raises OSError if the head is not there. Ray itself waits for it, and then ends our process."""
        if self._head is not None:
            socket.create_connection(self._head, ANSWER_SECONDS).close()

    def _connect(self) -> None:
        import ray

        try:
            self._head = _head_of(self.where)
            self._ask_head()
            address = {"ray": "local", "ray:auto": settings.RAY_ADDRESS or "auto"}.get(self.where, self.where)
            ray.init(address, log_to_driver=False, configure_logging=False)
        except (ConnectionError, OSError, RuntimeError, ValueError) as error:
            with suppress(Exception):
                ray.shutdown()
            raise self._away() from error
        self._ray = ray
        if self.where in ("ray", "ray:auto"):
            context = ray.get_runtime_context()
            self._head, self._node = _parts(context.gcs_address), context.get_node_id()
        logger.info("Connected to the Ray cluster %s.", self.where)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Turns the errors of a cluster that has gone into `ComputeAway`, and lets go of it."""
        errors = self._ray.exceptions
        try:
            yield
        except (errors.WorkerCrashedError, errors.OutOfMemoryError) as error:
            raise ComputeAway(
                f"A call to the Ray cluster (COMPUTE={self.where}) ended its process {RETRIES + 1} times. See the "
                "logs of the nodes, and whether they have enough memory."
            ) from error
        except (errors.RayError, ConnectionError, OSError) as error:
            logger.warning("The Ray cluster %s has gone: %s", self.where, error)
            ray, self._ray = self._ray, None
            ending = threading.Thread(target=ray.shutdown, daemon=True)
            ending.start()
            ending.join(GOODBYE_SECONDS)
            raise self._away() from error

    def _away(self) -> ComputeAway:
        return ComputeAway(f"The Ray cluster (COMPUTE={self.where}) does not answer. Is its head node running?")

    def _sent(self, value: Any) -> None:
        if self.traffic is not None:
            self.traffic.sent += bytes_of(value)

    def _count(self, function: Callable[..., Any], done: Done) -> None:
        if self.traffic is not None:
            size = bytes_of(done.result)
            self.traffic.received += size
            self.traffic.done.setdefault(function.__name__, []).append(replace(done, result=size))


def _head_of(where: str) -> tuple[str, int] | None:
    """Where the head is that Ray will ask, as far as that can be known before. Ray itself asks for many minutes."""
    if where.startswith("ray://"):
        return _parts(where)
    if where == "ray":
        return None
    if settings.RAY_ADDRESS:
        return _parts(settings.RAY_ADDRESS)
    latest = Path(tempfile.gettempdir()) / "ray" / "ray_current_cluster"
    return _parts(latest.read_text().strip()) if latest.exists() else None


def _parts(address: str) -> tuple[str, int]:
    parts = urlsplit(address if "://" in address else f"//{address}")
    return str(parts.hostname), int(parts.port or 0)


def bytes_of(value: Any) -> int:
    """How much of a message is arrays and raw items."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, bytes):
        return len(value)
    if is_dataclass(value) and not isinstance(value, type):
        return sum(bytes_of(getattr(value, each.name)) for each in fields(value))
    if isinstance(value, (list, tuple)):
        return sum(map(bytes_of, value))
    return sum(map(bytes_of, value.values())) if isinstance(value, dict) else 0
