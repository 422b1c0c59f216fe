"""Test that every response has an id that is in the log, and that a stranger's own id is ignored."""

from ipaddress import ip_network
from typing import Any

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db

PROXY, CLIENT = "10.0.0.1", "198.51.100.7"


def answered_with(sent: str | None, peer: str = PROXY) -> str:
    headers = {} if sent is None else {"HTTP_X_REQUEST_ID": sent}
    return str(Client().get("/healthz", REMOTE_ADDR=peer, **headers)["X-Request-ID"])


def is_made(request_id: str) -> bool:
    return len(request_id) == 32 and int(request_id, 16) >= 0


@pytest.fixture(autouse=True)
def behind_a_proxy(settings: Any) -> None:
    settings.TRUSTED_PROXIES = [ip_network(PROXY)]


def test_the_proxys_id_is_kept_and_without_one_each_request_gets_its_own() -> None:
    assert answered_with("7f3a-0001.proxy_A") == "7f3a-0001.proxy_A"
    made = {answered_with(None) for _ in range(3)}
    assert len(made) == 3
    assert all(map(is_made, made))


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "short",
        "a" * 65,
        "two words",
        "a-line\nb-line",
        "a-line\r\nSet-Cookie: a=b",
        '"},{"level":"',
        "%0a%0d-id",
        "é" * 9,
    ],
)
def test_what_is_no_plain_word_is_replaced(sent: str) -> None:
    assert is_made(answered_with(sent))


def test_nobody_but_a_trusted_proxy_chooses_an_id() -> None:
    assert is_made(answered_with("chosen-by-a-client", peer=CLIENT))


def test_an_id_makes_nobody_somebody_behind_a_proxy(settings: Any) -> None:
    settings.METRICS_FROM = [ip_network("127.0.0.1")]
    answer = Client().get("/metrics", HTTP_HOST="127.0.0.1:8000", HTTP_X_REQUEST_ID="of-the-monitor")
    assert answer.status_code == 200
