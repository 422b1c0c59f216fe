"""Test how the client's address is found although clients can send any header."""

from ipaddress import ip_network

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from labeling.web.gate.proxies import TrustedProxies, client_network, parse

PROXY, OUTER, CLIENT, VICTIM = "10.0.0.1", "10.0.0.2", "198.51.100.7", "203.0.113.9"


@pytest.fixture(autouse=True)
def trusted(settings: object) -> None:
    settings.TRUSTED_PROXIES = [ip_network("10.0.0.0/24"), ip_network("::1")]  # type: ignore[attr-defined]


def seen(peer: str, **headers: str) -> HttpRequest:
    """Return the request as views see it."""
    requests: list[HttpRequest] = []

    def view(request: HttpRequest) -> HttpResponse:
        requests.append(request)
        return HttpResponse()

    TrustedProxies(view)(RequestFactory().get("/", REMOTE_ADDR=peer, **headers))
    return requests[0]


def address(peer: str, forwarded: str) -> str:
    return str(seen(peer, HTTP_X_FORWARDED_FOR=forwarded).META["REMOTE_ADDR"])


def test_a_trusted_proxy_names_the_client() -> None:
    assert address(PROXY, CLIENT) == CLIENT
    assert address("::1", CLIENT) == CLIENT
    assert address(PROXY, f"{VICTIM}, {CLIENT}") == CLIENT
    assert address(PROXY, f"{PROXY}, {VICTIM}, {CLIENT}") == CLIENT
    assert address(PROXY, f"unknown, 127.0.0.1,{CLIENT}") == CLIENT
    assert address(PROXY, f"{VICTIM}, {CLIENT}, {OUTER}") == CLIENT
    assert address(CLIENT, VICTIM) == CLIENT
    assert address(CLIENT, f"{VICTIM}, {PROXY}") == CLIENT


@pytest.mark.parametrize("forwarded", ["", " ", ",", "garbage", "unix:", f"{CLIENT}, garbage", "999.1.1.1"])
def test_what_is_no_address_leaves_the_proxy(forwarded: str) -> None:
    assert address(PROXY, forwarded) == PROXY


def test_ports_and_mapped_addresses() -> None:
    for text, meant in (
        (f"{CLIENT}:4711", CLIENT),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        (f"::ffff:{CLIENT}", CLIENT),
    ):
        assert str(parse(text)) == meant
        assert address(PROXY, text) == meant


def test_the_headers_of_others_are_gone_before_anything_reads_them() -> None:
    names = ["FOR", "PROTO", "HOST", "PORT"]
    others = ("HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_TRACEPARENT", "HTTP_TRACESTATE")
    forged = {f"HTTP_X_FORWARDED_{name}": "x" for name in names} | dict.fromkeys(others, "x")
    assert not forged.keys() & seen(CLIENT, **forged).META.keys()
    assert forged.keys() - seen(PROXY, **forged).META.keys() == set()


def test_an_ipv6_network_counts_as_one_client() -> None:
    request = RequestFactory().get("/", REMOTE_ADDR="2001:db8:1:2:3:4:5:6")
    assert client_network(request) == "2001:db8:1:2::"
    assert client_network(RequestFactory().get("/", REMOTE_ADDR=CLIENT)) == CLIENT
    assert client_network(RequestFactory().get("/", REMOTE_ADDR="")) is None
