"""A proxy in front of a server that treats each request as a list of faults says."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

FINE = "fine"
LOSES = "loses"
"""The request reaches the server, and the connection ends without a response."""
CUTS = "cuts"
"""The connection ends in the middle of the response."""
BUSY = "busy"
"""503 with `Retry-After: 0`, and the request does not reach the server."""


class Unreliable:
    """The address of the proxy, the faults of the next requests, and the requests so far."""

    def __init__(self) -> None:
        self.url = ""
        self.faults: list[str] = []
        self.seen: list[str] = []


@contextmanager
def unreliable(target: str) -> Iterator[Unreliable]:
    """Run the proxy until the end of the block."""
    state = Unreliable()
    client = httpx.Client(base_url=target, trust_env=False)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fault = state.faults.pop(0) if state.faults else FINE
            state.seen.append(f"{self.command} {fault}")
            self.close_connection = True
            if fault == BUSY:
                self._reply(503, b'{"code": "unavailable", "detail": "The database rests."}', "application/json")
                return
            passed_on = ("Authorization", "Content-Type", "Idempotency-Key")
            kept = {name: self.headers[name] for name in passed_on if name in self.headers}
            answer = client.request(self.command, self.path, content=body, headers=kept)
            if fault != LOSES:
                kind = answer.headers.get("Content-Type", "")
                self._reply(answer.status_code, answer.content, kind, cut=fault == CUTS)

        do_GET = do_POST = do_PATCH = do_DELETE = _pass_on

        def _reply(self, status: int, body: bytes, kind: str, *, cut: bool = False) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Retry-After", "0")
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if cut else body)

        def log_message(self, *args: object) -> None:
            """Log nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        client.close()
