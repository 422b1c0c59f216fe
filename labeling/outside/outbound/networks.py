"""The networks of the internet, and those that only look like it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

from django.conf import settings

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
