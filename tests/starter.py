"""Starts `manage.py` for tests in a third of the time, by forking a process with all slow modules loaded.

`Process` has the interface of `subprocess.Popen`. The forked process has no state of Django or of the tests: it reads
its settings from the given environment, runs `manage.py` from its first line, and ends as any program does. This file
is also the program that is forked: it has one thread, and is asked over a socket. The test processes of a run share it,
because each would load the modules for seconds, and keep them in memory.
"""

import contextlib
import fcntl
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Of what a worker loads, that which no setting changes.
LONG_TO_LOAD = [
    "django.contrib.postgres.aggregates", "django.core.management", "django.db.models", "environs", "markdown_it",
    "models_store.artifact", "models_store.learning", "numba", "PIL.Image", "prometheus_client", "pyarrow.parquet",
    "requests", "safetensors.torch", "scipy.optimize", "scipy.stats", "selector.class_guard", "selector.joining",
    "sklearn.feature_extraction.text", "sklearn.preprocessing", "torch._dynamo",
]  # fmt: skip


@contextlib.contextmanager
def _turn() -> Iterator[None]:
    """Let one process at a time connect to the starter, start it, or be the starter that ends."""
    folder = os.open(ROOT / "tests", os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


@cache
def starter() -> socket.socket:
    """Return a connection to the process that forks. That process ends when all its connections have."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", os.getpid())
    address = str(Path(tempfile.gettempdir(), f"starter-{run}"))
    connection = socket.socket(socket.AF_UNIX)
    with _turn():
        try:
            connection.connect(address)
        except FileNotFoundError:
            _start(address)
            connection.connect(address)  # it is answered when the modules are loaded
    return connection


def _start(address: str) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        process = subprocess.Popen(
            [sys.executable, __file__, str(listening.fileno()), address],
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            pass_fds=[listening.fileno()],
        )
    process.returncode = 0  # nothing waits for it: other test processes may need it for longer


class Process:
    """A running `manage.py` with these arguments and this environment."""

    def __init__(self, arguments: list[str], environment: dict[str, str], *, apart: bool = False) -> None:
        """`apart`: collect standard error in `stderr` instead of `stdout`."""
        said, stdout = os.pipe()
        warned, stderr = os.pipe() if apart else (-1, stdout)
        self._status, status = os.pipe()
        umask = os.umask(0)
        os.umask(umask)
        asked = json.dumps({"arguments": arguments, "environment": environment, "umask": umask}).encode()
        socket.send_fds(starter(), [len(asked).to_bytes(8)], [stdout, stderr, status])
        starter().sendall(asked)
        for fd in {stdout, stderr, status}:
            os.close(fd)
        self.stdout = os.fdopen(said)
        self.stderr = os.fdopen(warned) if apart else None
        self.returncode: int | None = None
        self._told = b""
        while b"\n" not in self._told:
            self._hear()
        self.pid = int(self._told.split(b"\n")[0])

    def _hear(self) -> None:
        part = os.read(self._status, 100)
        assert part, "the starter is gone"
        self._told += part
        if self._told.count(b"\n") == 2:
            self.returncode = int(self._told.split(b"\n")[1])
            os.close(self._status)

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        end = None if timeout is None else time.monotonic() + timeout
        while self.returncode is None:
            left = None if end is None else max(0.0, end - time.monotonic())
            if not select.select([self._status], [], [], left)[0]:
                raise subprocess.TimeoutExpired("manage.py", timeout or 0)
            self._hear()
        return self.returncode

    def send_signal(self, signum: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, signum)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float = 300) -> tuple[str, str]:
        """Return the output until the process ends; a separate standard error is limited to the size of a pipe."""
        late = threading.Timer(timeout, self.kill)
        late.start()
        said = [file.read() if file and not file.closed else "" for file in (self.stdout, self.stderr)]
        for file in (self.stdout, self.stderr):
            if file:
                file.close()
        self.wait()
        late.cancel()
        return said[0], said[1]


def forked(listening: socket.socket, address: str) -> list[str]:
    """Fork on request until all test processes have ended. Returns only in the new processes, with the arguments of
    each.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    connections: list[socket.socket] = []
    for asking in _asking(listening, connections):
        length, fds, *_ = socket.recv_fds(asking, 8, 3)
        if not length:
            connections.remove(asking)
            asking.close()
            if not connections:
                _end(listening, address)
            continue
        asked = b""
        while len(asked) < int.from_bytes(length):
            asked += asking.recv(int.from_bytes(length) - len(asked))
        if os.fork() == 0:
            break
        for fd in fds:
            os.close(fd)
    # Between the starter and the new process one waits for its end: its number is free before anybody is told.
    for each in (listening, *connections):
        each.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    stdout, stderr, status = fds
    if pid := os.fork():
        os.close(stdout)
        os.close(stderr)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.write(status, f"{pid}\n".encode())
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with contextlib.suppress(BrokenPipeError):
            os.write(status, f"{code}\n".encode())
        os._exit(0)
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    for fd in fds:
        os.close(fd)
    request = json.loads(asked)
    os.umask(request["umask"])
    os.environ.clear()
    os.environ.update(request["environment"])
    return list(request["arguments"])


def _asking(listening: socket.socket, connections: list[socket.socket]) -> Iterator[socket.socket]:
    """Yield each connection that has a request or was closed; add new ones to the list."""
    while True:
        for ready in select.select([listening, *connections], [], [])[0]:
            if ready is listening:
                connections.append(listening.accept()[0])
            else:
                yield ready


def _end(listening: socket.socket, address: str) -> None:
    """End this process, unless another test process has just connected."""
    with _turn():
        if not select.select([listening], [], [], 0)[0]:
            os.unlink(address)  # noqa: PTH108
            os._exit(0)


if __name__ == "__main__":
    sys.path[0] = str(ROOT)
    for name in LONG_TO_LOAD:
        importlib.import_module(name)
    gc.freeze()
    sys.argv = ["manage.py", *forked(socket.socket(fileno=int(sys.argv[1])), sys.argv[2])]
    runpy.run_path("manage.py", run_name="__main__")
