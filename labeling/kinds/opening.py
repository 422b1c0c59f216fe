"""Open untrusted files, one after the other, in a separate process that runs `child.py`."""

import os
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from labeling.kinds.base import OpenedFile
from labeling.kinds.wording import BadFile

# One thread: each further thread of OpenBLAS would reserve tens of megabytes of the process's memory limit.
_COMMAND = ("/usr/bin/env", "OPENBLAS_NUM_THREADS=1", sys.executable, "-I", str(Path(__file__).with_name("child.py")))
_TOO_MUCH = "takes too much memory or time to be opened: make it smaller, or export it again"


class Opener:
    """Opens files of one kind in a process, which starts with the first file, and again after its end.

    `examiner` is the name of the Python file in this folder that examines a file.
    """

    def __init__(self, examiner: str) -> None:
        self.command = [*_COMMAND, str(Path(__file__).with_name(examiner))]
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._started_by = 0

    def opened(self, files: list[bytes], most_content: int, *, smaller: bool) -> Iterator[OpenedFile | BadFile]:
        """Yield each file opened, in order, or why it is refused. `smaller`: large pictures get smaller ones."""
        done = 0
        while done < len(files):
            some = self._ask(files[done:], most_content, smaller)
            done += len(some)
            yield from some

    def _ask(self, files: list[bytes], most_content: int, smaller: bool) -> list[OpenedFile | BadFile]:
        """Return the process's replies to the first files, at least to one."""
        replies: list[OpenedFile | BadFile] = []
        with self._lock:
            for _ in range(2):
                process = self._running()
                try:
                    _send(process.stdin, files, most_content, smaller)
                    replies.extend(_received(process.stdout, files))
                except (BrokenPipeError, EOFError):
                    if self._end() == 0 and not replies:
                        continue  # the idle process ended just before this batch
                    return [*replies, BadFile(_TOO_MUCH)]
                except BaseException:
                    self._end()  # unread replies must not be taken for replies to the next batch
                    raise
                return replies
        return [BadFile(_TOO_MUCH)]

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._started_by != os.getpid():  # after a fork, the process is the parent's
            self._started_by = os.getpid()
            self._process = subprocess.Popen(  # noqa: S603  a fixed command
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            assert self._process.stdout is not None
            if not self._process.stdout.read(1):
                self._end()
                raise OSError("the program that opens files does not start: see the server's Python")
        return self._process

    def _end(self) -> int:
        """Kill the process if it still runs, and return its exit status."""
        process, self._process = self._process, None
        assert process is not None
        process.kill()
        with suppress(BrokenPipeError):
            process.communicate()
        return process.wait()


def _send(stream: IO[bytes] | None, files: list[bytes], most_content: int, smaller: bool) -> None:
    assert stream is not None
    stream.write(struct.pack(f">III{len(files)}I", len(files), most_content, smaller, *map(len, files)))
    for file in files:
        stream.write(file)
    stream.flush()


def _received(stream: IO[bytes] | None, files: list[bytes]) -> Iterator[OpenedFile | BadFile]:
    """Yield the replies as they arrive, to all or the first files. Raises EOFError if the process ends first."""
    assert stream is not None
    for file in files:
        lengths = struct.unpack(">4I", _read(stream, 16))
        if not any(lengths):
            return
        suffix, instead, preview, thumbnail = (_read(stream, length) for length in lengths)
        if suffix.startswith(b"!"):
            yield BadFile(suffix[1:].decode())
        else:
            yield OpenedFile(instead or file, suffix.decode(), preview, thumbnail)


def _read(stream: IO[bytes], length: int) -> bytes:
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data
