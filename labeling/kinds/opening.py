"""Files from outside are opened in a process of their own, `child.py`, one after the other, and nowhere else here."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

# Each thread of numpy's would reserve tens of megabytes of what the process may take.
_COMMAND = ("/usr/bin/env", "OPENBLAS_NUM_THREADS=1", sys.executable, "-I", str(Path(__file__).with_name("child.py")))
_TOO_MUCH = "!takes too much memory or time to be opened: make it smaller, or export it again"

# The suffix of a file and, if browsers need another, that file; a suffix that begins with "!" is a refusal.
_Answer = tuple[str, bytes]


class Opener:
    """The process that opens files of one kind: started with the first of them, and anew when it has ended.

    `examiner` is the program beside this one that looks at a file.
    """

    def __init__(self, examiner: str) -> None:
        self.command = [*_COMMAND, str(Path(__file__).with_name(examiner))]
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._started_by = 0

    def answers(self, files: list[bytes], most_content: int) -> Iterator[_Answer]:
        """Of each file its suffix and, if browsers need another, that file; a suffix behind "!" is a refusal."""
        done = 0
        while done < len(files):
            some = self._ask(files[done:], most_content)
            done += len(some)
            yield from some

    def _ask(self, files: list[bytes], most_content: int) -> list[_Answer]:
        """Its answers to the first of the files, to one or more."""
        answers: list[_Answer] = []
        with self._lock:
            for _ in range(2):
                process = self._running()
                try:
                    _send(process.stdin, files, most_content)
                    answers.extend(_received(process.stdout, len(files)))
                except (BrokenPipeError, EOFError):
                    if self._end() == 0 and not answers:
                        continue  # it has ended for want of work just before this came
                    return [*answers, (_TOO_MUCH, b"")]
                except BaseException:
                    self._end()  # what is left of its answers must not be taken for the next ones
                    raise
                return answers
        return [(_TOO_MUCH, b"")]

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._started_by != os.getpid():  # a fork's is its parent's
            self._started_by = os.getpid()
            self._process = subprocess.Popen(  # noqa: S603  a fixed command
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            assert self._process.stdout is not None
            if not self._process.stdout.read(1):
                self._end()
                raise OSError("the program that opens files does not start: see the server's Python")
        return self._process

    def _end(self) -> int:
        """Its exit status; it is ended first if need be."""
        process, self._process = self._process, None
        assert process is not None
        process.kill()
        with suppress(BrokenPipeError):
            process.communicate()
        return process.wait()


def _send(stream: IO[bytes] | None, files: list[bytes], most_content: int) -> None:
    assert stream is not None
    stream.write(struct.pack(f">II{len(files)}I", len(files), most_content, *map(len, files)))
    for file in files:
        stream.write(file)
    stream.flush()


def _received(stream: IO[bytes] | None, count: int) -> Iterator[_Answer]:
    """The answers as they come: all, or the first of them. Raises EOFError if the process ends meanwhile."""
    assert stream is not None
    for _ in range(count):
        lengths = struct.unpack(">II", _read(stream, 8))
        if not any(lengths):
            return
        suffix, instead = (_read(stream, length) for length in lengths)
        yield suffix.decode(), instead


def _read(stream: IO[bytes], length: int) -> bytes:
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data
