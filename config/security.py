"""The security headers for browsers, and the parsing of trusted networks. Pure values, without Django."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from urllib.parse import urlsplit

from environs import EnvError

Network = IPv4Network | IPv6Network

# A path on this site, an address elsewhere, or nothing.
PATH_OR_URL = r"((https?://[^/\s;,]+|/(?!/))\S*)?\Z"

THIS_MACHINE = ["127.0.0.1", "::1"]


# No page uses these features, so an injected script must not use them either.
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
        "screen-wake-lock",
        "serial",
        "usb",
        "xr-spatial-tracking",
    )
)


def content_policy(*led_to: str) -> dict[str, list[str]]:
    """Return the content security policy: no inline scripts, no content of other sites, and no page in a frame.

    So a browser does not run a script in an unescaped text. Browsers apply `form-action` to redirects of a form, too,
    so the policy names the sites of `led_to`: addresses or paths to which forms lead, or nothing.
    """
    splits = [urlsplit(each) for each in led_to]
    elsewhere = [f"{split.scheme}://{split.netloc}" for split in splits if split.netloc]
    return {
        "default-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "form-action": ["'self'", *elsewhere],
    }


def networks(name: str, texts: Sequence[str]) -> list[Network]:
    """Return the addresses and networks (`10.0.0.0/8`) of the setting `name`. Raises `EnvError` naming an invalid
    text.
    """
    found = []
    for text in texts:
        try:
            found.append(ip_network(text, strict=False))
        except ValueError:
            raise EnvError(f"{name}: {text!r} is neither an address (10.0.0.7) nor a network (10.0.0.0/8)") from None
    return found
