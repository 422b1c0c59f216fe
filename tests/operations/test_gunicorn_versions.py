"""Test `config/web_worker.py` with each minor version of gunicorn that requirements.txt allows."""

import os
import subprocess
import sys
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.operations.servers import web_server
from tests.operations.test_slow_clients import HALF_BODY, SILENCE, connect, get, many, rest_of

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ("23.0", "24.0", "24.1", "25.0", "25.1", "25.2", "25.3", "26.0", "26.1", "26.2", "27.0")
# As docs/explanation/web-worker.md has the states.
CLIENTS = 64
SIZES = {"stream": 64 << 20, "file": 64 << 20}


def test_these_versions_are_the_allowed_ones() -> None:
    [allowed] = [
        Requirement(line)
        for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
        if line.startswith("gunicorn")
    ]
    major, minor = map(int, VERSIONS[-1].split("."))
    assert str(allowed.specifier) == f"<{major}.{minor + 1},>={VERSIONS[0].removesuffix('.0')}"


@pytest.mark.long
@pytest.mark.parametrize("version", VERSIONS)
def test_it_serves_with_each(version: str, tmp_path: Path) -> None:
    folder = str(tmp_path / "packages")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder]
    subprocess.run([*install, f"gunicorn=={version}.*"], check=True)
    says = [sys.executable, "-c", "import gunicorn; print(gunicorn.__version__)"]
    loaded = subprocess.check_output(says, env={**os.environ, "PYTHONPATH": folder}, text=True)
    assert loaded.startswith(f"{version}."), "another version would be tested"
    options = ["--keep-alive", str(SILENCE)]
    application = "tests.operations.slow_app:application"
    with web_server(tmp_path, *options, application=application, PYTHONPATH=folder) as (port, log):
        keeps_connections(port)
        bears_half_requests(port)
        sends_all(port)
    assert "Traceback" not in log.read_text()


def keeps_connections(port: int) -> None:
    request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
    chunks = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    with closing(connect(port, request + request + chunks)) as client:
        answers = rest_of(client)
    assert answers.count(b"HTTP/1.1 200 OK") == 3, answers


def bears_half_requests(port: int) -> None:
    halves = (HALF_BODY % b"/", b"GET / HTTP/1.1\r\nHost: a\r\nX-Half: ")
    for half in halves:
        with many(port, CLIENTS, half) as clients:
            assert get(port) == "0"
            assert all(rest_of(client).startswith(b"HTTP/1.1 408 ") for client in clients)
    with closing(connect(port, b"GET / HTTP/1.1\r\nno header\r\n\r\n")) as client:
        assert rest_of(client).startswith(b"HTTP/1.1 400 ")
    body = b"x" * 300_000
    with closing(
        connect(port, b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 300000\r\n\r\n")
    ) as client:
        client.sendall(body)
        assert rest_of(client).endswith(b"300000")


def sends_all(port: int) -> None:
    for path, size in SIZES.items():
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=60) as answer:
            assert sum(map(len, iter(lambda: answer.read(1 << 20), b""))) == size, path
