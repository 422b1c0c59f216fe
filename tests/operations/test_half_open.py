"""Test that 200 clients with incomplete requests delay no other client."""

import json
import resource
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from processes import lay_tables

from tests.extent import some
from tests.operations.servers import web_server

pytestmark = pytest.mark.django_db

CLIENTS = 200
# For how long clients may be silent here, and far less than that: a busy machine takes its time.
SILENCE = 120
PROMPTLY = 60
HEAD = b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: csrftoken=0123456789abcdef0123456789abcdef\r\n"
FORM = HEAD + b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\nusername=an"
STOPPED = {
    "silent": b"",
    "half a request line": b"GET /hea",
    "half a head": HEAD % b"/login/",
    "an empty line": b"\r\n\r\n",
    "half a form": FORM % (b"/login/", 1000),
    "half a call": FORM % (b"/api/v1/projects/", 1000),
    "a large upload that does not come": FORM % (b"/login/", 5_000_000),
    "chunks that do not come": HEAD % b"/login/" + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
    "a body that waits to be asked for": HEAD % b"/login/" + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, django_db_setup: None) -> Iterator[int]:
    """Run a web server as `make run` does, with a shorter time for clients; return its port."""
    folder = tmp_path_factory.mktemp("site")
    lay_tables(folder / "data" / "db.sqlite3")
    with web_server(folder, "--keep-alive", str(SILENCE)) as (port, _):
        yield port


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Run a server that sends more than the system buffers; return its port."""
    application = "tests.operations.slow_app:application"
    folder = tmp_path_factory.mktemp("app")
    with web_server(folder, "--keep-alive", str(SILENCE), application=application) as (port, _):
        yield port


@contextmanager
def connected(port: int, data: bytes, clients: int = CLIENTS) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        sockets = []
        for _ in range(clients):
            client = stack.enter_context(closing(socket.socket()))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(30)
            client.connect(("127.0.0.1", port))
            client.sendall(data)
            sockets.append(client)
        yield sockets


def get(port: int, path: str = "/healthz") -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PROMPTLY) as answer:
        return str(answer.read().decode())


def is_open(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return client.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False


@pytest.mark.parametrize("kind", some(STOPPED, 3))
def test_others_are_answered_beside_clients_that_stopped(site: int, kind: str) -> None:
    data = STOPPED[kind]
    with connected(site, data) as clients:
        for _ in range(20):
            assert json.loads(get(site)) == {"status": "ok"}
        if not data.startswith(b"\r\n"):  # an empty line is answered
            assert all(map(is_open, clients))


@pytest.mark.parametrize(
    "beginning", [HEAD % b"/login/" + b"X-Slow: ", FORM % (b"/login/", 1000)], ids=["head", "body"]
)
def test_others_are_answered_beside_clients_that_send_a_byte_at_a_time(site: int, beginning: bytes) -> None:
    over = threading.Event()
    with connected(site, beginning) as clients:

        def trickle() -> None:
            while not over.wait(0.1):
                for client in clients:
                    client.sendall(b"a")

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            for _ in range(20):
                assert json.loads(get(site)) == {"status": "ok"}
        finally:
            over.set()
            thread.join()
        assert all(map(is_open, clients))


@pytest.mark.long
@pytest.mark.parametrize("path", some([b"/stream", b"/file"]))
def test_others_are_answered_beside_clients_that_take_no_response(app: int, path: bytes) -> None:
    with connected(app, b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % path):
        for _ in range(20):
            assert get(app, "/") == "0"


@pytest.mark.long
def test_pages_that_are_not_taken_hold_up_nobody(site: int) -> None:
    request = b"GET /static/css/base.css HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 20
    with connected(site, request):
        for _ in range(20):
            assert json.loads(get(site)) == {"status": "ok"}


@pytest.mark.long
def test_a_whole_request_has_room_beside_more_clients_than_a_process_holds(tmp_path: Path) -> None:
    """The connection whose request has taken longest is closed."""
    lay_tables(tmp_path / "data" / "db.sqlite3")
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert files > CLIENTS
    with (
        web_server(tmp_path, "--worker-connections", "50", "--keep-alive", str(SILENCE)) as (port, _),
        connected(port, FORM % (b"/login/", 1000)) as clients,
    ):
        for _ in range(20):
            assert json.loads(get(port)) == {"status": "ok"}
        assert not all(map(is_open, clients))
        assert is_open(clients[-1])
