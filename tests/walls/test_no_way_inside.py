"""Test that no client of addresses that members enter reaches an inner server: by a redirect, or by a name that answers
with another address a moment later.
"""

import asyncio
import itertools
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from receivers import receiver

from labeling.loop.step import ComputeAway, StepFailed
from labeling.outside.sources import SCHEMES, BadAddress, Remote, SourceProblem, azure, gcs, remote_at, s3
from labeling.outside.webhooks import delivering
from labeling.steps import endpoint, prediction_server
from labeling.steps.prediction_server import ServerAway
from models_store.encoders.endpoint import TextRefused
from tests.extent import ALL

ROOT = Path(__file__).resolve().parents[2]
ALLOWED, INNER = "127.0.0.1", "127.0.0.2"
PEM = (
    rsa.generate_private_key(public_exponent=65537, key_size=2048)
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
)
ACCOUNT = json.dumps({"type": "service_account", "client_email": "reader@example.org", "private_key": PEM})
KEYS = {"key": "k", "secret": "s", "token": "t"}


Client = Callable[[str], None]
"""Sends all requests that a client has to the server at an address."""


def walk(remote: Remote) -> None:
    """Send each request that a place can: list, look, and read."""
    for ask in (lambda: list(remote.entries()), lambda: remote.entry("x"), lambda: remote.read("x", limit=100)):
        with suppress(SourceProblem):
            ask()


def of_source(address: str, **options: str) -> Client:
    return lambda url: walk(
        remote_at(address.format(url=url), {n: text.format(url=url) for n, text in options.items()})
    )


def webhook(url: str) -> None:
    asyncio.run(delivering.post(url, b"{}", {"webhook-signature": "secret"}))


def prediction_server_at(url: str) -> None:
    server = prediction_server._Server(url, ("name", "word"), "1.0", "<View/>")
    for path, body in (("health", None), ("predict", {"tasks": []})):
        with suppress(StepFailed, ServerAway):
            prediction_server._ask(server, path, body)


def endpoint_at(url: str) -> None:
    with suppress(StepFailed, ComputeAway, TextRefused):
        endpoint._accepted(url, "secret", asyncio.run(endpoint._send(url, "secret", b'{"input": ["x"]}')))


WEB = of_source("{url}", authorization="Bearer secret")
SOURCES: dict[str, list[Client]] = {
    "s3": [
        of_source("s3://bucket", endpoint="{url}", **KEYS),
        of_source("s3://bucket", endpoint="{url}"),
        of_source("s3://bucket", **KEYS),
    ],
    "gs": [of_source("gs://bucket"), lambda url: walk(remote_at("gs://bucket", {"service_account": ACCOUNT}))],
    "az": [of_source("az://account/container", sas="sig=secret")],
    "http": [WEB],
    "https": [WEB],
}
CLIENTS: dict[str, list[Client]] = {
    "outside/sources/remote.py": list(itertools.chain(*SOURCES.values())),
    "outside/webhooks/delivering.py": [webhook],
    "steps/prediction_server.py": [prediction_server_at],
    "steps/endpoint.py": [endpoint_at],
}
"""What sends requests to addresses of members, by its file."""


def test_all_clients_are_here() -> None:
    """Only `labeling.outside.outbound` may import a library that sends requests (see import-linter's contracts)."""
    folder = ROOT / "labeling"
    texts = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*.py")}
    sending = re.compile(r"\boutbound\.send\b|from labeling\.outbound[\w.]* import .*\bsend\b")
    senders = {name for name, text in texts.items() if sending.search(text)}
    assert (senders - {"outbound/__init__.py"}, set(SOURCES)) == (set(CLIENTS), set(SCHEMES))
    # import-linter knows packages, not modules of the standard library.
    assert not [
        name for name, text in texts.items() if re.search(r"urllib(\.| import )request|http(\.| import )client", text)
    ]


@pytest.fixture(autouse=True)
def _allowed(settings: Any) -> None:
    settings.OUTGOING_ALLOWED_NETWORKS = [ip_network(f"{ALLOWED}/32")]


@contextmanager
def counting() -> Iterator[tuple[int, list[Any]]]:
    """Listen at the inner address, and count the connections, whatever they are for."""
    connections: list[Any] = []
    with socket.create_server((INNER, 0)) as server:
        port = server.getsockname()[1]

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    connections.append(connection.recv(1000))
                    connection.close()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield port, connections
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def point_at(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let clients with a fixed host talk to this server."""
    for module, name in ((s3, "AMAZON"), (gcs, "API"), (gcs, "TOKENS"), (azure, "HOST")):
        monkeypatch.setattr(module, name, url)


def answer_names(monkeypatch: pytest.MonkeyPatch, answers: dict[str, Iterator[str]]) -> None:
    """Let these names have the next of these addresses at each look-up."""
    look_up = socket.getaddrinfo

    def names(host: Any, *args: Any, **more: Any) -> Any:
        return look_up(next(answers[host]) if host in answers else host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", names)


PLACES = (
    "http://127.0.0.2:{port}/x", "http://[::ffff:127.0.0.2]:{port}/x", "http://[::ffff:7f00:2]:{port}/x",
    "http://2130706434:{port}/x", "http://0x7f000002:{port}/x", "http://127.2:{port}/x", "//127.0.0.2:{port}/x",
    "http://name:word@127.0.0.2:{port}/x", "http://127.0.0.1@127.0.0.2:{port}/x", "https://127.0.0.2:{port}/x",
    "http://inner.example:{port}/x", "ftp://127.0.0.2:{port}/x", "file:///etc/passwd",
)  # fmt: skip


def test_no_client_follows_a_redirect_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_names(monkeypatch, {"inner.example": itertools.repeat(INNER)})
    statuses = itertools.cycle([301, 302, 303, 307, 308])
    with counting() as (port, connections), receiver() as server:
        url = f"http://{ALLOWED}:{server.port}"
        point_at(url, monkeypatch)
        clients = list(itertools.chain(*CLIENTS.values()))
        pairs = zip(PLACES * 2, itertools.cycle(clients), strict=False)
        for place, send in itertools.product(PLACES, clients) if ALL else pairs:
            server.location = place.format(port=port)
            before, server.status = len(server.got), next(statuses)
            send(url)
            assert len(server.got) > before
        assert connections == []


def test_no_name_leads_inside_when_it_is_looked_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each other answer of the name is the inner address: a connection goes where its own check has looked."""
    answer_names(monkeypatch, {"turning.example": itertools.cycle([ALLOWED, INNER])})
    with counting() as (port, connections), receiver(port, status=200, body=b"{}") as server:
        url = f"http://turning.example:{port}"
        point_at(url, monkeypatch)
        for send in itertools.chain(*CLIENTS.values()):
            before = len(server.got)
            for _ in range(2):
                with suppress(KeyError):  # this is no token of Google's
                    send(url)
            assert len(server.got) > before
        assert connections == []


def test_open_and_closed_ports_inside_are_told_apart_by_nothing() -> None:
    with counting() as (port, connections), receiver(status=302) as server:
        problems = set()
        for inner in (port, 1):
            server.location = f"http://{INNER}:{inner}/x"
            for address in (f"https://{INNER}:{inner}/x", server.url):
                with pytest.raises((SourceProblem, BadAddress)) as caught:
                    remote_at(address, {}).read("", limit=100)
                problems.add(str(caught.value))
        assert len(problems) == 1
        assert connections == []
