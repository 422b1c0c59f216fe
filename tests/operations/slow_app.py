"""A WSGI application for tests of the web server: it measures bodies, and sends more than clients read."""

import tempfile
from collections.abc import Callable, Iterable
from typing import Any

from config import wsgi  # noqa: F401  what gunicorn's settings ask for when it starts

PIECE = b"x" * (1 << 16)
PIECES = 1 << 10  # 64 MiB, more than the system holds for anybody


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/file":
        file = tempfile.TemporaryFile()  # noqa: SIM115  the server closes it
        file.truncate(len(PIECE) * PIECES)
        start_response("200 OK", [("Content-Length", str(len(PIECE) * PIECES))])
        return environ["wsgi.file_wrapper"](file)  # type: ignore[no-any-return]
    if path == "/stream":
        start_response("200 OK", [])
        return (PIECE for _ in range(PIECES))
    size = 0
    while path != "/unread" and (piece := environ["wsgi.input"].read(1 << 16)):
        size += len(piece)
    body = str(size).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
