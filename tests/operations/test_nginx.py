"""Test nginx with the files of deploy/nginx: slow clients, upgrades, and forged headers, hosts and peers."""

import os
import re
import shutil
import socket
import sqlite3
import ssl
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.operations.servers import ROOT, free_port, running, web_server
from tests.processes import lay_tables

pytestmark = pytest.mark.django_db

FILES = ROOT / "deploy/nginx"
PAGE = (ROOT / "docs/how-to/install-for-a-team.md").read_text(encoding="utf-8")
HOST = "labels.example.org"
SILENCE = 1  # seconds, for which a web process waits
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


PROXY, STRANGER, CLIENT = "127.0.0.1", "127.0.0.2", "127.0.0.3"
PASSWORD = "long-and-odd-7"
NAMED = {"X-Forwarded-User": "olga"}


@dataclass
class Site:
    """nginx and the web server behind it, with one account, olga."""

    secure: int
    plain: int
    web: int
    folder: Path

    def through_nginx(self) -> httpx.Client:
        return browser(f"https://127.0.0.1:{self.secure}", CLIENT)

    def past_nginx(self, peer: str) -> httpx.Client:
        """Return a client that reaches the web server itself, from this address."""
        return browser(f"http://127.0.0.1:{self.web}", peer)

    def addresses(self) -> list[str]:
        """Return where the sign-ins came from, by the audit log."""
        with closing(sqlite3.connect(self.folder / "data" / "db.sqlite3")) as database:
            rows = database.execute("SELECT address FROM labeling_logentry WHERE kind LIKE 'account.sign%' ORDER BY id")
            return [str(row[0]) for row in rows]


def browser(url: str, source: str) -> httpx.Client:
    limits = httpx.Limits(max_keepalive_connections=0)  # the server closes idle ones soon
    transport = httpx.HTTPTransport(verify=False, local_address=source, limits=limits)
    headers = {"Host": HOST, "Referer": f"https://{HOST}/login/"}
    return httpx.Client(base_url=url, transport=transport, headers=headers, timeout=30)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, django_db_setup: None) -> Iterator[Site]:
    folder, proxy = tmp_path_factory.mktemp("web"), tmp_path_factory.mktemp("nginx")
    lay_tables(folder / "data" / "db.sqlite3")
    values = {**settings(), "LOGIN_HEADER": "X-Forwarded-User", "LOGIN_HEADER_CREATES_ACCOUNTS": "false"}
    with (
        web_server(folder, "--keep-alive", str(SILENCE), **values, WEB_CONCURRENCY="1") as (port, log),
        nginx(proxy, f"127.0.0.1:{port}") as secure,
    ):
        config = (proxy / "conf.d/marginalia.conf").read_text()
        plain = re.search(r"listen (\d+);", config)
        assert plain is not None
        here = Site(secure, int(plain[1]), port, folder)
        with here.through_nginx() as client:
            page = client.get("/login/").headers["Location"]
            assert page == "/setup/"
            link = re.search(r"/setup/\?key=\S+", log.read_text())
            assert link is not None
            assert send(client, link[0], {"username": "olga", "password1": PASSWORD, "password2": PASSWORD}) == 302
        yield here


def send(client: httpx.Client, path: str, form: dict[str, Any], **headers: str) -> int:
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', client.get(path).text)
    assert token is not None
    return client.post(path, data={"csrfmiddlewaretoken": token[1], **form}, headers=headers).status_code


def sign_in(client: httpx.Client, **headers: str) -> int:
    return send(client, "/login/", {"username": "olga", "password": PASSWORD}, **headers)


def test_half_sent_bodies_never_reach_a_web_process_and_past_the_proxy_they_are_over_in_time(site: Site) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(connect(site.secure, HALF_BODY))) for _ in range(64)]
        for _ in range(64):
            client = stack.enter_context(closing(socket.create_connection(("127.0.0.1", site.web), 10)))
            client.sendall(HALF_BODY.replace(b"\r\nCookie", b"\r\nX-Forwarded-Proto: https\r\nCookie"))
        end = time.monotonic() + 3 * SILENCE
        while time.monotonic() < end:
            assert ask(site.secure, "GET /healthz")[0] == 200
            with urllib.request.urlopen(f"http://127.0.0.1:{site.web}/healthz", timeout=30) as answer:
                assert answer.status == 200
            time.sleep(0.2)
        for client in clients:  # they are all still waited for
            client.settimeout(0.01)
            with pytest.raises(TimeoutError):
                client.recv(1)


def test_the_site_is_there_and_neither_metrics_nor_too_large_bodies_pass_the_proxy(site: Site) -> None:
    status, page = ask(site.secure, "GET /login/")
    assert status == 200
    assert "Strict-Transport-Security" in page
    assert ask(site.secure, "GET /metrics")[0] == 403
    for forged in ("X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1"):
        assert ask(site.secure, f"GET /metrics HTTP/1.1\r\n{forged}\r\nX-Rest:")[0] == 403
    with urllib.request.urlopen(f"http://127.0.0.1:{site.web}/metrics", timeout=30) as answer:
        assert b"marginalia_jobs" in answer.read()
    with closing(connect(site.secure)) as client:
        client.sendall(f"POST /login/ HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {2051 << 20}\r\n\r\n".encode())
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 413 ")


@pytest.mark.long
def test_while_hosts_are_upgraded_one_by_one_the_others_answer(tmp_path: Path, site: Site) -> None:
    old = ThreadingHTTPServer(("127.0.0.1", 0), OldHost)
    threading.Thread(target=old.serve_forever, daemon=True).start()
    hosts = [f"127.0.0.1:{site.web}", f"127.0.0.1:{free_port()}", f"127.0.0.1:{old.server_port} max_fails=0"]
    try:
        with nginx(tmp_path, *hosts) as secure:
            for path in ["/healthz", "/static/css/base.css"] * 6:
                assert ask(secure, f"GET {path}")[0] == 200
    finally:
        old.shutdown()
        old.server_close()
    assert set(OldHost.asked) == {"/healthz", "/static/css/base.css"}


def test_a_sign_in_over_https_has_safe_cookies_and_the_true_address(site: Site) -> None:
    forged = {
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Port": "1",
        "Forwarded": "for=203.0.113.9;proto=http;host=evil.example",
        "X-Real-IP": "203.0.113.9",
    }
    with site.through_nginx() as client:
        client.headers.update(forged)
        answer = client.get("/login/")
        assert answer.status_code == 200, "it does not lead to itself"
        assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")
        assert sign_in(client) == 302
        answer = client.get("/account/")
        assert answer.status_code == 200
        assert "evil.example" not in answer.text
        names = {cookie.name for cookie in client.cookies.jar}
        assert {"__Host-sessionid", "__Host-csrftoken", "known_device"} <= names
        assert all(cookie.secure and cookie.path == "/" for cookie in client.cookies.jar)
    assert set(site.addresses()) == {CLIENT}


def test_a_page_of_another_site_changes_nothing(site: Site) -> None:
    with site.through_nginx() as client:
        assert sign_in(client, Referer="https://evil.example/", Origin="https://evil.example") == 403
        assert sign_in(client, Referer=f"http://{HOST}/", Origin=f"http://{HOST}") == 403
        assert sign_in(client) == 302


@pytest.mark.parametrize("peer", [PROXY, STRANGER])
@pytest.mark.parametrize("path", ["/login/", "/", "/api/v1/projects/"])
def test_plain_requests_lead_to_https_on_this_host(site: Site, peer: str, path: str) -> None:
    with site.past_nginx(peer) as client:
        spoofs = [{}, {"X-Forwarded-Host": "evil.example"}, {"X-Forwarded-Ssl": "on"}, {"X-Forwarded-Protocol": "ssl"}]
        if peer == STRANGER:
            spoofs.append({"X-Forwarded-Proto": "https", "X-Forwarded-For": PROXY, **NAMED})
        for headers in spoofs:
            answer = client.get(path, headers=headers)
            assert (answer.status_code, answer.headers["Location"]) == (301, f"https://{HOST}{path}"), headers
            assert "Strict-Transport-Security" not in answer.headers
            assert "Set-Cookie" not in answer.headers
        assert client.get(path, headers={"Host": "evil.example"}).status_code == 400
        assert "Strict-Transport-Security" not in client.get("/healthz").headers


def test_nginx_leads_to_its_own_name_alone(site: Site) -> None:
    with browser(f"http://127.0.0.1:{site.plain}", CLIENT) as client:
        for host in (HOST, "evil.example"):
            answer = client.get("/login/", headers={"Host": host, "X-Forwarded-Proto": "https"})
            assert (answer.status_code, answer.headers["Location"]) == (301, f"https://{HOST}/login/")
    with site.through_nginx() as client:
        assert client.get("/login/", headers={"Host": "evil.example"}).status_code == 400


def is_named(client: httpx.Client, **headers: str) -> bool:
    return client.get("/account/", headers=headers).status_code == 200


def test_the_login_header_counts_from_the_proxy_alone(site: Site) -> None:
    https = {"X-Forwarded-Proto": "https"}
    with site.past_nginx(PROXY) as client:
        assert is_named(client, **https, **NAMED)
        assert not is_named(client, **https), "a request without the name ends its session"
        assert not is_named(client, **https, **{"X_Forwarded_User": "olga"})
        twice = [
            ("Host", HOST),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-User", "eve"),
            ("X-Forwarded-User", "olga"),
        ]
        assert client.get("/account/", headers=twice).status_code == 302
        assert client.get("/login/", headers={**https, "SCRIPT_NAME": "/login"}).url.path == "/login/"
    with site.past_nginx(STRANGER) as client:
        assert not is_named(client, **https, **NAMED, **{"X-Forwarded-For": PROXY})
    with site.through_nginx() as client:
        assert not is_named(client, **NAMED), "nginx passes no client's own name on"


def test_of_several_proxies_the_first_that_is_not_trusted_is_the_client(site: Site) -> None:
    with site.past_nginx(PROXY) as client:
        client.headers.update({"X-Forwarded-Proto": "https", "X-Forwarded-For": f"203.0.113.9, 198.51.100.7, {PROXY}"})
        [(name, value)] = client.get("/login/").cookies.items()
        client.headers["Cookie"] = f"{name}={value}"  # which is kept for HTTPS
        assert sign_in(client) == 302
    assert site.addresses()[-1] == "198.51.100.7"


def test_the_log_says_which_proxy_is_not_trusted(site: Site) -> None:
    with site.past_nginx("127.0.0.5") as client:
        for _ in range(2):
            client.get("/login/", headers={"X-Forwarded-Proto": "https", "X-Forwarded-For": CLIENT})
    assert (site.folder / "web.log").read_text().count("through a proxy at 127.0.0.5") == 1
