"""Test that slow clients do not keep others out."""

import socket
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest

from tests.extent import some
from tests.operations.servers import web_server

SILENCE = 2
THREADS = 16
# With the cookie of a form, without which its body is not looked at.
HALF_BODY = (
    b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: csrftoken=0123456789abcdef0123456789abcdef\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\nusername=an"
)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with web_server(
        tmp_path_factory.mktemp("app"),
        *("--keep-alive", str(SILENCE)),
        application="tests.operations.slow_app:application",
    ) as (port, _):
        yield port


def connect(port: int, data: bytes = b"", *, takes: int = 0) -> socket.socket:
    client = socket.socket()
    if takes:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, takes)
    client.settimeout(10)
    client.connect(("127.0.0.1", port))
    client.sendall(data)
    return client


@contextmanager
def many(port: int, number: int, data: bytes = b"", *, takes: int = 0) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(closing(connect(port, data, takes=takes))) for _ in range(number)]


def rest_of(client: socket.socket, seconds: float = 30) -> bytes:
    client.settimeout(seconds)
    return b"".join(iter(lambda: client.recv(1 << 16), b""))


def get(port: int, path: str = "/", seconds: float = 30) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=seconds) as answer:
        return str(answer.read().decode())


@pytest.mark.long
def test_half_sent_bodies_are_told_and_others_served(tmp_path: Path) -> None:
    with web_server(tmp_path, "--keep-alive", str(SILENCE)) as (port, log):
        pages, api = many(port, 64, HALF_BODY % b"/login/"), many(port, 64, HALF_BODY % b"/api/v1/projects/")
        with pages as clients, api:
            time.sleep(0.5)
            assert get(port, "/healthz") == '{"status": "ok"}'
            answers = [rest_of(client) for client in clients]
        assert all(answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n") for answer in answers)
        assert all(b"did not arrive in time. Send it again." in answer for answer in answers)
        assert "Traceback" not in log.read_text()


@pytest.mark.long
def test_it_takes_no_longer_for_many_than_for_one(app: int) -> None:
    """Requests that wait for a thread do not wait longer with ten times as many slow clients as threads."""
    with many(app, 10 * THREADS, HALF_BODY % b"/"):
        time.sleep(0.5)
        began = time.monotonic()
        assert get(app) == "0"
        assert time.monotonic() - began < 8 * SILENCE, "one after the other they wait for ten"


def test_half_a_head_is_told_too(app: int) -> None:
    with many(app, THREADS, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: ") as clients:
        assert all(rest_of(client).startswith(b"HTTP/1.1 408 ") for client in clients)


def test_who_says_nothing_holds_no_thread(app: int) -> None:
    with many(app, 4 * THREADS) as clients:
        assert get(app, seconds=SILENCE / 2) == "0"
        assert [rest_of(client) for client in clients] == [b""] * len(clients)


def test_who_does_not_hang_up_holds_none_either(app: int) -> None:
    """Clients that never disconnect do not block the loop of connections either."""
    goodbye = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    with many(app, 4 * THREADS, goodbye) as clients:
        assert all(rest_of(client, SILENCE / 2).endswith(b"0") for client in clients)


def test_a_slow_line_that_keeps_its_pace_is_waited_for_and_a_trickle_ends(app: int) -> None:
    """The upload takes longer than a client may be silent, with pauses, as over a slow line."""
    head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 60000\r\n\r\n"
    answer = b""
    with closing(connect(app, head)) as upload, closing(connect(app, HALF_BODY % b"/")) as trickle:
        trickle.settimeout(SILENCE / 4)
        end = time.monotonic() + 30
        for piece in range(60):
            if piece < 6:
                upload.sendall(b"x" * 10_000)
            if not answer:
                trickle.sendall(b"x")
            with suppress(TimeoutError):
                answer = answer or trickle.recv(1 << 16)
            if answer and piece >= 6:
                break
            if answer:
                time.sleep(SILENCE / 4)
            assert time.monotonic() < end
        assert rest_of(upload).endswith(b"60000")
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_an_answer_comes_while_a_body_is_still_sent_that_nobody_reads(app: int) -> None:
    body = b"x" * 300_000
    head = b"POST /unread HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 300000\r\n\r\n"
    with closing(connect(app, head)) as client:
        time.sleep(0.2)
        client.sendall(body)
        assert rest_of(client).endswith(b"\r\n\r\n0")


@pytest.mark.parametrize("path", some([b"/stream", b"/file"]))
def test_who_takes_nothing_of_an_answer_is_let_go(app: int, path: bytes) -> None:
    with many(app, THREADS, b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % path):
        time.sleep(0.5)
        assert get(app) == "0"


def test_who_takes_his_time_gets_all_of_it(app: int) -> None:
    with ExitStack() as stack:
        answers = [
            stack.enter_context(urllib.request.urlopen(f"http://127.0.0.1:{app}/{path}", timeout=30))
            for path in ("stream", "file")
        ]
        sizes = [0, 0]
        while any(pieces := [len(answer.read(12 << 20)) for answer in answers]):
            sizes = [size + piece for size, piece in zip(sizes, pieces, strict=True)]
            time.sleep(SILENCE / 4)
    assert sizes == [64 << 20] * 2


def test_requests_one_after_the_other_share_a_connection(app: int) -> None:
    request = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\n\r\nabc"
    with closing(connect(app, request + request)) as client:
        client.sendall(request)
        time.sleep(0.5)
        client.sendall(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert rest_of(client).count(b"HTTP/1.1 200 OK") == 4
