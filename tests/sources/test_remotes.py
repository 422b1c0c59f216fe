"""Places outside: listed from a key on, read within limits, and with one clear line for each problem."""

import datetime
import gzip
import itertools
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock
from urllib.parse import quote, urlencode

import httpx
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from buckets import Store
from hypothesis import given
from hypothesis import strategies as st
from receivers import receiver

from labeling.outside.sources import (
    BadAddress,
    Reason,
    Remote,
    SourceProblem,
    checked_remote,
    remote_at,
    remote_of,
    s3,
    seal_secrets,
)
from labeling.outside.sources.s3 import Keys, signed

INNER = "http://169.254.169.254"


def problem(remote: Remote, key: str = "") -> SourceProblem:
    with pytest.raises(SourceProblem) as caught:
        list(remote.entries()) if not key else remote.read(key, limit=100)
    return caught.value


@pytest.mark.long
def test_a_bucket_is_listed_from_a_key_on(store: Store) -> None:
    bucket = store.bucket()
    store.fill(f"{bucket}/photos", {f"{n:04}.png": b"p" * n for n in range(1100)})
    store.fill(bucket, {"other.txt": b"x", "photos.txt": b"y", "photos/": b""})
    remote = remote_at(f"s3://{bucket}/photos", store.options)
    first, *others = remote.entries()
    assert (first.key, first.size, len(others)) == ("0000.png", 0, 1099)
    assert first.etag
    assert first.changed is not None
    assert (datetime.datetime.now(datetime.UTC) - first.changed).total_seconds() < 600
    before = store.requests(f"GET /{bucket}?list-type=2")
    assert [each.key for each in remote.entries("1097.png")] == ["1098.png", "1099.png"]
    assert store.requests(f"GET /{bucket}?list-type=2") == before + 1
    assert [each.key for each in remote_at(f"s3://{bucket}", store.options).entries("photos/1099.png")] == []


def test_a_file_is_read_within_a_limit_and_a_bucket_that_is_missing_is_told(store: Store, tmp_path: Path) -> None:
    bucket = store.bucket()
    store.fill(bucket, {"a b/ä.txt": b"content", "empty": b""})
    remote = remote_at(f"s3://{bucket}/a b", store.options)
    entry = remote.entry("ä.txt")
    assert (entry.key, entry.size) == ("ä.txt", 7)
    assert remote.read("ä.txt", limit=7, etag=entry.etag) == b"content"
    remote.save("ä.txt", tmp_path / "copy", limit=7)
    assert (tmp_path / "copy").read_bytes() == b"content"
    assert remote_at(f"s3://{bucket}/empty", store.options).read("", limit=7) == b""
    for arguments, reason in (({"limit": 6}, Reason.SIZE), ({"limit": 7, "etag": '"other"'}, Reason.CHANGED)):
        with pytest.raises(SourceProblem) as caught:
            remote.read("ä.txt", **arguments)
        assert caught.value.reason == reason
    assert problem(remote, "nothing").reason == Reason.FILE
    found = problem(remote_at("s3://no-such-bucket/x", store.options))
    assert (found.reason, found.passes) == (Reason.PLACE, False)
    assert "The bucket no-such-bucket" in str(found)


ERRORS = {
    (403, "ExpiredToken"): (Reason.CREDENTIALS, "have expired"),
    (403, "InvalidAccessKeyId"): (Reason.CREDENTIALS, "rejected these credentials"),
    (403, "AccessDenied"): (Reason.CREDENTIALS, "not allowed to list or read"),
    (301, "PermanentRedirect"): (Reason.PLACE, "another region"),
    (503, "SlowDown"): (Reason.BUSY, "too many requests"),
    (500, "InternalError"): (Reason.AWAY, "InternalError"),
}


def test_a_store_that_refuses() -> None:
    for (status, code), (reason, words) in ERRORS.items():
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>key AKIASECRET</Message></Error>".encode()
        with receiver(status=status, body=body) as server:
            options = {"endpoint": f"http://127.0.0.1:{server.port}", "key": "AKIASECRET", "secret": "hidden"}
            found = problem(remote_at("s3://bucket", options))
        assert (found.reason, words in str(found)) == (reason, True), (code, found)
        assert "AKIASECRET" not in str(found)
    found = problem(remote_at("s3://bucket", options))
    assert (found.reason, found.passes) == (Reason.AWAY, True)


def test_a_web_server() -> None:
    with receiver(status=200, body=b"text\nhello\n") as server:
        remote = remote_at(server.url, {"authorization": "Bearer abc"})
        assert remote.entry().size == 11
        assert remote.read("", limit=11) == b"text\nhello\n"
        assert {each.headers["authorization"] for each in server.got} == {"Bearer abc"}
        assert remote.read("a b.png", limit=11)
        assert server.got[-1].path == "/hook/a%20b.png"
        assert problem(remote).reason == Reason.PLACE
        server.body = b"x" * 12
        with pytest.raises(SourceProblem, match="larger than the limit of 11 bytes"):
            remote.read("", limit=11)
        for status, reason in {401: Reason.CREDENTIALS, 404: Reason.FILE, 429: Reason.BUSY, 502: Reason.AWAY}.items():
            server.status = status
            assert problem(remote, "x").reason == reason


def test_a_file_that_comes_byte_by_byte() -> None:
    with receiver(drip=True) as server:
        endpoint = f"http://127.0.0.1:{server.port}"
        for remote in (remote_at(server.url, {}), remote_at("s3://bucket", {"endpoint": endpoint})):
            with pytest.raises(SourceProblem, match=r"within 0\.3 seconds") as caught:
                remote.read("x", limit=100, seconds=0.3)
            assert caught.value.passes


def test_no_address_of_the_operators_network(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a literal one, nor a name that leads there, nor a redirect."""
    settings.OUTGOING_ALLOWED_NETWORKS = []
    for address, options in {
        f"{INNER}/latest": {},
        "https://10.0.0.1/x.csv": {},
        "s3://bucket": {"endpoint": "https://10.0.0.1"},
        "s3://bucket/x": {"endpoint": "https://[::ffff:127.0.0.1]:9000"},
        "s3://bucket/y": {"endpoint": "http://s3.example.org"},
    }.items():
        with pytest.raises(BadAddress):
            checked_remote(address, options)
    for address in ("file:///etc/passwd", "/etc/passwd", "ftp://example.org/x", "local://x", "s3://b?x"):
        with pytest.raises(BadAddress):
            checked_remote(address, {})
    look_up = socket.getaddrinfo

    def names(host: Any, *args: Any, **more: Any) -> Any:
        return look_up("127.0.0.1" if "inner.example" in str(host) else host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", names)
    for remote in (
        remote_at("https://inner.example/x.csv", {}),
        remote_at("s3://bucket", {"endpoint": "https://inner.example", "key": "k", "secret": "s"}),
    ):
        found = problem(remote, "x")
        assert (found.reason, found.passes) == (Reason.FORBIDDEN, False), found
        assert "OUTGOING_ALLOWED_NETWORKS" in str(found)


def test_a_redirect_into_the_operators_network() -> None:
    with receiver(status=302, location=f"{INNER}/latest/meta-data/") as server:
        assert problem(remote_at(server.url, {}), "x").reason == Reason.FORBIDDEN
        options = {"endpoint": f"http://127.0.0.1:{server.port}", "key": "k", "secret": "s"}
        assert problem(remote_at("s3://bucket", options), "x").reason == Reason.PLACE
    hosts = {text for each in server.got for name, text in each.headers.items() if name.lower() == "host"}
    assert hosts == {f"127.0.0.1:{server.port}"}


def test_an_operator_takes_a_permission_back(settings: Any, store: Store) -> None:
    bucket = store.bucket()
    secrets = {"key": "k", "secret": "s"}
    row = SimpleNamespace(
        address=f"s3://{bucket}", options={"endpoint": store.endpoint}, sealed_secrets=seal_secrets(secrets)
    )
    remote = remote_of(row)
    assert list(remote.entries()) == []
    settings.OUTGOING_ALLOWED_NETWORKS = []
    assert problem(remote).reason == Reason.FORBIDDEN
    with pytest.raises(SourceProblem, match="OUTGOING_ALLOWED_NETWORKS"):
        remote_of(row)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", []
    with pytest.raises(SourceProblem, match="SECRET_KEY"):
        remote_of(row)


def test_nothing_of_the_operators_environment(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source without credentials asks as anyone, although the operator's object store has some."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "operator")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "operator")
    monkeypatch.setenv("AWS_ENDPOINT_URL", store.endpoint)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with receiver(status=403) as server:
        problem(remote_at("s3://bucket", {"endpoint": f"http://127.0.0.1:{server.port}"}))
        assert server.got
        assert not any("Authorization" in each.headers for each in server.got)


KEYS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20).filter(
    lambda key: not {".", ".."} & set(key.split("/"))
)


@given(key=KEYS, query=st.dictionaries(st.sampled_from(["prefix", "list-type", "start-after"]), KEYS))
def test_requests_are_signed_as_amazons_own_library_does(key: str, query: dict[str, str]) -> None:
    now = datetime.datetime(2026, 3, 2, 10, tzinfo=datetime.UTC)
    url = f"https://s3.example.org:9000/bucket/{quote(key, safe='/-_.~')}?{urlencode(query, quote_via=quote)}"
    keys = Keys("AKIAKEY", "secret", "token")
    request = AWSRequest("GET", url)
    with mock.patch("botocore.auth.get_current_datetime", return_value=now):
        S3SigV4Auth(Credentials(*keys), "s3", "eu-central-1").add_auth(request)
    headers = signed("GET", url, keys, region="eu-central-1", now=now)
    assert headers["authorization"] == request.headers["Authorization"]
    assert str(httpx.URL(url)) == url  # the transport sends what was signed


def test_amazon_tells_the_region(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a bucket whose region a member left empty."""
    page = b"<ListBucketResult><Contents><Key>a</Key><Size>1</Size></Contents></ListBucketResult>"
    with receiver(status=200, statuses=[301], body=page, headers={"x-amz-bucket-region": "eu-west-3"}) as server:
        monkeypatch.setattr(s3, "AMAZON", f"{server.url}/{{region}}")
        remote = remote_at("s3://bucket", {"key": "k", "secret": "s"})
        assert [each.key for each in remote.entries()] == ["a"]
        head, listed = server.got
        assert (head.path, "Authorization" in head.headers) == ("/hook/us-east-1/bucket", False)
        assert listed.path.startswith("/hook/eu-west-3/bucket?list-type=2")
        assert "/eu-west-3/s3/aws4_request" in listed.headers["authorization"]
        server.statuses = [301]
        found = problem(remote_at("s3://bucket", {"region": "eu-central-1"}))
        assert (found.reason, str(found)) == (Reason.PLACE, "The bucket is in the region eu-west-3. Enter this region.")


def page_of(*keys: str, token: str = "") -> bytes:
    files = "".join(f"<Contents><Key>{key}</Key><Size>{'9' * 30}</Size></Contents>" for key in keys)
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    return (
        f"<ListBucketResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>{files}{more}</ListBucketResult>".encode()
    )


def test_lists_without_an_end() -> None:
    """Of the same page again, of pages without a file, each with another token, and of pages that are no list."""
    tokens = itertools.count()
    deep = b"<a>" * 100_000
    for answering, reason in (
        (lambda _: page_of("a", "b", token="same"), Reason.PLACE),
        (lambda _: page_of(token=str(next(tokens))), Reason.PLACE),
        (lambda _: page_of("dir/", token=str(next(tokens))), Reason.PLACE),
        (lambda _: b"<!DOCTYPE x [<!ENTITY a 'aaaa'>]><x>&a;</x>", Reason.AWAY),
        (lambda _: deep, Reason.AWAY),
        (lambda _: b" " * (17 << 20), Reason.AWAY),
        (lambda _: gzip.compress(b" " * (64 << 20)), Reason.AWAY),
    ):
        with receiver(status=200, answering=answering, headers={"Content-Encoding": "gzip"}) as server:
            found = problem(remote_at("s3://bucket", {"endpoint": f"http://127.0.0.1:{server.port}"}))
        assert found.reason == reason, found
        assert len(server.got) <= 30


def test_facts_that_cannot_be_stored() -> None:
    time = "<LastModified>2026-03-02T10:00:00</LastModified>"
    files = f"<Contents><Key>a</Key><Size>{'9' * 30}</Size><ETag>{'e' * 999}</ETag>{time}</Contents>"
    files += (
        f"<Contents><Key>{'b' * 1025}</Key><Size>-1</Size></Contents><Contents><Key>c</Key><Size>x</Size></Contents>"
    )
    with receiver(status=200, body=f"<ListBucketResult>{files}</ListBucketResult>".encode()) as server:
        first, last = remote_at("s3://bucket", {"endpoint": f"http://127.0.0.1:{server.port}"}).entries()
    assert (first.size, len(first.etag), first.changed and first.changed.tzinfo) == (None, 200, datetime.UTC)
    assert (last.key, last.size) == ("c", None)
    with receiver(status=200, headers={"Last-Modified": "Mon, 02 Mar 99999 10:00:00 GMT"}) as server:
        assert remote_at(server.url, {}).entry().changed is None


def test_texts_that_are_no_address() -> None:
    for address, options in {
        "s3://": {},
        "s3://B/x": {},
        "s3://bucket/x": {"key": "only"},
        "s3://bucket/z": {"region": "eu central"},
        "s3://bucket/y": {"nothing": "x"},
        "https://user:word@example.org/": {},
        "https://": {},
        "https://example.org/x\n": {},
        "https://example.org/x": {"authorization": "a\r\nb: c"},
    }.items():
        with pytest.raises(BadAddress):
            checked_remote(address, options)
    checked_remote("s3://bucket/x", {"region": "eu-central-1", "key": "k", "secret": "s", "token": "t"})
