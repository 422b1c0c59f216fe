"""Messages between two processes of one machine. Arrays go through shared memory, so each byte is written once; a pipe
alone would copy each byte five times.
"""

import mmap
import os
import pickle
import tempfile
from collections.abc import Sequence
from itertools import accumulate
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle
from typing import Any

# The least bytes of an array that goes through shared memory.
LEAST = 1 << 16
# Arrays begin at multiples of so many bytes: a line of the processor's cache.
ALIGNED = 64


def send(pipe: Connection, message: Any) -> None:
    """Send a message through a pipe that goes both ways.

    Raises the errors of a pipe, and OSError if the memory does not suffice.
    """
    arrays: list[memoryview] = []

    def kept(buffer: pickle.PickleBuffer) -> bool:
        """Return whether a buffer stays in the message itself."""
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
            _write_all(file, view, start)
        send_handle(pipe, file, 0)  # only Windows asks to which process
    finally:
        os.close(file)


def receive(pipe: Connection) -> Any:
    """Receive the next message. Its arrays are writable. Raises the errors of a pipe."""
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
    """Return the position at which each array begins."""
    return list(accumulate((-(-size // ALIGNED) * ALIGNED for size in sizes[:-1]), initial=0))


def _memory() -> int:
    """Return an anonymous file in memory, or on disk if the system has none in memory."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("message")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _write_all(file: int, view: memoryview, start: int) -> None:
    while view:
        written = os.pwrite(file, view, start)
        view, start = view[written:], start + written
