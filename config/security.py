"""What a browser is told to refuse, and whose word about a client is believed. Values only."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from urllib.parse import urlsplit

from environs import EnvError

Network = IPv4Network | IPv6Network

# A path on this site, an address elsewhere, or nothing.
PATH_OR_URL = r"((https?://[^/\s;,]+|/(?!/))\S*)?\Z"

THIS_MACHINE = ["127.0.0.1", "::1"]


# No page uses any of these, so no script that gets into one may.
PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer",
        "autoplay",
        "browsing-topics",
        "camera",
        "display-capture",
        "geolocation",
        "gyroscope",
        "magnetometer",
        "microphone",
        "midi",
        "payment",
        "publickey-credentials-get",
        "screen-wake-lock",
        "serial",
        "usb",
        "xr-spatial-tracking",
    )
)


def content_policy(sign_out_url: str) -> dict[str, list[str]]:
    """Nothing inline, nothing from elsewhere, and nobody may frame a page.

    A text that slips through unescaped then stays a text. Browsers hold a form to `form-action` also where the answer
    sends them on, so the address that signing out leads to is named.
    """
    split = urlsplit(sign_out_url)
    elsewhere = [f"{split.scheme}://{split.netloc}"] if split.netloc else []
    return {
        "default-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "form-action": ["'self'", *elsewhere],
    }


def networks(name: str, texts: Sequence[str]) -> list[Network]:
    """The addresses and networks (`10.0.0.0/8`) of a setting. Raises `EnvError` naming the one that is none."""
    found = []
    for text in texts:
        try:
            found.append(ip_network(text, strict=False))
        except ValueError:
            raise EnvError(f"{name}: {text!r} is neither an address (10.0.0.7) nor a network (10.0.0.0/8)") from None
    return found
