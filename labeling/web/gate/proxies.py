"""Finds the client of a request: the peer of the connection, or the client that a trusted proxy names.

Requests that do not come from `TRUSTED_PROXIES` lose all headers that proxies set, before other code reads them.
"""

import logging
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest
from django.http.request import split_domain_port
from django.utils.deprecation import MiddlewareMixin

from labeling.web.gate.login_header import meta_name

logger = logging.getLogger(__name__)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

PROTO = "HTTP_X_FORWARDED_PROTO"
FORWARDED = (
    "HTTP_X_FORWARDED_FOR",
    PROTO,
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_FORWARDED",
    "HTTP_X_REAL_IP",
)
# Every client may send these headers, so they do not reveal a proxy.
REQUEST_ID = "HTTP_X_REQUEST_ID"
TRACE = {"traceparent": "HTTP_TRACEPARENT", "tracestate": "HTTP_TRACESTATE"}
# Headers that, like `FORWARDED`, show that the request came through a proxy; no client sends them by itself.
RELAYED = (*FORWARDED, "HTTP_VIA", "HTTP_X_CLIENT_IP", "HTTP_TRUE_CLIENT_IP", "HTTP_CF_CONNECTING_IP")


class TrustedProxies(MiddlewareMixin):
    """Middleware that sets REMOTE_ADDR to the client's address and removes proxy headers that no trusted proxy sent.

    It comes before all other middleware. `request.client_unknown` is true if the peer is a proxy and no trusted proxy
    names the client.
    """

    def process_request(self, request: HttpRequest) -> None:
        peer = parse(request.META.get("REMOTE_ADDR", ""))
        chain = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        trusted = is_in(peer, settings.TRUSTED_PROXIES)
        relayed = any(name in request.META for name in RELAYED)
        request.client_unknown = relayed and not (trusted and parse(chain[-1]))  # type: ignore[attr-defined]
        client = find_client(peer, chain, settings.TRUSTED_PROXIES) if trusted else peer
        if client is not None:
            request.META["REMOTE_ADDR"] = str(client)
        if settings.HTTPS:
            # gunicorn has a list of proxies of its own: this machine. Here X-Forwarded-Proto alone says it.
            request.META["wsgi.url_scheme"] = "http"
            if relayed and not (trusted and PROTO in request.META):
                _warn_of_a_loop(str(peer))
        if not trusted:
            for name in (*FORWARDED, REQUEST_ID, *TRACE.values(), meta_name(settings.LOGIN_HEADER)):
                request.META.pop(name, None)


@lru_cache(maxsize=100)
def _warn_of_a_loop(peer: str) -> None:
    """Log once that pages lead to themselves, which nothing else in the log would explain."""
    logger.warning(
        "A request through a proxy at %s has no X-Forwarded-Proto of a proxy in TRUSTED_PROXIES. With HTTPS=true its "
        "pages lead to themselves.",
        peer,
    )


def find_client(peer: Address | None, chain: Iterable[str], trusted: Iterable[Network]) -> Address | None:
    """Return the client's address, from the connection's peer and the entries `chain` of X-Forwarded-For.

    Each proxy appends its own peer to X-Forwarded-For. The entries are read from the end as long as their author is
    trusted, so that entries that the client wrote are never reached.
    """
    client = peer
    for text in reversed(list(chain)):
        if not is_in(client, trusted):
            break
        named = parse(text)
        if named is None:
            break
        client = named
    return client


def parse(text: str) -> Address | None:
    """Return the address in a text, without its port; an IPv4 address in IPv6 form becomes IPv4. None if it is none.

    The zone of an address such as `fe80::1%eth0` is dropped: the database stores addresses without one.
    """
    text = text.strip().partition("%")[0]
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_in(address: Address | None, networks: Iterable[Network]) -> bool:
    return address is not None and any(address in network for network in networks)


def names_this_machine(request: HttpRequest) -> bool:
    """Return whether the request's host means the machine that asks: localhost, or a loopback address."""
    host = split_domain_port(request.get_host())[0]
    named = parse(host)
    return host == "localhost" or (named is not None and named.is_loopback)


def client_network(request: HttpRequest) -> str | None:
    """Return the network that counts as one client: an IPv4 address, or the /64 of an IPv6 address."""
    address = parse(request.META.get("REMOTE_ADDR", ""))
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False).network_address)
    return str(address) if address else None
