"""nginx in front, set up with the very text of docs/how-to/install-for-a-team.md."""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.operations.servers import free_port, running, web_server
from tests.processes import lay_tables

# For the tables of an installation, see `lay_tables`.
pytestmark = pytest.mark.django_db

PAGE = (Path(__file__).resolve().parents[2] / "docs/how-to/install-for-a-team.md").read_text(encoding="utf-8")
HOST = "labels.example.org"
HALF_BODY = (
    f"POST /login/ HTTP/1.1\r\nHost: {HOST}\r\nCookie: csrftoken=0123456789abcdef0123456789abcdef\r\n"
    "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\nusername=an"
).encode()
# What Debian's nginx.conf has around the page's files.
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


def block(before: str) -> str:
    """The file that the page shows after this line."""
    return re.findall(r"```\w+\n(.*?)```", PAGE[PAGE.index(before) :], re.DOTALL)[0]


def settings() -> dict[str, str]:
    """The page's settings, but for those that are of this one machine."""
    values = dict(line.split("=", 1) for line in block("`/etc/marginalia.env`").splitlines())
    for own in ("DATA_DIR", "DATABASE_URL", "PORT", "WEB_CONCURRENCY"):
        del values[own]
    return values


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, django_db_setup: None) -> Iterator[tuple[int, int]]:
    """Ports of nginx with TLS and of the web server behind it."""
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    folder = tmp_path_factory.mktemp("site")
    plain, secure = free_port(), free_port()
    lay_tables(folder / "data" / "db.sqlite3")
    with web_server(folder, "--keep-alive", "1", **settings()) as (port, _):
        moved = {
            "/etc/ssl/marginalia": str(folder),
            " 80;": f" {plain};",
            ":80;": f":{plain};",
            "443 ssl": f"{secure} ssl",
        }
        for name in ("snippets", "conf.d"):
            (folder / name).mkdir()
            text = block(f"`/etc/nginx/{name}/marginalia.conf`").replace("127.0.0.1:8000", f"127.0.0.1:{port}")
            for documented, here in moved.items():
                text = text.replace(documented, here)
            (folder / name / "marginalia.conf").write_text(text)
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
        command = [nginx, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
        with running(command, secure, folder / "nginx.log"):
            yield secure, port


def connect(port: int, data: bytes = b"") -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client = context.wrap_socket(socket.create_connection(("127.0.0.1", port), 10), server_hostname=HOST)
    client.sendall(data)
    return client


def ask(port: int, request: str, body: bytes = b"") -> tuple[int, str]:
    """Status and text of the answer."""
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
