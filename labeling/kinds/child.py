"""Open untrusted files with the examiner (a Python file) that the command line names.

`labeling.kinds.opening` runs this script in its own process, because a few kilobytes can unpack to gigabytes, and bad
files have crashed decoders. The process answers one batch of files after the other, limits memory and time for each
file, lets only one process at a time decode a large file, and ends after REST_SECONDS without a batch:

    at first    "+": the process is ready
    batch       the number of files, the most content of each, whether to make smaller pictures (4 bytes each); then for
                each file its length (4 bytes) and its bytes
    answers     for each file: four lengths (4 bytes each), the suffix of its real format, the file that browsers need
                in its place (or nothing), its preview, its thumbnail. For a refused file, the suffix is "!" and the
                reason. Four lengths of 0: the batch takes long, send the rest of the files again.

If an answer is missing, the process has ended: by itself with exit status 0, or because a file took too much memory or
time.
"""

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
# After this time, the process returns the rest of the batch, so that the caller does not wait for all slow files.
BATCH_SECONDS = 0.5


def _limit_time() -> None:
    """Start the time limits of a file: the system ends the process after CPU_SECONDS of CPU time, or after SECONDS."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (ceil(spent.ru_utime + spent.ru_stime) + CPU_SECONDS, most))
    signal.alarm(SECONDS)


def _take_turn(turn: BinaryIO) -> None:
    """Lock `turn`, so that one process at a time decodes a large file. The answer, or the process's end, unlocks it."""
    signal.alarm(0)  # the wait does not count towards the file's time
    with suppress(OSError):  # a disk without locks
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
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent process
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
            answers.flush()  # at once: if the next file ends this process, the caller knows which file it was


def _load(path: Path) -> Any:
    """Load the examiner, which has `examine` and `Unfit`, by its path: `-I` leaves its folder out of `sys.path`."""
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    examiner = module_from_spec(spec)
    spec.loader.exec_module(examiner)
    return examiner


if __name__ == "__main__":
    with Path(__file__).open("rb") as turn:  # all processes of this installation lock this same file
        main(_load(Path(sys.argv[1])), sys.stdin.buffer, sys.stdout.buffer, turn)
