"""Test nginx with the files of deploy/nginx, in front of one host, and of two hosts of which one is being upgraded."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.operations.servers import ROOT, free_port, running, web_server
from tests.processes import lay_tables

# For the tables of an installation, see `lay_tables`.
pytestmark = pytest.mark.django_db

FILES = ROOT / "deploy/nginx"
PAGE = (ROOT / "docs/how-to/install-for-a-team.md").read_text(encoding="utf-8")
HOST = "labels.example.org"
HALF_BODY = (
    f"POST /login/ HTTP/1.1\r\nHost: {HOST}\r\nCookie: csrftoken=0123456789abcdef0123456789abcdef\r\n"
    "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\nusername=an"
).encode()
# What Debian's nginx.conf has around these files.
MAIN = """{user}daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 768; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/conf.d/*.conf;
}}
"""


def settings() -> dict[str, str]:
    """Return the settings in the how-to, without those of this machine."""
    (block,) = re.findall(r"`/etc/marginalia.env`.*?```ini\n(.*?)```", PAGE, re.DOTALL)
    values = dict(line.split("=", 1) for line in block.splitlines())
    for own in ("DATA_DIR", "DATABASE_URL", "PORT", "WEB_CONCURRENCY"):
        del values[own]
    return values


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory, django_db_setup: None) -> Iterator[int]:
    """Run a web server; return its port."""
    folder = tmp_path_factory.mktemp("web")
    lay_tables(folder / "data" / "db.sqlite3")
    with web_server(folder, "--keep-alive", "1", **settings()) as (port, _):
        yield port


@contextmanager
def nginx(folder: Path, *hosts: str) -> Iterator[int]:
    """Run nginx with TLS in front of these hosts; return its port."""
    plain, secure = free_port(), free_port()
    changes = {
        "    server 127.0.0.1:8000;\n": "".join(f"    server {host};\n" for host in hosts),
        "/etc/ssl/marginalia": str(folder),
        " 80;": f" {plain};",
        ":80;": f":{plain};",
        "443 ssl": f"{secure} ssl",
    }
    for path in FILES.glob("*/*.conf"):
        text = path.read_text()
        for documented, here in changes.items():
            text = text.replace(documented, here)
        copy = folder / path.relative_to(FILES)
        copy.parent.mkdir()
        copy.write_text(text)
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user="user root;\n" * (os.geteuid() == 0)))
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-subj", f"/CN={HOST}", "-days", "2"),
            *("-keyout", folder / "key.pem", "-out", folder / "cert.pem"),
        ],
        check=True,
        capture_output=True,
    )
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    with running(command, secure, folder / "nginx.log"):
        yield secure


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, web: int) -> Iterator[tuple[int, int]]:
    """Run nginx and the web server behind it; return their ports."""
    with nginx(tmp_path_factory.mktemp("site"), f"127.0.0.1:{web}") as secure:
        yield secure, web


class OldHost(BaseHTTPRequestHandler):
    """A host without the requested front-end file, which breaks off all other requests."""

    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path.startswith("/static/"):
            self.send_error(404)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


def connect(port: int, data: bytes = b"") -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client = context.wrap_socket(socket.create_connection(("127.0.0.1", port), 10), server_hostname=HOST)
    client.sendall(data)
    return client


def ask(port: int, request: str, body: bytes = b"") -> tuple[int, str]:
    """Send a request; return the response's status and text."""
    with closing(connect(port)) as client:
        client.sendall(f"{request} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n".encode())
        client.sendall(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        answer = b"".join(iter(lambda: client.recv(1 << 16), b"")).decode()
    return int(answer.split()[1]), answer


def test_half_sent_bodies_never_reach_a_web_process(site: tuple[int, int]) -> None:
    secure, _ = site
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(connect(secure, HALF_BODY))) for _ in range(64)]
        end = time.monotonic() + 3  # three times as long as a web process waits
        while time.monotonic() < end:
            assert ask(secure, "GET /healthz")[0] == 200
            time.sleep(0.2)
        for client in clients:  # they are all still waited for
            client.settimeout(0.01)
            with pytest.raises(TimeoutError):
                client.recv(1)


def test_past_the_proxy_they_are_over_in_time(site: tuple[int, int]) -> None:
    _, port = site
    with ExitStack() as stack:
        for _ in range(64):
            client = stack.enter_context(closing(socket.create_connection(("127.0.0.1", port), 10)))
            client.sendall(HALF_BODY.replace(b"\r\nCookie", b"\r\nX-Forwarded-Proto: https\r\nCookie"))
        time.sleep(0.5)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=30) as answer:
            assert answer.status == 200


def test_the_site_is_there_and_metrics_are_not(site: tuple[int, int]) -> None:
    secure, port = site
    status, page = ask(secure, "GET /login/")
    assert (status, "Location: /setup/" in page) == (302, True)  # to the first account
    assert "Strict-Transport-Security" in page
    assert ask(secure, "GET /metrics")[0] == 403
    for forged in ("X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1"):
        assert ask(secure, f"GET /metrics HTTP/1.1\r\n{forged}\r\nX-Rest:")[0] == 403
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        assert b"marginalia_jobs" in answer.read()


def test_a_body_that_is_too_large_ends_at_the_proxy(site: tuple[int, int]) -> None:
    secure, _ = site
    with closing(connect(secure)) as client:
        client.sendall(f"POST /login/ HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {2051 << 20}\r\n\r\n".encode())
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 413 ")


@pytest.mark.long
def test_while_hosts_are_upgraded_one_by_one_the_others_answer(tmp_path: Path, web: int) -> None:
    old = ThreadingHTTPServer(("127.0.0.1", 0), OldHost)
    threading.Thread(target=old.serve_forever, daemon=True).start()
    hosts = [f"127.0.0.1:{web}", f"127.0.0.1:{free_port()}", f"127.0.0.1:{old.server_port} max_fails=0"]
    try:
        with nginx(tmp_path, *hosts) as secure:
            for path in ["/healthz", "/static/css/base.css"] * 6:
                assert ask(secure, f"GET {path}")[0] == 200
    finally:
        old.shutdown()
        old.server_close()
    assert set(OldHost.asked) == {"/healthz", "/static/css/base.css"}
