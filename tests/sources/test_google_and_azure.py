"""Google Cloud Storage and Azure Blob Storage, against stand-ins for their servers that check each request."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from labeling.outside.sources import BadAddress, Reason, Remote, SourceProblem, azure, checked_remote, gcs, remote_at

FILES = {f"photos/{n:02}.png": b"p" * n for n in range(7)} | {"photos/a b/ä?.png": b"content", "photos/dir/": b""}
WHEN = "2026-03-02T10:00:00.000Z"
LATER = "Mon, 02 Mar 2026 10:00:00 GMT"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
ACCOUNT = {"type": "service_account", "client_email": "reader@example.org", "private_key": PEM}
SAS = "sv=2024-11-04&sr=c&sp=rl&se=2030-01-01T00%3A00%3A00Z&sig=c2ln%2F"
Answer = tuple[int, dict[str, str], bytes]


@contextmanager
def serving(answer: Callable[[str, str, dict[str, str], dict[str, str], bytes], Answer]) -> Iterator[str]:
    """Run a server that answers with `answer(method, path, query, headers, body)`, and yield its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, more, content = answer(self.command, unquote(url.path), query, headers, body)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **more}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_POST = do_HEAD = do_GET

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


class Google:
    """Buckets, and tokens for signed requests. `refused`: the status of all answers. `private`: objects that may not be
    read.
    """

    def __init__(self) -> None:
        self.lists: list[dict[str, str]] = []
        self.tokens, self.refused = 0, 0
        self.private: set[str] = set()

    def __call__(self, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: bytes) -> Answer:
        if path == "/token":
            return self._token(parse_qs(body.decode())["assertion"][0])
        if headers.get("authorization") != "Bearer t0ken":
            return 401, {}, b""
        if self.refused:
            return self.refused, {}, b""
        if path == "/storage/v1/b/bucket/o":
            return self._list(query)
        content = FILES.get(path.removeprefix("/storage/v1/b/bucket/o/"))
        if path.removeprefix("/storage/v1/b/bucket/o/") in self.private:
            return 403, {}, b""
        if content is None:
            return 404, {}, b""
        facts = self._facts(path.removeprefix("/storage/v1/b/bucket/o/"))
        if query.get("alt") == "media":
            return 200, {"X-Goog-Generation": facts["generation"]}, content
        return 200, {}, json.dumps(facts).encode()

    def _token(self, assertion: str) -> Answer:
        head, claims, signature = (base64.urlsafe_b64decode(part + "==") for part in assertion.split("."))
        signed = assertion.rpartition(".")[0].encode()
        KEY.public_key().verify(signature, signed, PKCS1v15(), SHA256())
        claimed = json.loads(claims)
        assert json.loads(head) == {"alg": "RS256", "typ": "JWT"}
        assert claimed["iss"] == "reader@example.org"
        assert claimed["iat"] <= time.time() < claimed["exp"]
        assert claimed["scope"].endswith("devstorage.read_only")
        self.tokens += 1
        return 200, {}, json.dumps({"access_token": "t0ken", "expires_in": 3600}).encode()

    def _list(self, query: dict[str, str]) -> Answer:
        self.lists.append(query)
        start = query.get("pageToken", query.get("startOffset", ""))
        names = sorted(name for name in FILES if name.startswith(query.get("prefix", "")) and name >= start)
        page, rest = names[: int(query["maxResults"])], names[int(query["maxResults"]) :]
        more = {"nextPageToken": rest[0]} if rest else {}
        return 200, {}, json.dumps({"items": [self._facts(name) for name in page], **more}).encode()

    def _facts(self, name: str) -> dict[str, str]:
        return {"name": name, "size": str(len(FILES[name])), "updated": WHEN, "generation": str(1000 + len(name))}


class Blobs:
    """A container of Azure's. `refused`: the status and code of all answers."""

    def __init__(self) -> None:
        self.lists: list[dict[str, str]] = []
        self.refused: tuple[int, str] | None = None

    def __call__(self, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: bytes) -> Answer:
        if self.refused:
            return self.refused[0], {"x-ms-error-code": self.refused[1]}, b""
        assert query["sig"] == "c2ln/"
        assert headers["x-ms-version"] >= "2026-02-06"
        if query.get("comp") == "list":
            return self._list(query)
        content = FILES.get(path.removeprefix("/container/"))
        if content is None:
            return 404, {"x-ms-error-code": "BlobNotFound"}, b""
        return 200, {"ETag": f'"0x{len(content)}"', "Last-Modified": LATER}, content

    def _list(self, query: dict[str, str]) -> Answer:
        self.lists.append(query)
        start = query.get("marker", query.get("startFrom", ""))
        names = sorted(name for name in FILES if name.startswith(query.get("prefix", "")) and name >= start)
        page, rest = names[: int(query["maxresults"])], names[int(query["maxresults"]) :]
        blobs = "".join(
            f"<Blob><Name>{escape(name)}</Name><Properties><Last-Modified>{LATER}</Last-Modified>"
            f"<Etag>0x{len(FILES[name])}</Etag><Content-Length>{len(FILES[name])}</Content-Length></Properties></Blob>"
            for name in page
        )
        marker = f"<NextMarker>{escape(rest[0])}</NextMarker>" if rest else "<NextMarker/>"
        xml = f"<EnumerationResults><Blobs>{blobs}</Blobs>{marker}</EnumerationResults>"
        return 200, {}, f"<?xml version='1.0' encoding='utf-8'?>{xml}".encode()


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Google, Remote]]:
    made = Google()
    with serving(made) as address:
        monkeypatch.setattr(gcs, "API", address)
        monkeypatch.setattr(gcs, "TOKENS", f"{address}/token")
        monkeypatch.setattr(gcs, "PAGE", 3)
        yield made, remote_at("gs://bucket/photos", {"service_account": json.dumps(ACCOUNT)})


@pytest.fixture
def blobs(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Blobs, Remote]]:
    made = Blobs()
    with serving(made) as address:
        monkeypatch.setattr(azure, "HOST", address)
        monkeypatch.setattr(azure, "PAGE", 3)
        yield made, remote_at("az://account/container/photos", {"sas": f"?{SAS}"})


def check_place(server: Google | Blobs, remote: Remote) -> None:
    """Check that the place is listed from a key on, and read within limits."""
    keys = [each.key for each in remote.entries()]
    assert keys == [*(f"{n:02}.png" for n in range(7)), "a b/ä?.png"]
    assert len(server.lists) == 3
    server.lists.clear()
    assert [each.key for each in remote.entries("06.png")] == ["a b/ä?.png"]
    assert len(server.lists) == 1
    [listed] = [each for each in remote.entries("05.png") if each.key == "06.png"]
    entry = remote.entry("06.png")
    assert entry == listed
    assert (entry.size, entry.changed and entry.changed.year) == (6, 2026)
    assert remote.read("a b/ä?.png", limit=7) == b"content"
    assert remote.read("06.png", limit=6, etag=entry.etag) == b"pppppp"
    for arguments, reason in (
        ({"key": "06.png", "limit": 5}, Reason.SIZE),
        ({"key": "06.png", "limit": 6, "etag": "other"}, Reason.CHANGED),
        ({"key": "none.png", "limit": 6}, Reason.FILE),
    ):
        with pytest.raises(SourceProblem) as caught:
            remote.read(**arguments)
        assert caught.value.reason == reason


def problem_of(remote: Remote) -> SourceProblem:
    with pytest.raises(SourceProblem) as caught:
        list(remote.entries())
    assert "sig=" not in str(caught.value)
    return caught.value


def test_google_cloud_storage(google: tuple[Google, Remote]) -> None:
    server, remote = google
    check_place(server, remote)
    assert server.tokens == 1
    server.private.add("photos/06.png")
    for ask in (remote.entry, lambda key: remote.read(key, limit=100)):
        with pytest.raises(SourceProblem, match=r"06\.png was rejected") as caught:
            ask("06.png")
        assert caught.value.reason == Reason.REFUSED
    assert remote.read("05.png", limit=100)
    for status, reason in {403: Reason.CREDENTIALS, 404: Reason.PLACE, 429: Reason.BUSY, 500: Reason.AWAY}.items():
        server.refused = status
        assert problem_of(remote).reason == reason
    server.refused = 403
    with pytest.raises(SourceProblem) as caught:
        remote.read("05.png", limit=100)
    assert caught.value.reason == Reason.CREDENTIALS


def test_googles_key_is_refused(google: tuple[Google, Remote], monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda *_: (400, {}, b'{"error": "invalid_grant"}')) as address:
        monkeypatch.setattr(gcs, "TOKENS", address)
        found = problem_of(google[1])
    assert (found.reason, "rejected the service account's key" in str(found)) == (Reason.CREDENTIALS, True)


def test_azure_blob_storage(blobs: tuple[Blobs, Remote]) -> None:
    server, remote = blobs
    check_place(server, remote)
    for refused, reason in {
        (403, "AuthenticationFailed"): Reason.CREDENTIALS,
        (404, "ContainerNotFound"): Reason.PLACE,
        (503, "ServerBusy"): Reason.BUSY,
        (500, "InternalError"): Reason.AWAY,
    }.items():
        server.refused = refused
        assert problem_of(remote).reason == reason


def test_a_hostile_list_is_no_list(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'aaaa'>]><EnumerationResults>&a;</EnumerationResults>"
    with serving(lambda *_: (200, {}, bomb)) as address:
        monkeypatch.setattr(azure, "HOST", address)
        assert problem_of(remote_at("az://account/container", {})).reason == Reason.AWAY


def test_addresses_and_credentials_are_checked() -> None:
    wrong = json.dumps({**ACCOUNT, "type": "external_account", "credential_source": {"url": "http://169.254.169.254"}})
    for address, options in {
        "gs://B/x": {},
        "gs://bucket/1": {"service_account": "{}"},
        "gs://bucket/2": {"service_account": wrong},
        "gs://bucket/3": {"service_account": json.dumps({**ACCOUNT, "private_key": "x"})},
        "az://account": {},
        "az://account.evil.example/container": {},
        "az://account/container/4": {"sas": "key"},
        "az://account/container/5": {"sas": "sig=a\r\nb"},
    }.items():
        with pytest.raises(BadAddress):
            checked_remote(address, options)
    checked_remote("gs://bucket", {})
    checked_remote("az://account/container", {})
