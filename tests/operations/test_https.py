"""Attacks on a site behind nginx with TLS: forged headers, hosts and peers, over real connections."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.operations.servers import web_server
from tests.operations.test_nginx import HOST, nginx, settings
from tests.processes import lay_tables

# For the tables of an installation, see `lay_tables`.
pytestmark = pytest.mark.django_db

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
    transport = httpx.HTTPTransport(verify=False, local_address=source)
    headers = {"Host": HOST, "Referer": f"https://{HOST}/login/"}
    return httpx.Client(base_url=url, transport=transport, headers=headers, timeout=30)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, django_db_setup: None) -> Iterator[Site]:
    folder, proxy = tmp_path_factory.mktemp("web"), tmp_path_factory.mktemp("nginx")
    lay_tables(folder / "data" / "db.sqlite3")
    values = {**settings(), "LOGIN_HEADER": "X-Forwarded-User", "LOGIN_HEADER_CREATES_ACCOUNTS": "false"}
    with web_server(folder, **values, WEB_CONCURRENCY="1") as (port, log), nginx(proxy, f"127.0.0.1:{port}") as secure:
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
