"""Files that other hosts need too: items' files, uploads, a project's arrays.

They lie in DATA_DIR. Where OBJECT_STORE names an object store they lie there, and DATA_DIR holds copies. Whoever writes
a file makes it known (`publish`); whoever reads one asks for it first (`local`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from django.conf import settings

from labeling.disk import FileDamaged, FileMissing
from labeling.shared_files.base import Store
from labeling.shared_files.folder import FolderStore
from models_store.folders import StoreAway

__all__ = ["FolderStore", "Store", "StoreAway", "read_whole", "store"]

Contents = TypeVar("Contents")

SHARED = ("media", "uploads", "projects")


def store() -> Store:
    """Where such files are stored, as the settings have it."""
    return _store(settings.OBJECT_STORE, Path(settings.DATA_DIR), settings.OBJECT_CACHE_MB)


def read_whole(path: Path, read: Callable[[Path], Contents]) -> Contents:
    """What `read` makes of the file at `path`. A copy that it finds damaged is fetched anew, once.

    Raises `FileMissing` if there is no such file, and what `read` raises.
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
def _store(url: str, folder: Path, cache_mb: int) -> Store:
    if not url:
        return FolderStore()
    from labeling.shared_files.objects import ObjectStore  # few need it

    return ObjectStore(url, folder, shared=SHARED, most_bytes=cache_mb << 20)
