"""Who is asking: the peer of the connection, or whom a trusted proxy names.

A header is worth what its sender is. Requests from anyone but the proxies in `TRUSTED_PROXIES` lose the headers in
which proxies speak before anything reads them, so that no other code has to ask who wrote one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from labeling.web.gate.login_header import meta_name

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

FORWARDED = (
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_FORWARDED",
    "HTTP_X_REAL_IP",
)
# Any client may send these, so that they tell nothing of a proxy.
REQUEST_ID = "HTTP_X_REQUEST_ID"
TRACE = {"traceparent": "HTTP_TRACEPARENT", "tracestate": "HTTP_TRACESTATE"}
# What shows, beside those, that a request came through somebody else: no client of one's own sends it.
RELAYED = (*FORWARDED, "HTTP_VIA", "HTTP_X_CLIENT_IP", "HTTP_TRUE_CLIENT_IP", "HTTP_CF_CONNECTING_IP")


class TrustedProxies:
    """Middleware, before all others: afterwards REMOTE_ADDR is the client, and a proxy's headers are a proxy's.

    `request.client_unknown` says that the client is behind the peer, and that nobody who is believed names him.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        peer = parse(request.META.get("REMOTE_ADDR", ""))
        chain = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        trusted = is_in(peer, settings.TRUSTED_PROXIES)
        relayed = any(name in request.META for name in RELAYED)
        request.client_unknown = relayed and not (trusted and parse(chain[-1]))  # type: ignore[attr-defined]
        if trusted:
            request.META["REMOTE_ADDR"] = str(client_of(peer, chain, settings.TRUSTED_PROXIES))
        else:
            for name in (*FORWARDED, REQUEST_ID, *TRACE.values(), meta_name(settings.LOGIN_HEADER)):
                request.META.pop(name, None)
        return self.get_response(request)


def client_of(peer: Address | None, chain: Iterable[str], trusted: Iterable[Network]) -> Address | None:
    """The client, given the connection's peer and X-Forwarded-For, at whose end each proxy has added its own peer.

    Read from the end, for as long as the one who wrote an entry is trusted: what a client wrote himself stands before
    the entry that the first trusted proxy added, and is never reached.
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
    """The address in a text, without a port behind it; IPv4 also where it is written as IPv6."""
    text = text.strip()
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


def client_network(request: HttpRequest) -> str | None:
    """What counts as one client: an IPv4 address, or the /64 of an IPv6 one: whoever has one of those has them all."""
    address = parse(request.META.get("REMOTE_ADDR", ""))
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False).network_address)
    return str(address) if address else None
