"""A real HTTP receiver on this machine that answers as a test says, and remembers what it got."""

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """`statuses`: the next answers; then `status`. `seconds`: the pause before each answer. `answering`: makes the body
    of an answer, in place of `body`.
    """

    host: str = ""
    port: int = 0
    status: int = 204
    statuses: list[int] = field(default_factory=list)
    body: bytes = b""
    answering: Callable[[Request], bytes] | None = None
    location: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0
    drip: bool = False
    """Whether an answer comes byte by byte, without an end."""
    got: list[Request] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/hook"


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = Request(self.command, self.path, dict(self.headers.items()), body)
            receiver.got.append(request)
            if receiver.closing.wait(receiver.seconds):
                return
            while receiver.drip and not receiver.closing.is_set():
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-A: b\r\n"[:1])
                time.sleep(0.1)
            self.send_response(receiver.statuses.pop(0) if receiver.statuses else receiver.status)
            if receiver.location:
                self.send_header("Location", receiver.location)
            for name, text in receiver.headers.items():
                self.send_header(name, text)
            answer = receiver.answering(request) if receiver.answering else receiver.body
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer)

        do_GET = do_HEAD = do_POST

        def log_message(self, *args: Any) -> None:
            pass

    return Handler


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that no longer waits is no error here."""


@contextmanager
def receiver(
    port: int = 0, *, host: str = "127.0.0.1", certificate: Path | None = None, **answer: Any
) -> Iterator[Receiver]:
    """Run a receiver until the end of the block; `port` 0 is any free port. With a certificate it speaks TLS."""
    made = Receiver(**answer)
    with _Server((host, port), _handler(made)) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        made.host, made.port = host, server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield made
        finally:
            made.closing.set()
            server.shutdown()
            thread.join()
