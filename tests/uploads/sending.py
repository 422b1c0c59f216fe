"""Send requests slowly over a bare connection, as Django's test client cannot."""

import socket
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from django.test import Client
from knox.models import AuthToken

from labeling.intake import uploads
from labeling.models import User

PAGE, PREDICT, API = "/p/digits/import/", "/p/digits/models/1/predict/", "/api/v1/projects/digits/items/"
LARGE = 60 << 20
SENT_FIRST = 4 << 20  # more than is held in memory
BOUNDARY = b"----boundary"
CSRF = "a" * 32


class Request(NamedTuple):
    path: str
    headers: dict[str, str]
    fields: dict[str, str]
    late_fields: dict[str, str]  # behind the file


def form(path: str, user: User | None, *, token: str = "", late: str = "", **headers: str) -> Request:
    """Return a form as a browser sends it for a signed-in user."""
    cookies = {"csrftoken": CSRF}
    if user is not None:
        client = Client()
        client.force_login(user)
        cookies["sessionid"] = client.cookies["sessionid"].value
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(
        path,
        {"Cookie": cookie, **named},
        {"csrfmiddlewaretoken": token} if token else {},
        {"csrfmiddlewaretoken": late} if late else {},
    )


def by_token(user: User) -> Request:
    return Request(API, {"Authorization": f"Token {AuthToken.objects.create(user)[1]}"}, {}, {})


def field(name: str, value: str) -> bytes:
    return b'--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (
        BOUNDARY,
        name.encode(),
        value.encode(),
    )


class Sender:
    """Sends a request slowly: its head and the first megabytes of its file, and the rest on request."""

    def __init__(self, port: int, request: Request, size: int) -> None:
        start = b"".join(field(*each) for each in request.fields.items())
        start += b'--%s\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\nid,text\n' % BOUNDARY
        end = b"\r\n" + b"".join(field(*each) for each in request.late_fields.items()) + b"--%s--\r\n" % BOUNDARY
        head = {
            "Host": f"127.0.0.1:{port}",
            "Content-Type": f"multipart/form-data; boundary={BOUNDARY.decode()}",
            "Content-Length": str(len(start) + size + len(end)),
            **request.headers,
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.sendall(f"POST {request.path} HTTP/1.1\r\n{lines}\r\n".encode() + start)
        self._left, self._end = size, end

    def send(self, size: int) -> None:
        with suppress(ConnectionError):  # it has been refused, and the rest is not waited for
            self.socket.sendall(b"x" * size)
        self._left -= size

    def finish(self) -> None:
        self.send(self._left)
        with suppress(ConnectionError):
            self.socket.sendall(self._end)

    def status(self) -> int:
        return int(self.socket.recv(4096).split()[1])


def stored() -> list[Path]:
    return [path for path in uploads.folder().iterdir() if path.stat().st_size]
