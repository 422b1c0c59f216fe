"""A model version's files: what there is, what the manifest says, and all of it in one zip."""

from __future__ import annotations

import hashlib
import json
import tempfile
import zipfile
from dataclasses import dataclass
from typing import IO, Any

from labeling.models import ModelVersion
from labeling.pipeline.files import ProjectFiles

SPOOL_BYTES = 8 << 20
MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a version: its size in bytes and its sha256 (hex), both as they were when it was written."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Artifact:
    """The version's manifest, and its files with the manifest as the last of them."""

    manifest: dict[str, Any]
    files: list[StoredFile]


def read(version: ModelVersion) -> Artifact | None:
    """What the version's folder holds, by its manifest alone; None if that is gone or cannot be read."""
    try:
        raw = (ProjectFiles(version.project).artifact(version.number) / MANIFEST).read_bytes()
        manifest = json.loads(raw)
        files = [StoredFile(name, each["bytes"], each["sha256"]) for name, each in manifest["files"].items()]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return Artifact(manifest, [*files, StoredFile(MANIFEST, len(raw), hashlib.sha256(raw).hexdigest())])


def as_zip(version: ModelVersion) -> IO[bytes]:
    """The version's folder as a zip, open at its start; large ones on disk. Raises FileNotFoundError."""
    files = sorted(ProjectFiles(version.project).artifact(version.number).iterdir())
    # Closed by the response that sends it.
    spool = tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES)  # noqa: SIM115
    with zipfile.ZipFile(spool, "w", zipfile.ZIP_STORED) as archive:
        for file in files:
            archive.write(file, file.name)
    spool.seek(0)
    return spool
