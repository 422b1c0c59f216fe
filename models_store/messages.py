"""Messages between two processes of one machine. Their arrays go through shared memory: they are written once, and
used where they lie. Through the pipe alone each byte would be copied five times.
"""

from __future__ import annotations

import mmap
import os
import pickle
import tempfile
from collections.abc import Sequence
from itertools import accumulate
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle
from typing import Any

# Bytes of an array from which on it is worth the trouble.
LEAST = 1 << 16
# Arrays begin at multiples of so many bytes, as processors like it.
ALIGNED = 64


def send(pipe: Connection, message: Any) -> None:
    """Send a message through a pipe that goes both ways.

    Raises what a pipe raises, and OSError where the memory does not suffice.
    """
    arrays: list[memoryview] = []

    def kept(buffer: pickle.PickleBuffer) -> bool:
        """Whether it stays in the message itself."""
        view = buffer.raw()
        if view.nbytes < LEAST:
            return True
        arrays.append(view)
        return False

    pickled = pickle.dumps(message, protocol=5, buffer_callback=kept)
    pipe.send_bytes(pickled)
    sizes = [view.nbytes for view in arrays]
    pipe.send(sizes)
    if not arrays:
        return
    file = _memory()
    try:
        for start, view in zip(_starts(sizes), arrays, strict=True):
            _write(file, view, start)
        send_handle(pipe, file, 0)  # only Windows asks to which process
    finally:
        os.close(file)


def receive(pipe: Connection) -> Any:
    """The next message, as it was sent. Its arrays may be changed. Raises what a pipe raises."""
    pickled = pipe.recv_bytes()
    sizes = pipe.recv()
    arrays: list[memoryview] = []
    if sizes:
        file = recv_handle(pipe)
        try:
            memory = memoryview(mmap.mmap(file, 0))
        finally:
            os.close(file)
        arrays = [memory[start : start + size] for start, size in zip(_starts(sizes), sizes, strict=True)]
    return pickle.loads(pickled, buffers=arrays)  # noqa: S301 - from a process of our own


def _starts(sizes: Sequence[int]) -> list[int]:
    """Where each array begins."""
    return list(accumulate((-(-size // ALIGNED) * ALIGNED for size in sizes[:-1]), initial=0))


def _memory() -> int:
    """A file in memory that no folder lists; where there is none such, one on disk."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("message")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _write(file: int, view: memoryview, start: int) -> None:
    while view:
        written = os.pwrite(file, view, start)
        view, start = view[written:], start + written
