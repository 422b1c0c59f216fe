"""Test that 200 clients with incomplete requests delay no other client."""

import json
import resource
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import lay_tables

from tests.extent import some
from tests.operations.servers import web_server
from tests.operations.test_slow_clients import get, many

pytestmark = pytest.mark.django_db

CLIENTS = 200
# For how long clients may be silent here, and far less than that: a busy machine takes its time.
SILENCE = 120
PROMPTLY = 60
HEAD = b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: csrftoken=0123456789abcdef0123456789abcdef\r\n"
FORM = HEAD + b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\nusername=an"
STOPPED = {
    "half a head": HEAD % b"/login/",
    "half a form": FORM % (b"/login/", 1000),
    "silent": b"",
    "half a request line": b"GET /hea",
    "an empty line": b"\r\n\r\n",
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


def is_open(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return client.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False


def others_are_answered(port: int) -> None:
    for _ in range(20):
        assert json.loads(get(port, "/healthz", PROMPTLY)) == {"status": "ok"}


@pytest.mark.parametrize("kind", some(STOPPED))
def test_others_are_answered_beside_clients_that_stopped(site: int, kind: str) -> None:
    data = STOPPED[kind]
    with many(site, CLIENTS, data) as clients:
        others_are_answered(site)
        if not data.startswith(b"\r\n"):  # an empty line is answered
            assert all(map(is_open, clients))


@pytest.mark.long
@pytest.mark.parametrize(
    "beginning", [HEAD % b"/login/" + b"X-Slow: ", FORM % (b"/login/", 1000)], ids=["head", "body"]
)
def test_others_are_answered_beside_clients_that_send_a_byte_at_a_time(site: int, beginning: bytes) -> None:
    over = threading.Event()
    with many(site, CLIENTS, beginning) as clients:

        def trickle() -> None:
            while not over.wait(0.1):
                for client in clients:
                    client.sendall(b"a")

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            others_are_answered(site)
        finally:
            over.set()
            thread.join()
        assert all(map(is_open, clients))


@pytest.mark.long
@pytest.mark.parametrize("path", some([b"/stream", b"/file"]))
def test_others_are_answered_beside_clients_that_take_no_response(tmp_path: Path, path: bytes) -> None:
    options = ("--keep-alive", str(SILENCE))
    with (
        web_server(tmp_path, *options, application="tests.operations.slow_app:application") as (port, _),
        many(port, CLIENTS, b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % path, takes=4096),
    ):
        for _ in range(20):
            assert get(port, "/", PROMPTLY) == "0"


@pytest.mark.long
def test_a_whole_request_has_room_beside_more_clients_than_a_process_holds(tmp_path: Path) -> None:
    """The connection whose request has taken longest is closed."""
    lay_tables(tmp_path / "data" / "db.sqlite3")
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert files > CLIENTS
    with (
        web_server(tmp_path, "--worker-connections", "50", "--keep-alive", str(SILENCE)) as (port, _),
        many(port, CLIENTS, FORM % (b"/login/", 1000)) as clients,
    ):
        others_are_answered(port)
        assert not all(map(is_open, clients))
        assert is_open(clients[-1])
