"""Which addresses may be requested: those on the internet, and those in networks that the operator allows."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import httpx
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext

PORTS = {"http": 80, "https": 443}
MAX_PORT = 65_535

Address = IPv4Address | IPv6Address

# Of IPv6, only these are addresses of hosts on the internet.
UNICAST = ip_network("2000::/3")
# The networks of IANA's registries of special-purpose addresses, whether they are globally reachable or not: none has a
# host that a member needs. `ipaddress.is_global` of each Python knows others.
# https://www.iana.org/assignments/iana-ipv4-special-registry, https://www.iana.org/assignments/iana-ipv6-special-registry
SPECIAL = [
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by a provider's customers; at Alibaba, the host's own facts and keys
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # in no registry: at Azure, the host of the virtual machine
        "169.254.0.0/16",  # link-local; at most clouds, the host's own facts and keys
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocols; at Oracle, the host's own facts and keys
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # name servers of private addresses (AS112)
        "192.52.193.0/24",  # multicast tunnels
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # name servers of private addresses (AS112)
        "198.18.0.0/15",  # measurements
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
        "2001::/23",  # protocols, among them Teredo, which carries IPv4 addresses
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which carries IPv4 addresses
        "2620:4f:8000::/48",  # name servers of private addresses (AS112)
        "3fff::/20",  # documentation
    )
]


class Refused(Exception):
    """The address may not be requested; the message says why."""


def check_addresses(url: httpx.URL, addresses: Sequence[Address]) -> None:
    """Raise `Refused` if the URL, or one of the addresses of its host, may not be requested."""
    if url.scheme not in PORTS:
        raise Refused(gettext("The URL must begin with https:// or http://."))
    if url.userinfo:
        raise Refused(gettext("Remove the name and the password from the URL."))
    allowed = [is_allowed(each) for each in addresses]
    if not all(known or is_public(each) for known, each in zip(allowed, addresses, strict=True)):
        raise Refused(
            gettext(
                "%(host)s is in a private network. An operator of this server can allow it (OUTGOING_ALLOWED_NETWORKS)."
            )
            % {"host": url.host}
        )
    if url.scheme == "http" and not (settings.OUTGOING_ALLOWED_NETWORKS and all(allowed)):
        raise Refused(gettext("Use https://. Plain http:// works only for networks that an operator has allowed."))


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
        raise ValueError(gettext("This is not a URL. Enter one, for example https://example.org/data."))
    try:
        addresses = [ip_address(host)]
    except ValueError:
        addresses = []
    try:
        check_addresses(url, addresses)
    except Refused as refusal:
        raise ValueError(str(refusal)) from None
    return url


def validate_address(text: str) -> None:
    """Raise `ValidationError` unless the URL that a member entered may be requested: a validator."""
    try:
        check_text(text)
    except ValueError as error:
        raise ValidationError(str(error)) from None


def check_redirect(url: httpx.URL, following: httpx.URL) -> None:
    """Raise `Refused` if a redirect gives up encryption. Where it leads is checked as each address is."""
    if url.scheme == "https" and following.scheme != "https":
        raise Refused(gettext("The server redirects to a URL without https://. Enter the URL of the file itself."))


def is_allowed(address: Address) -> bool:
    """Return whether the operator allows requests to this address."""
    return any(_unmapped(address) in network for network in settings.OUTGOING_ALLOWED_NETWORKS)


def is_public(address: Address) -> bool:
    """Return whether this is the address of a host on the internet.

    >>> from ipaddress import ip_address
    >>> [is_public(ip_address(text)) for text in ("9.9.9.9", "10.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1")]
    [True, False, False, False]
    """
    address = _unmapped(address)
    return (address.version == 4 or address in UNICAST) and not any(address in network for network in SPECIAL)


def _unmapped(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address such as `::ffff:10.0.0.1` stands for; other addresses unchanged."""
    return getattr(address, "ipv4_mapped", None) or address
