"""HTTP requests to addresses that members enter. None reaches the operator's own network unless the operator allows it.

Each host is looked up once, and the connection goes to an address of that answer: a second look-up could answer
differently. TLS still verifies the name of the host.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import httpx
from django.conf import settings
from django.utils.translation import gettext

Address = IPv4Address | IPv6Address

# Of IPv6, only these are addresses of hosts on the internet. 6to4 among them carries IPv4 addresses, inner ones too.
UNICAST, SIX_TO_FOUR = ip_network("2000::/3"), ip_network("2002::/16")
PORTS = {"http": 80, "https": 443}
MAX_PORT = 65_535
CONNECT_SECONDS = 4.0
"""The longest time to connect to one address of a host: an address that is silent leaves time for the next."""


class Refused(httpx.RequestError):
    """The address may not be requested; the message says why."""


async def resolve(url: httpx.URL) -> list[str]:
    """Return the addresses of the URL's host. Raises `Refused` if one of them may not be requested, and
    `httpx.ConnectError` if there is none.
    """
    host = url.raw_host.decode("ascii")
    found = await asyncio.wrap_future(_looked_up(host, url.port or PORTS.get(url.scheme)))
    if not found:
        raise httpx.ConnectError(gettext("No address was found for %(host)s.") % {"host": host})
    check(url, [ip_address(each) for each in found])
    return found


def _looked_up(host: str, port: int | None) -> Future[list[str]]:
    """Look the host up, in a thread that nothing waits for: a look-up cannot be stopped. Threads of `asyncio.to_thread`
    delay the end of the event loop, and all threads of a pool that of the process.
    """
    found = Future[list[str]]()
    found.set_running_or_notify_cancel()  # so that the thread can set the result after a time limit

    def look_up() -> None:
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            rows = []
        found.set_result(list(dict.fromkeys(str(row[4][0]) for row in rows)))

    threading.Thread(target=look_up, daemon=True).start()
    return found


def check(url: httpx.URL, addresses: Sequence[Address]) -> None:
    """Raise `Refused` if the URL, or one of the addresses of its host, may not be requested."""
    if url.scheme not in PORTS:
        raise Refused(gettext("Only addresses that begin with https:// or http:// are requested."))
    allowed = [is_allowed(each) for each in addresses]
    if not all(known or is_public(each) for known, each in zip(allowed, addresses, strict=True)):
        raise Refused(
            gettext(
                "%(host)s is in an inner network. An operator of this server can allow it (OUTGOING_ALLOWED_NETWORKS)."
            )
            % {"host": url.host}
        )
    if url.scheme == "http" and not (settings.OUTGOING_ALLOWED_NETWORKS and all(allowed)):
        raise Refused(gettext("Use https://. Plain http is only for networks that an operator allowed."))


def check_text(text: str) -> httpx.URL:
    """Return the URL that a member entered. Raises `ValueError`, with a sentence, unless it may be requested. A name is
    looked up at each request.
    """
    try:
        url = httpx.URL(text)
        host = url.raw_host.decode("ascii")
    except (httpx.InvalidURL, UnicodeError):
        host = ""
    if not host or (url.port or 0) > MAX_PORT or any(map(str.isspace, text)):
        raise ValueError(gettext("This is no address. Enter one such as https://example.org/data."))
    if url.userinfo:
        raise ValueError(gettext("Leave the name and the password out of the address."))
    try:
        addresses = [ip_address(host)]
    except ValueError:
        addresses = []
    try:
        check(url, addresses)
    except Refused as refusal:
        raise ValueError(str(refusal)) from None
    return url


def family_of(address: Address) -> socket.AddressFamily:
    return socket.AF_INET if address.version == 4 else socket.AF_INET6


def is_allowed(address: Address) -> bool:
    """Return whether the operator allows requests to this address."""
    return any(_unmapped(address) in network for network in settings.OUTGOING_ALLOWED_NETWORKS)


def is_public(address: Address) -> bool:
    """Return whether this is the address of a host on the internet.

    >>> [is_public(ip_address(text)) for text in ("9.9.9.9", "10.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1")]
    [True, False, False, False]
    """
    address = _unmapped(address)
    if isinstance(address, IPv6Address) and (address not in UNICAST or address in SIX_TO_FOUR):
        return False
    return address.is_global and not address.is_multicast


def _unmapped(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address such as `::ffff:10.0.0.1` stands for; other addresses unchanged."""
    return getattr(address, "ipv4_mapped", None) or address


class CheckedTransport(httpx.AsyncHTTPTransport):
    """Sends requests to addresses that `resolve` returns, after redirects too. It is the `transport` of an
    `httpx.AsyncClient`, which then uses no proxy.
    """

    def __init__(self) -> None:
        # A kept connection could serve another host of the same address, whose name TLS would not verify.
        super().__init__(verify=_certificates(), limits=httpx.Limits(max_keepalive_connections=0))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        *others, last = await resolve(request.url)
        for address in others:
            try:
                return await super().handle_async_request(_sent_to(address, request))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue  # an IPv6 address, for example, on a host without IPv6
        return await super().handle_async_request(_sent_to(last, request))


@cache
def _certificates() -> ssl.SSLContext:
    """Return the trusted certificates, which take tens of milliseconds to read."""
    return httpx.create_ssl_context()


def _sent_to(address: str, request: httpx.Request) -> httpx.Request:
    """Return the request with this address in place of its host. The header `Host` and the name for TLS stay."""
    limits = request.extensions["timeout"]
    connect = min(limits["connect"] or CONNECT_SECONDS, CONNECT_SECONDS)
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={
            **request.extensions,
            "sni_hostname": request.url.raw_host.decode("ascii"),
            "timeout": {**limits, "connect": connect},
        },
    )
