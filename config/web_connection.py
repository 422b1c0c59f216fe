"""A client's connection. Either the loop of `web_worker` or a thread that answers a request owns it.

The loop collects a whole request, and sends the unsent rest of a response. The thread reads the request and writes the
response by the methods that gunicorn calls on a socket. The thread waits for the client in two cases only: to read a
request that is too large to collect, and to send a streamed response.
"""

from __future__ import annotations

import errno
import math
import os
import re
import select
import socket
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO

# Bytes a second, on average, that a client must send or take, beyond the seconds of silence.
MIN_RATE = 1000
# A client that takes a response may be silent this many times as long: the system's buffers move in large pieces.
TAKING = 3
# A request of up to this size is collected in memory. A thread reads a larger one as it comes.
WHOLE_BYTES = 1 << 17
HEAD_BYTES = 1 << 15
# A response that is streamed waits for its client while more than this is unsent.
UNSENT_BYTES = 1 << 20
PIECE_BYTES = 1 << 16
FILE_BYTES = 1 << 20
# The headers that describe the length and transfer of a body.
FRAMING = re.compile(rb"\r\n(content-length|transfer-encoding|expect)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)
AS_IT_COMES = -1


def request_size(received: bytes | bytearray) -> int | None:
    """Return the bytes of the request at the beginning of `received`; None while its head is incomplete.

    `AS_IT_COMES` for a request that is too large to collect, or whose body has no single plain Content-Length. The
    size only decides how much to collect: gunicorn parses the request, and refuses a malformed one.
    """
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return AS_IT_COMES if len(received) > HEAD_BYTES else None
    head = end + 4
    framing = FRAMING.findall(received, 0, head)
    if not framing:
        return head
    ((name, value), *more) = framing
    if more or name.lower() != b"content-length" or not re.fullmatch(rb"[0-9]{1,9}[ \t]*", value):
        return AS_IT_COMES
    size = head + int(value)
    return size if size <= WHOLE_BYTES else AS_IT_COMES


class Patience:
    """The seconds spent waiting on one direction of a connection, and the bytes that it has moved."""

    def __init__(self, silence: float) -> None:
        self._silence = silence
        self.waited = 0.0
        self.moved = 0

    def left(self) -> float:
        """Return the seconds to wait for the next bytes. With 0, only bytes that have arrived already are taken."""
        return max(0.0, min(self._silence, self._silence + self.moved / MIN_RATE - self.waited))


class Bytes:
    """Unsent bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)

    @property
    def left(self) -> int:
        return len(self._data)

    def send(self, to: socket.socket) -> int:
        sent = to.send(self._data)
        self._data = self._data[sent:]
        return sent

    def close(self) -> None:
        self._data.release()


class FilePart:
    """An unsent part of a file, which is sent from the disk."""

    def __init__(self, file: BinaryIO, offset: int, count: int) -> None:
        self._file: BinaryIO | None = file
        self._fd = file.fileno()
        self._offset = offset
        self.left = count

    def keep(self) -> None:
        """Keep the file open after the response has closed it."""
        self._fd = os.dup(self._fd)
        self._file = None

    def send(self, to: socket.socket) -> int:
        sent = os.sendfile(to.fileno(), self._fd, self._offset, min(self.left, FILE_BYTES))
        if not sent:
            raise ConnectionAbortedError(errno.ECONNABORTED, "a file became shorter while it was sent")
        self._offset += sent
        self.left -= sent
        return sent

    def close(self) -> None:
        if self._file is None:
            os.close(self._fd)


class Connection:
    """A client's connection (see the module). `may_wait` returns whether its thread may wait for its client."""

    def __init__(
        self, client: socket.socket, address: Any, *, silence: float, may_wait: Callable[[Connection], bool]
    ) -> None:
        client.setblocking(False)
        self.socket = client
        self.address = address
        # State of the loop.
        self.has_place = False
        self.queued = 0.0
        self.rest = 0
        self.draining = Patience(silence)
        self._silence = silence
        self._may_wait = may_wait
        self._received = bytearray()
        self._unsent: deque[Bytes | FilePart] = deque()
        self._begin()

    def _begin(self) -> None:
        """Collect the next request."""
        self.since = time.monotonic()
        self.size = request_size(self._received)
        self.reading = Patience(self._silence)
        self.writing = Patience(TAKING * self._silence)
        self.keep = False
        self.too_slow = False
        self._position = 0

    # ── the loop's side ──

    @property
    def begun(self) -> bool:
        """Whether a part of a request has arrived."""
        return bool(self._received)

    @property
    def collected(self) -> bool:
        """Whether a thread can take the request."""
        return self.size is not None and len(self._received) >= self.size

    @property
    def whole(self) -> bool:
        """Whether the whole request has arrived, so that its thread need not wait for the client."""
        return self.collected and self.size != AS_IT_COMES

    def collect(self) -> bool:
        """Receive the bytes that have arrived. Returns whether the client is still connected."""
        data = self.socket.recv(PIECE_BYTES)
        if not self._received:  # the time before the first byte does not count
            self.since = time.monotonic()
            self.reading = Patience(self._silence)
        self._received += data
        self.reading.moved += len(data)
        if self.size is None:
            self.size = request_size(self._received)
        return bool(data)

    def next_request(self) -> None:
        """Drop the answered request; later bytes belong to the next request."""
        assert self.size is not None
        del self._received[: self.size]
        self._begin()

    def flush(self, most: float = math.inf) -> bool:
        """Send about `most` unsent bytes, as far as the system takes them. Returns whether all bytes are sent.

        Raises `OSError` if the client is gone.
        """
        end = self.writing.moved + most
        while self._unsent and self.writing.moved < end:
            part = self._unsent[0]
            try:
                self.writing.moved += part.send(self.socket)
            except BlockingIOError:
                return False
            if not part.left:
                self._unsent.popleft().close()
        return not self._unsent

    def refuse_slow(self) -> None:
        """Answer 408: the request did not arrive in time."""
        text = b"The request did not arrive in time. Send it again.\n"
        head = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Type: text/plain\r\n"
        size = b"Content-Length: %d\r\n\r\n" % len(text)
        with suppress(OSError):
            self.sendall(head + size + text)

    def close(self) -> None:
        while self._unsent:
            self._unsent.popleft().close()
        self.socket.close()

    # ── the thread's side: what gunicorn calls ──

    @property
    def answered(self) -> bool:
        """Whether a part of the response was written."""
        return bool(self.writing.moved or self._unsent)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Return the next bytes of the request; b"" at its end. Raises `ConnectionResetError` if the client is too
        slow.
        """
        end = len(self._received) if self.size == AS_IT_COMES else self.size
        data = bytes(self._received[self._position : min(end or 0, self._position + size)])
        self._position += len(data)
        if data or self.size != AS_IT_COMES:
            return data
        self._wait(select.POLLIN, self.reading)
        data = self.socket.recv(size)
        self.reading.moved += len(data)
        return data

    def sendall(self, data: bytes, flags: int = 0) -> None:
        """Send the data, or keep it for the loop. Raises `ConnectionResetError` if a stream is too slow."""
        while not self.flush() and self._unsent_bytes() > UNSENT_BYTES:
            if not self._may_wait(self):
                raise ConnectionResetError(errno.ECONNRESET, "too many clients are slow to take a response")
            self._wait(select.POLLOUT, self.writing)
        self._unsent.append(Bytes(data))
        self.flush()

    def send(self, data: bytes, flags: int = 0) -> int:
        self.sendall(data)
        return len(data)

    def sendfile(self, file: BinaryIO, offset: int = 0, count: int = 0) -> int:
        part = FilePart(file, offset, count)
        self._unsent.append(part)
        self.flush()
        if part.left:
            part.keep()
        return count

    def gettimeout(self) -> float:
        """Return 0, as a non-blocking socket does."""
        return 0.0

    def _unsent_bytes(self) -> int:
        return sum(part.left for part in self._unsent if isinstance(part, Bytes))

    def _wait(self, event: int, patience: Patience) -> None:
        began = time.monotonic()
        poll = select.poll()
        poll.register(self.socket, event)
        ready = poll.poll(1000 * patience.left())
        patience.waited += time.monotonic() - began
        if not ready:
            self.too_slow = True
            raise ConnectionResetError(errno.ECONNRESET, "the client is too slow")
