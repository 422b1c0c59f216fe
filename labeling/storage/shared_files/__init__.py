"""Files that all hosts share: items' files, uploads, a project's arrays.

They lie in DATA_DIR, or in the object store that OBJECT_STORE names; then DATA_DIR holds copies. Code that writes a
shared file calls `publish` afterwards; code that reads one calls `local` first.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from django.conf import settings

from labeling.storage.disk.files import FileDamaged, FileMissing
from labeling.storage.shared_files.folder import FolderStore
from models_store.folders import StoreAway

__all__ = ["FolderStore", "StoreAway", "read_whole", "store"]

Contents = TypeVar("Contents")

SHARED = ("media", "uploads", "projects")


def store() -> FolderStore:
    """Return the store of shared files that the settings name."""
    return _store(settings.OBJECT_STORE, Path(settings.DATA_DIR), settings.OBJECT_CACHE_MB)


def read_whole(path: Path, read: Callable[[Path], Contents]) -> Contents:
    """Return `read(path)` for the file at `path`. If a copy is damaged, fetch it again, once.

    Raises `FileMissing` if the file does not exist, and every error of `read`.
    """
    try:
        return _read(path, read)
    except FileDamaged:
        if not store().drop_copy(path):
            raise
        return _read(path, read)


def _read(path: Path, read: Callable[[Path], Contents]) -> Contents:
    try:
        return read(store().local(path))
    except FileMissing:
        raise
    except FileNotFoundError as error:
        raise FileMissing(path) from error


@lru_cache(maxsize=4)
def _store(url: str, folder: Path, cache_mb: int) -> FolderStore:
    if not url:
        return FolderStore()
    from labeling.storage.shared_files.objects import ObjectStore  # imports fsspec, which most installations do not use

    return ObjectStore(url, folder, shared=SHARED, most_bytes=cache_mb << 20)
