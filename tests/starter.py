"""Starts `manage.py` for tests in a third of the time, by forking a process with all slow modules loaded.

`Process` has the interface of `subprocess.Popen`. The forked process has no state of Django or of the tests: it reads
its settings from the given environment, runs `manage.py` from its first line, and ends as any program does. This file
is also the program that is forked: it has one thread, and is asked over a socket.
"""

from __future__ import annotations

import atexit
import contextlib
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
import threading
import time
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Of what a worker loads, that which no setting changes.
LONG_TO_LOAD = [
    "django.contrib.postgres.aggregates",
    "django.core.management",
    "django.db.models",
    "environs",
    "markdown_it",
    "models_store.artifact",
    "models_store.learning",
    "numba",
    "PIL.Image",
    "prometheus_client",
    "pyarrow.parquet",
    "requests",
    "safetensors.torch",
    "scipy.optimize",
    "scipy.stats",
    "selector.class_guard",
    "selector.joining",
    "sklearn.feature_extraction.text",
    "sklearn.preprocessing",
    "torch._dynamo",
]


@cache
def starter() -> socket.socket:
    """Return the connection to the process that forks; that process ends with this one."""
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        [sys.executable, __file__, str(theirs.fileno())],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        pass_fds=[theirs.fileno()],
    )
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


class Process:
    """A running `manage.py` with these arguments and this environment."""

    def __init__(self, arguments: list[str], environment: dict[str, str], *, apart: bool = False) -> None:
        """`apart`: collect standard error in `stderr` instead of `stdout`."""
        said, stdout = os.pipe()
        warned, stderr = os.pipe() if apart else (-1, stdout)
        self._status, status = os.pipe()
        asked = json.dumps({"arguments": arguments, "environment": environment}).encode()
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


def forked(asking: socket.socket) -> list[str]:
    """Fork on request until the tests end. Returns only in the new processes, with the arguments of each."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        length, fds, *_ = socket.recv_fds(asking, 8, 3)
        if not length:
            os._exit(0)
        asked = b""
        while len(asked) < int.from_bytes(length):
            asked += asking.recv(int.from_bytes(length) - len(asked))
        if os.fork() == 0:
            break
        for fd in fds:
            os.close(fd)
    # Between the starter and the new process one waits for its end: its number is free before anybody is told.
    asking.close()
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
    os.environ.clear()
    os.environ.update(request["environment"])
    return list(request["arguments"])


if __name__ == "__main__":
    sys.path[0] = str(ROOT)
    for name in LONG_TO_LOAD:
        importlib.import_module(name)
    gc.freeze()
    sys.argv = ["manage.py", *forked(socket.socket(fileno=int(sys.argv[1])))]
    runpy.run_path("manage.py", run_name="__main__")
