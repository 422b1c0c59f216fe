"""The process that is connected to a Ray cluster, and the worker's connection to that process.

Ray ends a process without an exception if its node or the head is gone. The worker survives that.
"""

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.util import Finalize
from typing import Any

from models_store.messages import receive, send
from models_store.nodes import Outcome, run, run_kept

# How often a call is repeated after its node died. A call that kills its nodes must end.
RETRIES = 8
# Seconds between two checks of the cluster, and the most seconds to disconnect.
LOOK_SECONDS, GOODBYE_SECONDS = 1.0, 10.0


class DriverGone(Exception):
    """The cluster or the process is gone; the message gives the reason."""


class CallCrashed(Exception):
    """A call ended its process at each attempt."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The number of a value or a call that the driver keeps."""

    number: int


class Driver:
    """The part of the process that talks to Ray."""

    def __init__(self, address: str) -> None:
        """Connect to the cluster at `address`. Raises the exceptions of Ray."""
        import ray

        ray.init(address, log_to_driver=False, configure_logging=False)
        self._ray = ray
        self._kept: dict[Kept, Any] = {}
        self._numbers = count()
        self.head: str | None = None
        """HOST:PORT of the head, for a driver on a node."""
        self._node: str | None = None
        if not address.startswith("ray://"):
            context = ray.get_runtime_context()
            self.head, self._node = context.gcs_address, context.get_node_id()

    def resources(self) -> dict[str, float]:
        """Return the CPUs and GPUs of all live nodes."""
        alive = {node["NodeID"]: node["Resources"] for node in self._ray.nodes() if node["Alive"]}
        if self._node is not None and self._node not in alive:
            raise ConnectionError("the node of this machine has gone")
        return {name: sum(node.get(name, 0) for node in alive.values()) for name in ("CPU", "GPU")}

    def put(self, value: Any) -> Kept:
        return self._store(self._ray.put(value))

    def submit(
        self, gpus: int, retries: int, pieces: int, release: str, function: Callable[..., Any], arguments: Iterable[Any]
    ) -> list[Kept]:
        """Start a call; return it, followed by its pieces if the nodes keep the result in pieces."""
        sent = [self._kept[each] if isinstance(each, Kept) else each for each in arguments]
        options = {"num_cpus": 1, "num_gpus": gpus, "max_retries": retries, "name": function.__name__}
        remote = self._ray.remote(run_kept if pieces else run).options(num_returns=1 + pieces, **options)
        returned = remote.remote(release, function, *sent)
        return [self._store(each) for each in (returned if pieces else [returned])]

    def result(self, call: Kept, seconds: float = LOOK_SECONDS) -> Outcome | BaseException | None:
        """Return the outcome of a call, or its exception; None if it still runs after `seconds`."""
        errors = self._ray.exceptions
        try:
            outcome: Outcome = self._ray.get(self._kept[call], timeout=seconds)
        except errors.GetTimeoutError:
            return None
        except errors.RayTaskError as error:
            raised: BaseException = error.cause
            return raised
        except (errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError):
            return CallCrashed()
        return outcome

    def cancel(self, calls: Iterable[Kept]) -> None:
        for call in calls:
            self._ray.cancel(self._kept[call])

    def forget(self, kept: Iterable[Kept]) -> None:
        """Drop these values and calls."""
        for each in kept:
            del self._kept[each]

    def _store(self, reference: Any) -> Kept:
        kept = Kept(next(self._numbers))
        self._kept[kept] = reference
        return kept


class Line:
    """A driver in a process of its own, which answers one request at a time. All methods raise `DriverGone`.

    `meanwhile` is called every second until the answer comes.
    """

    def __init__(self, address: str) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, address), name="ray driver", daemon=True)
        self._process.start()
        theirs.close()
        self._end = Finalize(self, _end_process, (self._process, self._pipe), exitpriority=10)

    def connect(self, *, meanwhile: Callable[[], object]) -> str | None:
        """Wait until the driver has connected, and return HOST:PORT of the head if the driver is on a node."""
        head: str | None = self._answer(meanwhile)
        return head

    def ask(self, method: str, *arguments: Any, meanwhile: Callable[[], object]) -> Any:
        """Return the result of the driver's method. Raises its exceptions."""
        with _ended():
            send(self._pipe, (method, arguments))
        return self._answer(meanwhile)

    def _answer(self, meanwhile: Callable[[], object]) -> Any:
        with _ended():
            while not self._pipe.poll(LOOK_SECONDS):
                meanwhile()
            answer, error = receive(self._pipe)
        if error is not None:
            raise error
        return answer

    def end(self) -> None:
        """Kill the process: a driver that has lost its cluster may take minutes to disconnect."""
        self._process.kill()
        self._end()


@contextmanager
def _ended() -> Iterator[None]:
    try:
        yield
    except (EOFError, ConnectionError) as error:
        raise DriverGone("Ray has ended its process") from error


def _end_process(process: Any, pipe: Connection) -> None:
    pipe.close()
    process.join(GOODBYE_SECONDS)
    process.kill()
    process.join()


def _serve(pipe: Connection, address: str) -> None:
    """Answer until the worker closes the pipe. Signals are ignored: the worker may have a step to complete first."""
    try:
        driver = Driver(address)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        send(pipe, (None, _gone(error)))
        return
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, signal.SIG_IGN)
    with suppress(EOFError, ConnectionError):
        send(pipe, (driver.head, None))
        while True:
            method, arguments = receive(pipe)
            send(pipe, _answer(driver, method, arguments))


def _answer(driver: Driver, method: str, arguments: tuple[Any, ...]) -> tuple[Any, Exception | None]:
    """Return the result of the method, and its exception."""
    from ray.exceptions import RayError

    try:
        return getattr(driver, method)(*arguments), None
    except (RayError, OSError) as error:
        return None, _gone(error)
    except Exception as error:  # noqa: BLE001 - raised where it was asked
        return None, error


def _gone(error: Exception) -> DriverGone:
    """Return the last line of the message: messages of Ray contain the head's traceback."""
    return DriverGone((str(error).strip() or type(error).__name__).splitlines()[-1][:200])
