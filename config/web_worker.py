"""gunicorn's worker with threads, in which nobody holds a thread by being slow.

gunicorn's own waits without end for the rest of a request and for somebody to take an answer, and closes connections
where all others wait. Here a client may be silent for `keepalive` seconds, and has to keep a pace of `MIN_RATE` beside;
connections on which there is nothing to do are watched by the poller, which costs no thread.
"""

from __future__ import annotations

import errno
import select
import socket
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ
from typing import Any, BinaryIO

from gunicorn import util
from gunicorn.workers.gthread import TConn, ThreadWorker

# Bytes a second, on average, beyond the seconds of silence: the slowest line that anybody still works over.
MIN_RATE = 1000
# Whoever takes an answer has longer: what the system holds for him moves in large pieces.
TAKING = 3
FILE_CHUNK = 1 << 18
# What a client may still send after his answer before he is cut off.
MAX_REST = 1 << 20


class Patience:
    """How long one direction of a connection has been waited for, and what has come of it."""

    def __init__(self, silence: float, waited: float = 0) -> None:
        self.silence = silence
        self.waited = waited
        self.moved = 0

    def left(self) -> float:
        """Seconds to wait for the next bytes; 0 when whatever is there already may be taken, and no more."""
        return max(0.0, min(self.silence, self.silence + self.moved / MIN_RATE - self.waited))


class ClientSocket(socket.socket):
    """A connection that raises `ConnectionResetError` where gunicorn's would wait on: to a client that is too slow."""

    def __init__(self, fileno: int, silence: float) -> None:
        super().__init__(fileno=fileno)
        self._silence = silence
        self.queue()
        self.start()

    def queue(self) -> None:
        """A request has begun, and waits for a thread."""
        self._queued = time.monotonic()

    def start(self) -> None:
        """A thread takes the request. What the client has not sent while it waited, he has had the time to send."""
        self.too_slow = False
        self.reading = Patience(self._silence, time.monotonic() - self._queued)
        self.writing = Patience(TAKING * self._silence)

    def recv(self, size: int, flags: int = 0) -> bytes:
        self._wait(select.POLLIN, self.reading)
        data = super().recv(size, flags)
        self.reading.moved += len(data)
        return data

    def sendall(self, data: Any, flags: int = 0) -> None:
        view = memoryview(data)
        while view:
            try:
                sent = self.send(view, flags | socket.MSG_DONTWAIT)
            except BlockingIOError:
                if self.gettimeout() == 0:
                    raise
                self._wait(select.POLLOUT, self.writing)
                continue
            self.writing.moved += sent
            view = view[sent:]

    def sendfile(self, file: BinaryIO, offset: int = 0, count: int | None = None) -> int:  # type: ignore[override]
        file.seek(offset)
        total = 0
        while chunk := file.read(FILE_CHUNK if count is None else min(FILE_CHUNK, count - total)):
            self.sendall(chunk)
            total += len(chunk)
        return total

    def _wait(self, event: int, patience: Patience) -> None:
        limit = self.gettimeout()
        if limit == 0:
            return
        began = time.monotonic()
        poll = select.poll()
        poll.register(self, event)
        ready = poll.poll(1000 * (patience.left() if limit is None else min(limit, patience.left())))
        patience.waited += time.monotonic() - began
        if ready:
            return
        if limit is not None:  # gunicorn waits for a while itself, for what it does not need
            raise TimeoutError
        self.too_slow = True
        raise ConnectionResetError(errno.ECONNRESET, "the client is too slow")


class WebWorker(ThreadWorker):
    """Serves with threads; see the module."""

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        super().check_config(cfg, log)
        if cfg.is_ssl:
            sys.exit("certfile: the web server speaks no TLS itself. Put a proxy in front that ends it, and set HTTPS.")

    def load_wsgi(self) -> None:
        super().load_wsgi()
        self.wsgi: Callable[..., Any] = partial(_answer, self.wsgi)

    def enqueue_req(self, conn: TConn) -> None:
        """A connection that has just come needs no thread before it says something."""
        if not isinstance(conn.sock, ClientSocket):
            conn.sock = ClientSocket(conn.sock.detach(), self.cfg.keepalive or 1)
            self._watch(conn, self.on_pending_socket_readable)
            return
        conn.sock.queue()
        super().enqueue_req(conn)

    def handle(self, conn: TConn) -> Any:
        client = conn.sock
        client.start()
        keep = super().handle(conn)
        if client.too_slow and not client.writing.moved:
            with suppress(OSError):
                util.write_error(client, 408, "Request Timeout", "The request did not arrive in time. Send it again.")
        return keep

    def finish_request(self, conn: TConn, fs: Future[Any]) -> None:
        """After the last answer: say that it was the last, and let the poller see the client go."""
        if fs.cancelled() or fs.exception() or fs.result():
            super().finish_request(conn, fs)
            return
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.rest = 0
            self._watch(conn, self._drain)
        except OSError:  # gone already
            self._end(conn)
        else:
            if not self.alive or conn.sock.too_slow:
                self._unwatch(conn)

    def _drain(self, conn: TConn, client: ClientSocket) -> None:
        """Let go what a client still sends: closing over it would take the answer from him that he has yet to read."""
        try:
            data = client.recv(1 << 16)
        except OSError:
            data = b""
        conn.rest += len(data)
        if not data or conn.rest > MAX_REST:
            self._unwatch(conn)

    def _watch(self, conn: TConn, readable: Callable[[TConn, ClientSocket], None]) -> None:
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + (self.cfg.keepalive or 1)
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(readable, conn))

    def _unwatch(self, conn: TConn) -> None:
        self.poller.unregister(conn.sock)
        self.pending_conns.remove(conn)
        self._end(conn)

    def _end(self, conn: TConn) -> None:
        self.nr_conns -= 1
        conn.close()


def _answer(application: Callable[..., Any], environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
    """The application's answer; not to a request of which it has seen half, which is answered with 408."""
    response = application(environ, start_response)
    if getattr(environ["gunicorn.socket"], "too_slow", False):
        if hasattr(response, "close"):
            response.close()
        raise ConnectionResetError(errno.ECONNRESET, "the client is too slow")
    return response
