"""Test that requests to addresses that members enter reach no inner network, by no way of writing an address."""

import asyncio
import datetime
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from receivers import receiver

from labeling.outside import outbound
from labeling.outside.outbound import sending

LOOPBACK = [ip_network("127.0.0.0/8")]

Answers = Callable[..., None]


def get(url: str, **options: Any) -> outbound.Response:
    async def ask() -> outbound.Response:
        async with outbound.send("GET", url, **{"seconds": 10, **options}) as answer:
            await outbound.body_of(answer, 1000)
            return answer

    return asyncio.run(ask())


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Names that resolve to these addresses; each look-up takes the first address away, if there are several."""
    known: dict[str, list[str]] = {}
    resolve = socket.getaddrinfo

    def lookup(host: Any, *args: Any, **more: Any) -> Any:
        text = host.decode() if isinstance(host, bytes) else host
        if text not in known:
            return resolve(host, *args, **more)
        return [row for address in known[text] for row in resolve(address, *args, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return known


INNER = [
    "127.0.0.1", "localhost", "2130706433", "0x7f000001", "127.1", "017700000001", "0.0.0.0", "0", "0x7f.1",
    "192.0.0.192", "168.63.129.16", "192.88.99.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1",
    "169.254.169.254", "224.0.0.1", "255.255.255.255", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:a9fe:a9fe]",
    "[::127.0.0.1]", "[::ffff:0:127.0.0.1]", "[64:ff9b:1::7f00:1]", "[2001:0:7f00:1::]", "[3fff::1]", "[5f00::1]",
    "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fc00::1]", "[fe80::1]", "[ff02::1]",
]  # fmt: skip


@pytest.mark.parametrize("host", INNER)
def test_inner_addresses_are_refused(host: str) -> None:
    with pytest.raises(outbound.Refused, match="private network"):
        get(f"https://{host}/")


def test_texts_that_are_no_outer_hosts_are_not_requested(names: dict[str, list[str]]) -> None:
    for host in ("0177.0.0.1", "127.0.0.1.", "①②⑦.⓪.⓪.①", "127.0.0.1%00.example.org", "fe80::1%25lo", ""):
        with pytest.raises((outbound.Refused, outbound.Failed)):
            get(f"https://{host}/")
    names["inner.example"] = ["10.0.0.1"]
    names["both.example"] = ["9.9.9.9", "10.0.0.1"]
    for name in names:
        with pytest.raises(outbound.Refused, match=f"^{name} is in a private network"):
            get(f"https://{name}/")
    names["outer.example"] = ["9.9.9.9"]
    with pytest.raises(outbound.Refused, match="https://"):
        get("http://outer.example/")
    with pytest.raises(outbound.Refused, match="begin with https://"):
        get("ftp://outer.example/")
    with pytest.raises(outbound.Failed, match="No IP address"):
        get("https://nowhere.invalid/")


def test_an_operator_allows_a_network(settings: Any, names: dict[str, list[str]]) -> None:
    settings.OUTGOING_ALLOWED_NETWORKS = LOOPBACK
    names["hooks.example"] = ["127.0.0.1"]
    with receiver(status=200) as server:
        assert get(f"http://hooks.example:{server.port}/path").status_code == 200
        [request] = server.got
        assert (request.path, request.headers["Host"]) == ("/path", f"hooks.example:{server.port}")
        with pytest.raises(outbound.Refused):
            get(f"http://10.0.0.1:{server.port}/")


def test_the_connection_goes_to_the_address_that_was_checked(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that answers with another address at the second look-up gets no second look-up."""
    settings.OUTGOING_ALLOWED_NETWORKS = LOOPBACK
    asked = []
    resolve = socket.getaddrinfo

    def lookup(host: Any, *args: Any, **more: Any) -> Any:
        if host not in ("turning.example", b"turning.example"):
            return resolve(host, *args, **more)
        asked.append(host)
        return resolve("127.0.0.1" if len(asked) == 1 else "127.0.0.2", *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with receiver(status=200) as server:
        assert get(f"http://turning.example:{server.port}/").status_code == 200
    assert len(asked) == 1


@contextmanager
def dripping(answer: bytes) -> Iterator[str]:
    """Run a server that answers with these bytes, and then with another one every 50 ms, without an end."""
    over = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(10_000)
            self.request.sendall(answer)
            with suppress(OSError):
                while answer and not over.wait(0.05):
                    self.request.sendall(b"x")
            over.wait(60)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            over.set()
            server.shutdown()


def certificate(folder: Path, name: str) -> Path:
    """Write a key and a certificate for this name that vouches for itself."""
    key, subject = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), 1, now, now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "both.pem"
    path.write_bytes(encoded + made.public_bytes(serialization.Encoding.PEM))
    return path


def test_tls_verifies_the_name_and_no_redirect_gives_it_up(
    settings: Any, names: dict[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.OUTGOING_ALLOWED_NETWORKS = LOOPBACK
    names |= {"hooks.example": ["127.0.0.1"], "other.example": ["127.0.0.1"]}
    path = certificate(tmp_path, "hooks.example")
    monkeypatch.setattr(sending, "_certificates", lambda: ssl.create_default_context(cafile=path))
    with receiver(status=200, certificate=path) as server:
        assert get(f"https://hooks.example:{server.port}/").status_code == 200
        with pytest.raises(outbound.Failed, match="Hostname mismatch"):
            get(f"https://other.example:{server.port}/")
    with (
        receiver(status=200) as plain,
        receiver(status=302, location=plain.url, certificate=path) as server,
        pytest.raises(outbound.Refused, match="without https://"),
    ):
        get(f"https://hooks.example:{server.port}/", redirects=5)
    assert not plain.got


def test_the_next_address_is_tried(settings: Any, names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    settings.OUTGOING_ALLOWED_NETWORKS = LOOPBACK
    names["two.example"] = ["127.0.0.3", "127.0.0.1"]
    with receiver(status=200) as server:
        assert get(f"http://two.example:{server.port}/").status_code == 200
    monkeypatch.setattr(sending, "CONNECT_SECONDS", 0.3)
    names["silent.example"] = ["127.0.0.3", "127.0.0.1"]
    with receiver(status=200) as server, socket.socket() as silent:
        silent.bind(("127.0.0.3", server.port))
        silent.listen(0)
        with socket.create_connection(silent.getsockname()):  # its queue is full: further connections get no answer
            assert get(f"http://silent.example:{server.port}/").status_code == 200


def test_redirects_are_followed_if_asked_without_credentials(settings: Any, names: dict[str, list[str]]) -> None:
    settings.OUTGOING_ALLOWED_NETWORKS = LOOPBACK
    with receiver(location="/elsewhere", statuses=[302, 302, 200]) as server:
        assert get(server.url).status_code == 302
        assert get(server.url, redirects=5).url.path == "/elsewhere"
    names["other.example"] = ["127.0.0.1"]
    with receiver(statuses=[307, 200], headers={"Set-Cookie": "a=b"}) as server:
        server.location = f"http://other.example:{server.port}/"
        get(server.url, redirects=1, headers={"authorization": "Bearer secret"}, auth=("name", "word"))
        first, second = server.got
    assert "Authorization" in first.headers
    assert not {"Authorization", "Cookie"} & set(second.headers)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (b"", "silence"),
        (b"HTTP/1.1 200 OK\r\nX: 1", "headers that drip"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "a body that drips"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", "a part that never begins"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, "endless informational answers"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_slow_answers_end(settings: Any, monkeypatch: pytest.MonkeyPatch, answer: bytes, name: str) -> None:
    """Long before the time for the whole is over."""
    settings.OUTGOING_ALLOWED_NETWORKS = LOOPBACK
    monkeypatch.setattr(sending, "PACE_SECONDS", 0.15)
    with (
        dripping(answer) as url,
        pytest.raises(outbound.Failed, match=r"within 0\.2 seconds|bytes a second|disconnected"),
    ):
        get(url, seconds=300, silence=0.2)
