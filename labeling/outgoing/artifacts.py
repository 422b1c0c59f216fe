"""Read a model version's files and manifest, and pack them into a zip."""

import json
import tempfile
import zipfile
from dataclasses import dataclass
from typing import IO, Any

from labeling.models import ModelVersion
from labeling.outgoing.documents import digest_of
from labeling.storage.arrays import damage
from labeling.storage.arrays.files import ProjectFiles
from models_store.folders import Folder, FolderError, folder_at

__all__ = ["Artifact", "FolderError", "FolderFile", "as_zip", "read_artifact", "report"]

SPOOL_BYTES = 8 << 20
MANIFEST = "manifest.json"
CALIBRATION = "calibration.json"
MOST_MANIFEST_BYTES = 1 << 26


@dataclass(frozen=True, slots=True)
class FolderFile:
    """A file of a version, with its size in bytes and its sha256 (hex) at the time of writing."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Artifact:
    """The version's manifest, and its files; the manifest is the last file."""

    manifest: dict[str, Any]
    files: list[FolderFile]


def read_artifact(version: ModelVersion) -> Artifact | None:
    """Return the version's files by its manifest; None without files, and, after a report, for a damaged manifest."""
    if version.is_given:
        return None
    try:
        return _read(_folder(version), version.calibration_at())
    except FolderError as error:
        if version.artifact:  # a removed version has no files to report
            report(version, str(error))
        return None


def report(version: ModelVersion, error: str) -> str:
    """Enqueue a check of a version's files after one was found missing or damaged. Returns the file and the problem."""
    location = ProjectFiles(version.project).artifact_at(version.artifact)
    problem = error.removeprefix(f"{location}/")
    damage.note_damage(version.project, version.artifact, problem)
    damage.enqueue_rebuild(version.project)
    return problem


def as_zip(version: ModelVersion) -> IO[bytes]:
    """Return the version's files as an open zip, on the disk if large. Raises `FolderError` for a damaged file."""
    folder = _folder(version)
    # Closed by the response that sends it.
    spool = tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES)  # noqa: SIM115
    with zipfile.ZipFile(spool, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(_read(folder, version.calibration_at()).files, key=lambda file: file.name):
            content = folder.read(file.name, most=file.size)
            if digest_of(content) != file.sha256:
                raise FolderError(f"{folder}/{file.name}: truncated or changed, the content does not match its hash")
            archive.writestr(file.name, content)
    spool.seek(0)
    return spool


def _folder(version: ModelVersion) -> Folder:
    return folder_at(ProjectFiles(version.project).artifact_at(version.artifact))


def _read(folder: Folder, calibration: str) -> Artifact:
    raw = folder.read(MANIFEST, most=MOST_MANIFEST_BYTES)
    try:
        manifest = json.loads(raw)
        files = [FolderFile(name, int(each["bytes"]), str(each["sha256"])) for name, each in manifest["files"].items()]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise FolderError(f"{folder}/{MANIFEST}: is no manifest") from error
    if calibration:
        files.append(_stored(CALIBRATION, _read_calibration(folder, calibration)))
    return Artifact(manifest, [*files, _stored(MANIFEST, raw)])


def _read_calibration(folder: Folder, digest: str) -> bytes:
    """Return the calibration file with this digest. Raises `FolderError`."""
    raw = folder.read(CALIBRATION, most=MOST_MANIFEST_BYTES)
    try:
        same = json.loads(raw)["digest"] == digest
    except (ValueError, TypeError, KeyError, RecursionError):
        same = False
    if not same:
        raise FolderError(f"{folder}/{CALIBRATION}: changed, it is not the version's")
    return raw


def _stored(name: str, content: bytes) -> FolderFile:
    return FolderFile(name, len(content), digest_of(content))
