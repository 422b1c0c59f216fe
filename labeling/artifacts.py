"""A model version's files, for download."""

from __future__ import annotations

import tempfile
import zipfile
from typing import IO

from labeling.models import ModelVersion
from labeling.pipeline.files import ProjectFiles

SPOOL_BYTES = 8 << 20


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
