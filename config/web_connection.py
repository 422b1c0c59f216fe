"""A client's connection, which belongs to the loop that watches all of them or to the thread that answers a request.

The loop collects a request until it is whole, and sends what is left of a response. The thread reads the request and
writes the response by the methods that gunicorn calls on a socket. It waits for the client in two cases only: for
a request that is too large to collect, and for room where a response is streamed.
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

# Bytes a second, on average, beyond the seconds of silence: the slowest line that anybody still works over.
MIN_RATE = 1000
# A client that takes a response has longer: the system's buffers move in large pieces.
TAKING = 3
# A request of up to this size is collected in memory. A thread reads a larger one as it comes.
WHOLE_BYTES = 1 << 17
HEAD_BYTES = 1 << 15
# A response that is streamed waits for its client while more than this is unsent.
UNSENT_BYTES = 1 << 20
PIECE_BYTES = 1 << 16
FILE_BYTES = 1 << 20
# The headers that say how a body comes.
FRAMING = re.compile(rb"\r\n(content-length|transfer-encoding|expect)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)
AS_IT_COMES = -1


def request_size(received: bytes | bytearray) -> int | None:
    """Bytes of the request that `received` begins with; None while its head is incomplete.

    `AS_IT_COMES` for a request that is too large to collect, or whose size is not given by one plain Content-Length.
    This only tells how long to collect. gunicorn parses the request, and refuses a malformed one.
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
    """How long one direction of a connection has been waited for, and how many bytes have moved."""

    def __init__(self, silence: float) -> None:
        self._silence = silence
        self.waited = 0.0
        self.moved = 0

    def left(self) -> float:
        """Seconds to wait for the next bytes. With 0, only bytes that are there already may still be taken."""
        return max(0.0, min(self._silence, self._silence + self.moved / MIN_RATE - self.waited))


class Bytes:
    """Bytes that are still to be sent."""

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
    """A part of a file that is still to be sent, from the disk."""

    def __init__(self, file: BinaryIO, offset: int, count: int) -> None:
        self._file: BinaryIO | None = file
        self._fd = file.fileno()
        self._offset = offset
        self.left = count

    def keep(self) -> None:
        """Keep the file, which the response closes."""
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
    """See the module. `may_wait` gives the connection's thread the right to wait for its client, or refuses it."""

    def __init__(
        self, client: socket.socket, address: Any, *, silence: float, may_wait: Callable[[Connection], bool]
    ) -> None:
        client.setblocking(False)
        self.socket = client
        self.address = address
        # The loop's own notes.
        self.has_place = False
        self.queued = 0.0
        self.rest = 0
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
        """Whether anything of a request is here."""
        return bool(self._received)

    @property
    def collected(self) -> bool:
        """Whether a thread can take the request."""
        return self.size is not None and len(self._received) >= self.size

    @property
    def whole(self) -> bool:
        """Whether the whole request is here, so that no thread has to wait for the client."""
        return self.collected and self.size != AS_IT_COMES

    def collect(self) -> bool:
        """Take what has come. Returns whether the client is still there."""
        data = self.socket.recv(PIECE_BYTES)
        if not self._received:  # the time before counts for nothing
            self.since = time.monotonic()
            self.reading = Patience(self._silence)
        self._received += data
        self.reading.moved += len(data)
        if self.size is None:
            self.size = request_size(self._received)
        return bool(data)

    def next_request(self) -> None:
        """Leave the request that was answered behind. What came after it belongs to the next."""
        assert self.size is not None
        del self._received[: self.size]
        self._begin()

    def flush(self, most: float = math.inf) -> bool:
        """Send what the system takes now, about `most` bytes. Returns whether that was all there is.

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
        """Answer that the request did not come in time."""
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
        """Whether anything of a response was written."""
        return bool(self.writing.moved or self._unsent)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """The next bytes of the request; nothing at its end. Raises `ConnectionResetError` for a client too slow."""
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
        """Send, or keep for the loop to send. Raises `ConnectionResetError` for a client too slow for a stream."""
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
        """As of a socket that does not block."""
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
