"""A process without threads that forks a child for each lane. Its loaded modules are ready in the child, in shared
memory.

The worker kills a child by its process id. The id stays the child's until the fork server reaps it, which only `end`
requests, so a kill never hits another process. All children and the fork server end with the worker.
"""

import ctypes
import gc
import logging
import os
import signal
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from django.db import connections

logger = logging.getLogger(__name__)

# A message of 0 requests a fork, and the answer is the child's process id. Any other number is the process id of a
# child to reap, and the answer is its wait status.
MESSAGE = struct.Struct("!q")
PR_SET_PDEATHSIG = 1
# Of 1000. If the machine runs out of memory, the kernel kills a step before the web server or the worker.
FIRST_TO_GO = 500

Serve = Callable[[Connection], None]


class ForkServer:
    """Forks processes that run `serve`. Must be created before this process starts threads."""

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
        """Fork a child. Return its process id and the connection to it. Raises `OSError` if the server has ended."""
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._line, [MESSAGE.pack(0)], [theirs.fileno()])
        return self._answer(), Connection(ours.detach())

    def end(self, pid: int) -> int:
        """Kill the child if it runs, and return its exit status; after a signal, the signal's number below zero."""
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)  # with the programs that it has started
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)  # the child may not have its process group yet
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
    """Run the fork server: fork and reap processes on request, until the worker has ended. Never returns."""
    try:
        end_with(parent)
        gc.freeze()  # a collection would write to objects, and so copy their shared pages
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, signal.SIG_IGN)
        # These are the parent's connections. To close them here would end them, and with SQLite release its locks.
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
    except BaseException:  # after any error, this process must not continue with its parent's code
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
    except BaseException:  # as in `_run_forever`
        logger.exception("The process of a step failed.")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def end_with(parent: int) -> None:
    """Let the kernel kill this process when its parent ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # the parent ended before `prctl`
        os._exit(1)


# The memory of processes and of the machine, as Linux reports them. On other systems processes count as 0 bytes, so no
# memory limit applies.

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")


def taken_by(pid: int) -> int:
    """Return bytes of the process and its descendants. Pages of mapped files do not count: the kernel can drop them."""
    return sum(own(each) for each in _tree(pid))


def _tree(pid: int) -> Iterator[int]:
    yield pid
    with suppress(OSError):
        for thread in (PROC / str(pid) / "task").iterdir():
            for child in (thread / "children").read_text().split():
                yield from _tree(int(child))


def own(pid: int) -> int:
    """Return bytes of the process alone, without pages of mapped files; 0 if it has ended."""
    kilobytes = 0
    with suppress(OSError):
        for line in (PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith(("RssAnon:", "VmSwap:")):
                kilobytes += int(line.split()[1])
    return kilobytes * 1024


def there_is() -> int:
    """Return bytes of memory of this machine, or the limit of this container if that is lower."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [machine]
    with suppress(OSError):
        for line in (PROC / "self" / "cgroup").read_text().splitlines():
            if line.startswith("0::"):
                own = CGROUPS / line.removeprefix("0::").lstrip("/")
                limits += [_limit(each) for each in (own, *own.parents) if CGROUPS in (each, *each.parents)]
    return min(limit for limit in limits if limit)


def _limit(cgroup: Path) -> int:
    with suppress(OSError, ValueError):
        return int((cgroup / "memory.max").read_text())
    return 0
