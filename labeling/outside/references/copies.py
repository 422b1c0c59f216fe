"""Copies on this host of files at sources, of at most `REFERENCE_CACHE_MB`. The least recently used ones are removed.

Steps share their copies; each person who looks at items has copies of their own: see `references.local`.
"""

import hashlib
from functools import lru_cache
from pathlib import Path, PurePosixPath

from django.conf import settings

from labeling.storage.disk.files import replace_file
from labeling.storage.shared_files.cache import Cache

STEPS = 0
"""The reader of the copies that steps and exports share."""
# A caller of `local` opens the copy within this time.
OPENED_WITHIN_SECONDS = 10


def path_of(name: str, reader: int = STEPS) -> Path:
    path = PurePosixPath(name)
    return folder_of(path.parts[0]) / path.parts[-2] / f"{path.stem}.{reader}"


def folder_of(project_id: int | str) -> Path:
    """Return the folder of all copies of a project's files."""
    return _folder() / str(project_id)


def _folder() -> Path:
    return Path(settings.DATA_DIR, "references")


def is_whole(path: Path, sha256: str) -> bool:
    """Return whether the copy exists and has this SHA-256. A copy that was checked once is not read again."""
    try:
        stat = path.stat()
        return _has(path, sha256, stat.st_ino, stat.st_size)
    except OSError:
        return False


@lru_cache(maxsize=4096)
def _has(path: Path, sha256: str, inode: int, size: int) -> bool:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256


def store_copy(path: Path, content: bytes) -> None:
    """Store a copy. Several processes may store the same one at a time."""
    replace_file(path, content, durable=False)
    _cache(_folder(), settings.REFERENCE_CACHE_MB).came(len(content))


def mark_used(path: Path) -> None:
    """Mark the copy as used now."""
    _cache(_folder(), settings.REFERENCE_CACHE_MB).used(path)


def remove_copies(name: str) -> None:
    """Remove all copies of this file on this host."""
    path = path_of(name)
    for copy in path.parent.glob(f"{path.stem}.*"):
        copy.unlink(missing_ok=True)


@lru_cache(maxsize=4)
def _cache(folder: Path, most_mb: int) -> Cache:
    return Cache([folder], stays=lambda path: True, most_bytes=most_mb << 20, opened_within=OPENED_WITHIN_SECONDS)
