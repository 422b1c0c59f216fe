"""Which addresses may be requested."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

import httpx
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from labeling.outside.outbound.networks import Address, is_allowed, is_public

PORTS = {"http": 80, "https": 443}
MAX_PORT = 65_535


class Refused(Exception):
    """The address may not be requested; the message says why."""


def check(url: httpx.URL, addresses: Sequence[Address]) -> None:
    """Raise `Refused` if the URL, or one of the addresses of its host, may not be requested."""
    if url.scheme not in PORTS:
        raise Refused(gettext("Only addresses that begin with https:// or http:// are requested."))
    if url.userinfo:
        raise Refused(gettext("Leave the name and the password out of the address."))
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
    try:
        addresses = [ip_address(host)]
    except ValueError:
        addresses = []
    try:
        check(url, addresses)
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
        raise Refused(gettext("The server redirects to an address without https://. Enter the address of the file."))
