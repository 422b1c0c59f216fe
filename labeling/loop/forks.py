"""A process without threads that is forked for each child: what it has loaded is there at once, and shared.

A child is killed by its process number, which stays its own until it is reaped; that is asked for here, too. All of
them end with the process that made the fork server, whatever ends that.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import signal
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from django.db import connections

logger = logging.getLogger(__name__)

# 0 asks for a fork, any other number for the end of that child; the answer is its number, or how it ended.
MESSAGE = struct.Struct("!q")
PR_SET_PDEATHSIG = 1
# Of 1000. If the machine runs out of memory, a step is ended before the web server or the worker.
FIRST_TO_GO = 500

Serve = Callable[[Connection], None]


class ForkServer:
    """To be made before this process starts threads. What the forked processes do is `serve`."""

    def __init__(self, serve: Serve) -> None:
        self._line, theirs = socket.socketpair()
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if not self.pid:
            self._line.close()
            _run_forever(theirs, parent, serve)
        theirs.close()

    def fork(self) -> tuple[int, Connection]:
        """A new child: its process number, and the line to it. Raises `OSError` if the server has gone."""
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._line, [MESSAGE.pack(0)], [theirs.fileno()])
        return self._answer(), Connection(ours.detach())

    def end(self, pid: int) -> int:
        """End the child, if it has not ended, and return its exit status: a signal's number below zero."""
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)  # with the programs that it runs
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)  # it may not have a group yet
        self._line.sendall(MESSAGE.pack(pid))
        return os.waitstatus_to_exitcode(self._answer())

    def close(self) -> None:
        self._line.close()
        os.waitpid(self.pid, 0)

    def _answer(self) -> int:
        answer = self._line.recv(MESSAGE.size)
        if len(answer) < MESSAGE.size:
            raise ConnectionError("The process that starts steps has gone.")
        [number] = MESSAGE.unpack(answer)
        return int(number)


def _run_forever(line: socket.socket, parent: int, serve: Serve) -> None:
    """The server: it forks and reaps processes on request, until the worker is gone. Never returns."""
    try:
        end_with(parent)
        gc.freeze()  # what the collector does not look at stays shared
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, signal.SIG_IGN)
        # They are the parent's. To close them here would end its connections, and with SQLite its locks.
        inherited = [each.connection for each in connections.all(initialized_only=True)]
        for each in connections.all(initialized_only=True):
            each.connection = None
        while True:
            message, descriptors, _, _ = socket.recv_fds(line, MESSAGE.size, 1)
            if len(message) < MESSAGE.size:
                break
            [pid] = MESSAGE.unpack(message)
            line.sendall(MESSAGE.pack(os.waitpid(pid, 0)[1] if pid else _fork(line, descriptors[0], serve)))
        del inherited
    except BaseException:  # whatever it is, this process must not go on as its parent
        logger.exception("The process that starts steps failed.")
    finally:
        os._exit(0)


def _fork(line: socket.socket, descriptor: int, serve: Serve) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid:
        os.close(descriptor)
        return pid
    status = 1
    try:
        end_with(parent)
        line.close()
        os.setpgid(0, 0)
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(str(FIRST_TO_GO))
        serve(Connection(descriptor))
        status = 0
    except BaseException:  # as above
        logger.exception("The process of a step failed.")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def end_with(parent: int) -> None:
    """Have the kernel end this process with its parent."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before
        os._exit(1)
