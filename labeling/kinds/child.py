"""Opens files from outside, each with the program that is named on the command line; it never trusts what it opens.

Run as a script, in a process of its own, because a few kilobytes can unpack to gigabytes, and decoders have crashed on
less. It answers one batch of files after the other, limits what each may take, waits its turn with a large one, and
ends when nobody asks any more:

    at first    "+": it is ready
    batch       how many files, most content of each, whether smaller pictures are wanted (4 bytes each); and for each
                its length (4 bytes) and its bytes
    answers     for each: four lengths (4 bytes each), the suffix of its real format, the file that stands in for it if
                browsers need that, and smaller pictures of it: a preview, a thumbnail. If it is refused, a suffix that
                begins with "!" and says why. Four lengths of 0: it took long so far, ask for the rest again.

Without an answer it has ended: by itself, exit status 0, or because the file took too much memory or time.
"""

from __future__ import annotations

import fcntl
import resource
import select
import signal
import struct
import sys
import time
from contextlib import suppress
from importlib.util import module_from_spec, spec_from_file_location
from math import ceil
from pathlib import Path
from typing import Any, BinaryIO

READY = b"+"

MEMORY_BYTES = 1 << 30
CPU_SECONDS = 20
SECONDS = 60
REST_SECONDS = 60
# Whoever asks has more to do than to wait for a whole batch of slow files.
BATCH_SECONDS = 0.5


def _limit_time() -> None:
    """Let what follows take no longer than a file may: the system ends the process then, whatever it is at."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (ceil(spent.ru_utime + spent.ru_stime) + CPU_SECONDS, most))
    signal.alarm(SECONDS)


def _take_turn(turn: BinaryIO) -> None:
    """Wait until no other process has the turn; it is given back with the answer, or by ending."""
    signal.alarm(0)  # waiting is not the file's fault
    with suppress(OSError):  # a disk that knows no locks
        fcntl.flock(turn, fcntl.LOCK_EX)
    signal.alarm(SECONDS)


def _answer(examiner: Any, data: bytes, most_content: int, smaller: bool, turn: BinaryIO) -> bytes:
    try:
        suffix, *files = examiner.examine(data, most_content, smaller=smaller, before_large=lambda: _take_turn(turn))
    except examiner.Unfit as problem:
        suffix, *files = f"!{problem}", b"", b"", b""
    parts = [suffix.encode(), *files]
    return b"".join([struct.pack(">4I", *map(len, parts)), *parts])


def _read_batch(requests: BinaryIO, head: bytes) -> tuple[list[bytes], int, bool]:
    count, most_content, smaller = struct.unpack(">III", head)
    lengths = struct.unpack(f">{count}I", requests.read(4 * count))
    return [requests.read(length) for length in lengths], most_content, bool(smaller)


def main(examiner: Any, requests: BinaryIO, answers: BinaryIO, turn: BinaryIO) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(ValueError, OSError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever asks
    answers.write(READY)
    answers.flush()
    while select.select([requests], [], [], REST_SECONDS)[0] and (head := requests.read(12)):
        files, most_content, smaller = _read_batch(requests, head)
        begun = time.monotonic()
        for file in files:
            if time.monotonic() - begun > BATCH_SECONDS:
                answers.write(bytes(16))
                answers.flush()
                break
            _limit_time()
            answer = _answer(examiner, file, most_content, smaller, turn)
            signal.alarm(0)
            with suppress(OSError):
                fcntl.flock(turn, fcntl.LOCK_UN)
            answers.write(answer)
            answers.flush()  # at once: if the next one ends this process, it is known which it was


def _load(path: Path) -> Any:
    """The program that looks at a file: it has `examine` and `Unfit`. By its path, for this process has no other."""
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    examiner = module_from_spec(spec)
    spec.loader.exec_module(examiner)
    return examiner


if __name__ == "__main__":
    with Path(__file__).open("rb") as turn:  # a file that every process of this installation can lock
        main(_load(Path(sys.argv[1])), sys.stdin.buffer, sys.stdout.buffer, turn)
