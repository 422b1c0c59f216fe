"""A gunicorn worker with threads, in which a client takes a thread only after its whole request has arrived.

A loop watches all connections. It collects requests, gives whole requests to threads, and sends the unsent rest of
responses after their threads are done. A thread waits for a client in two cases: to read a request of more than 128 KiB
(an upload), and to write a stream of more than 1 MiB (an export). At most half of the threads wait at a time. If there
are too many connections, the loop closes the one whose request has taken longest.

From gunicorn, this module uses the base class of workers, the parser, and the WSGI environment and response.
"""

import errno
import os
import resource
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from threading import BoundedSemaphore
from typing import Any, NamedTuple

from gunicorn import http
from gunicorn.http import wsgi
from gunicorn.http.errors import NoMoreData
from gunicorn.workers.base import Worker

from config.web_connection import FILE_BYTES, PIECE_BYTES, Connection, Patience

GONE = (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.ECONNABORTED)
TOO_MANY_FILES = (errno.EMFILE, errno.ENFILE)
# The bytes that a client may still send after the last response before the loop closes its connection.
MAX_REST = 1 << 20
# A stopping worker still collects requests for this long: a client may be sending one.
STOPPING_SECONDS = 2.0
LOOK_SECONDS = 0.5


class Watch(NamedTuple):
    """The loop's next action for a connection: `ready` for an event, `overdue` if the client was too slow."""

    ready: Callable[[Connection], None]
    overdue: Callable[[Connection], None]
    patience: Patience
    since: float


class WebWorker(Worker):
    """A worker that answers requests in threads; see the module."""

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        if cfg.is_ssl:
            sys.exit("certfile: the web server speaks no TLS itself. Put a proxy in front that ends it, and set HTTPS.")
        if cfg.proxy_protocol not in (False, "off"):
            sys.exit("proxy_protocol: the web server does not speak it. Have the proxy send X-Forwarded-For.")

    def init_process(self) -> None:
        self._poller = DefaultSelector()
        self._threads = ThreadPoolExecutor(self.cfg.threads)
        self._silence = float(self.cfg.keepalive or 1)
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        # Each connection may also send a file; the other third of the descriptors is for databases.
        self._room = min(self.cfg.worker_connections, files // 3)
        self._connections: set[Connection] = set()
        self._watched: dict[Connection, Watch] = {}
        self._answered: deque[Connection] = deque()
        # Large requests, which wait until another thread may wait for its client.
        self._large: deque[Connection] = deque()
        self._places = BoundedSemaphore(max(1, self.cfg.threads // 2))
        self._looked = time.monotonic()
        super().init_process()

    def run(self) -> None:
        self._poller.register(self.PIPE[0], EVENT_READ, self._take_answered)
        for listener in self.sockets:
            listener.setblocking(False)
            self._poller.register(listener, EVENT_READ, self._accept)
        while self.alive and self.ppid == os.getppid():
            self._turn()
        self._stop()

    def _turn(self) -> None:
        self.notify()
        for key, _ in self._poller.select(LOOK_SECONDS):
            key.data(key.fileobj)
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        for connection, watch in list(self._watched.items()):
            if now - watch.since >= watch.patience.left():
                self._unwatch(connection).overdue(connection)

    def _stop(self) -> None:
        """Answer the requests under way, for at most gunicorn's `graceful_timeout`."""
        for listener in self.sockets:
            self._poller.unregister(listener)
            listener.close()
        began = time.monotonic()
        while self._connections and time.monotonic() - began < self.cfg.graceful_timeout:
            self._turn()
            if time.monotonic() - began < STOPPING_SECONDS:
                continue
            for connection, watch in list(self._watched.items()):
                if watch.ready == self._collect:
                    self._unwatch(connection).overdue(connection)
        self._threads.shutdown(wait=False, cancel_futures=True)

    # ── from a connection to a whole request ──

    def _accept(self, listener: socket.socket) -> None:
        if len(self._connections) >= self._room and not self._make_room():
            return  # threads own all connections, and will release some soon
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.ECONNABORTED):  # another process took it, or the client left
                return
            if error.errno in TOO_MANY_FILES and self._make_room():
                return
            raise
        connection = Connection(client, address, silence=self._silence, may_wait=self._has_place)
        self._connections.add(connection)
        self._watch(connection, EVENT_READ, self._collect, self._too_slow, connection.reading)

    def _make_room(self) -> bool:
        """Close the connection whose request has taken longest. Returns False if threads own all connections."""
        oldest = min((*self._watched, *self._large), key=lambda connection: connection.since, default=None)
        if oldest is None:
            return False
        if oldest in self._watched:
            self._unwatch(oldest)
        else:
            self._large.remove(oldest)
        self._close(oldest)
        return True

    def _collect(self, connection: Connection) -> None:
        try:
            there = connection.collect()
        except BlockingIOError:
            there = True
        except OSError:
            there = False
        if not there:
            self._close(connection)
        else:
            self._go_on(connection)

    def _go_on(self, connection: Connection) -> None:
        """Give the request to a thread if it has arrived, or wait for more of it."""
        if not connection.collected:
            self._watch(connection, EVENT_READ, self._collect, self._too_slow, connection.reading)
        elif connection.whole:
            self._threads.submit(self._serve, connection)
        else:
            self._large.append(connection)
            connection.queued = time.monotonic()
            self._start_large()

    def _start_large(self) -> None:
        while self._large and self._has_place(self._large[0]):
            connection = self._large.popleft()
            # The time in the queue counts as time that the client has had to send.
            connection.reading.waited += time.monotonic() - connection.queued
            self._threads.submit(self._serve, connection)

    def _has_place(self, connection: Connection) -> bool:
        """Return whether the thread of the connection may wait for its client. If so, it may until the request is
        answered.
        """
        connection.has_place = connection.has_place or self._places.acquire(blocking=False)
        return connection.has_place

    def _too_slow(self, connection: Connection) -> None:
        if connection.begun:
            connection.refuse_slow()
            self._send_rest(connection)
        else:
            self._close(connection)

    # ── in a thread ──

    def _serve(self, connection: Connection) -> None:
        request = None
        try:
            request = next(http.RequestParser(self.cfg, connection, connection.address))
            connection.keep = self._answer(request, connection)
        except (StopIteration, NoMoreData) as error:
            self.log.debug("The client has gone: %s", error)
        except OSError as error:
            if error.errno not in GONE:
                self.log.exception("A request could not be answered.")
        except Exception as error:  # no error may end the thread, which serves other connections, too
            if connection.answered:
                self.log.exception("A response broke off.")
            else:
                self.handle_error(request, connection, connection.address, error)
        finally:
            self._answered.append(connection)
            with suppress(BlockingIOError):  # the loop is awake anyway
                os.write(self.PIPE[1], b".")

    def _answer(self, request: Any, connection: Connection) -> bool:
        """Let the application answer the request. Returns whether the connection can have another request."""
        began = datetime.now()  # naive, as gunicorn's access log needs it
        server = connection.socket.getsockname()
        self.cfg.pre_request(self, request)
        response, environ = wsgi.create(request, connection, connection.address, server, self.cfg)
        environ["wsgi.multithread"] = True
        self.nr += 1
        if self.nr >= self.max_requests:
            self.alive = False
        if not (self.alive and self.cfg.keepalive and connection.whole):
            response.force_close()
        body = self.wsgi(environ, response.start_response)
        try:
            if connection.too_slow:  # the application has seen only a part of the request: drop its response
                raise ConnectionResetError(errno.ECONNRESET, "the client is too slow")
            if isinstance(body, environ["wsgi.file_wrapper"]):
                response.write_file(body)
            else:
                for piece in body:
                    response.write(piece)
            response.close()
        finally:
            self.log.access(response, request, environ, datetime.now() - began)
            if hasattr(body, "close"):
                body.close()
            self.cfg.post_request(self, request, environ, response)
        return not response.should_close()

    # ── from a response to the next request ──

    def _take_answered(self, pipe: int) -> None:
        os.read(pipe, PIECE_BYTES)
        while self._answered:
            connection = self._answered.popleft()
            if connection.has_place:
                connection.has_place = False
                self._places.release()
            if connection.too_slow and not connection.answered:
                connection.refuse_slow()
            self._send_rest(connection)
        self._start_large()

    def _send_rest(self, connection: Connection) -> None:
        """Send the bytes that the client takes now; after the last byte, go on to the next request or close."""
        try:
            if not connection.flush(FILE_BYTES):  # a limited piece, so that other connections get their turn
                self._watch(connection, EVENT_WRITE, self._send_rest, self._close, connection.writing)
                return
            if connection.keep:
                connection.next_request()
                self._go_on(connection)
                return
            connection.socket.shutdown(socket.SHUT_WR)
        except OSError:  # the client is gone
            self._close(connection)
            return
        if self.alive and not connection.too_slow:
            self._watch(connection, EVENT_READ, self._drain, self._close, connection.draining)
        else:
            self._close(connection)

    def _drain(self, connection: Connection) -> None:
        """Read the bytes that the client still sends: closing with unread bytes would reset the unread response."""
        try:
            rest = len(connection.socket.recv(PIECE_BYTES))
        except OSError:
            rest = 0
        connection.rest += rest
        if rest and connection.rest <= MAX_REST:
            self._watch(connection, EVENT_READ, self._drain, self._close, connection.draining)
        else:
            self._close(connection)

    def _watch(
        self,
        connection: Connection,
        event: int,
        ready: Callable[[Connection], None],
        overdue: Callable[[Connection], None],
        patience: Patience,
    ) -> None:
        self._watched[connection] = Watch(ready, overdue, patience, time.monotonic())
        self._poller.register(connection.socket, event, lambda _: self._ready(connection))

    def _ready(self, connection: Connection) -> None:
        if connection in self._watched:  # `_make_room` may have closed it in the same turn
            self._unwatch(connection).ready(connection)

    def _unwatch(self, connection: Connection) -> Watch:
        watch = self._watched.pop(connection)
        watch.patience.waited += time.monotonic() - watch.since
        self._poller.unregister(connection.socket)
        return watch

    def _close(self, connection: Connection) -> None:
        self._connections.discard(connection)
        connection.close()
