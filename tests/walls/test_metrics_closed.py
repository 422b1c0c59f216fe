"""Test that a client behind a local proxy does not count as local."""

import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[2]
HERE, PROXY, CLIENT = "127.0.0.1", "10.0.0.1", "198.51.100.7"


@pytest.fixture(autouse=True)
def from_this_machine(settings: Any) -> None:
    settings.METRICS_FROM = [ip_network("127.0.0.1"), ip_network("::1"), ip_network("192.0.2.0/24")]
    settings.TRUSTED_PROXIES = []


def ask(peer: str = HERE, host: str = "127.0.0.1:8000", **headers: str) -> int:
    return Client().get("/metrics", REMOTE_ADDR=peer, HTTP_HOST=host, **headers).status_code


def test_nobody_may_unless_an_operator_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from django.conf import settings; print(settings.METRICS_FROM)"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "DJANGO_SETTINGS_MODULE": "config.settings", "DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "[]\n"


def test_a_header_of_a_proxy_that_is_not_trusted_shows_that_it_is_somebody_else() -> None:
    for forwarded in (CLIENT, HERE, ""):
        assert ask(HTTP_X_FORWARDED_FOR=forwarded) == 403, forwarded
    others = {"X_FORWARDED_PROTO": "https", "X_FORWARDED_HOST": "labels.example.org", "FORWARDED": f"for={HERE}",
              "X_REAL_IP": HERE, "VIA": "1.1 proxy", "CF_CONNECTING_IP": CLIENT}  # fmt: skip
    for name, value in others.items():
        assert ask(**{f"HTTP_{name}": value}) == 403, name


def test_this_machine_may_ask_once_it_is_named(settings: Any) -> None:
    for host in ("labels.example.org", "localhost.example.org", "127.0.0.1.example.org", "testserver"):
        assert ask(host=host) == 403, host
    assert ask("192.0.2.7", "labels.example.org") == 200
    assert ask(CLIENT) == 403
    for host in ("127.0.0.1:8000", "localhost:8000", "localhost", "[::1]:8000"):
        assert ask(host=host) == 200, host
    assert ask("::1") == 200
    settings.METRICS_FROM = []
    assert ask() == 403


def test_a_trusted_proxy_has_to_name_the_client(settings: Any) -> None:
    settings.TRUSTED_PROXIES = [ip_network("127.0.0.1"), ip_network(PROXY)]
    for forwarded in (CLIENT, f"{HERE}, {CLIENT}", f"{HERE}, garbage"):
        assert ask(HTTP_X_FORWARDED_FOR=forwarded) == 403, forwarded
    assert ask(HTTP_X_REAL_IP=CLIENT) == ask(HTTP_X_FORWARDED_PROTO="https") == 403
    assert ask() == 200
    assert ask(HTTP_X_FORWARDED_FOR="192.0.2.7", host="labels.example.org") == 200
    assert ask(PROXY, HTTP_X_FORWARDED_FOR=f"192.0.2.7, {HERE}", host="labels.example.org") == 200


TOKEN = "a-token-of-some-length"


def test_the_token_opens_from_anywhere(settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN
    for name in ("labels.example.org", "127.0.0.1:8000"):
        assert ask(CLIENT, name, HTTP_AUTHORIZATION=f"Bearer {TOKEN}", HTTP_X_FORWARDED_FOR=HERE) == 200
    for wrong in ("", "Bearer", "Bearer ", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f"Bearer {TOKEN.upper()}",
                  "Bearer \xe9\xff", f"Token {TOKEN}", f"Basic {TOKEN}", TOKEN):  # fmt: skip
        assert ask(CLIENT, HTTP_AUTHORIZATION=wrong) == 403, wrong


def test_without_a_token_in_the_settings_an_empty_one_opens_nothing(settings: Any) -> None:
    settings.METRICS_TOKEN = ""
    assert ask(CLIENT, HTTP_AUTHORIZATION="Bearer ") == 403
    assert ask(HTTP_AUTHORIZATION="Bearer ") == 200  # by its address


def test_a_token_that_could_be_guessed_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import config.settings"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "DATA_DIR": str(tmp_path), "METRICS_TOKEN": "short"},
        capture_output=True,
        text=True,
    )
    assert "Use 16 to 200 characters without spaces." in done.stderr.splitlines()[-1]
