"""A server of S3's protocol for tests of sources."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any, NamedTuple

from s3 import KEY


class Store(NamedTuple):
    """A server of S3's protocol. `system` writes to it, as its owner does."""

    endpoint: str
    log: Path
    system: Any

    @property
    def options(self) -> dict[str, str]:
        return {"endpoint": self.endpoint, "key": KEY, "secret": KEY}

    def bucket(self) -> str:
        """Make an empty bucket, and return its name."""
        name = f"bucket-{uuid.uuid4().hex[:8]}"
        self.system.mkdir(name)
        return name

    def fill(self, place: str, files: dict[str, bytes]) -> None:
        self.system.pipe({f"{place}/{key}": content for key, content in files.items()})

    def requests(self, containing: str) -> int:
        """Return the number of requests so far whose line in the log contains this text."""
        return sum(containing in line for line in self.log.read_text().splitlines())
