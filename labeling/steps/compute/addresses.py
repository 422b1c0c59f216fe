"""Find the address of a Ray cluster's head."""

from __future__ import annotations

import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings


def head_of(where: str) -> tuple[str, int] | None:
    """Return host and port of the head that Ray will connect to; None if unknown. Ray itself tries for many minutes."""
    if where.startswith("ray://"):
        return host_and_port(where)
    if where == "ray":
        return None
    if settings.RAY_ADDRESS:
        return host_and_port(settings.RAY_ADDRESS)
    latest = Path(tempfile.gettempdir()) / "ray" / "ray_current_cluster"
    return host_and_port(latest.read_text().strip()) if latest.exists() else None


def host_and_port(address: str) -> tuple[str, int]:
    parts = urlsplit(address if "://" in address else f"//{address}")
    return str(parts.hostname), int(parts.port or 0)
