"""A folder in place of an object store, which counts the bytes read from it and written to it.

OBJECT_STORE=counted:///srv/objects
"""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

MOVED: Counter[str] = Counter()
"""Bytes so far that have "left" the store, and that "came" into it; and requests for one or the other."""
_LOCK = threading.Lock()


def _count(way: str, size: int, requests: int = 0) -> None:
    with _LOCK:
        MOVED[way] += size
        MOVED["requests"] += requests


class CountedFiles(LocalFileSystem):  # type: ignore[misc]  # fsspec has no types
    """A local file system that counts bytes. Copies within the store count nothing, as in an object store."""

    protocol = "counted"

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "auto_mkdir": True})

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return super()._strip_protocol(str(path).removeprefix("counted://"))

    def get_file(self, path1: str, path2: str, **options: Any) -> None:
        super().get_file(path1, path2, **options)
        _count("left", self.size(path1), 1)

    def put_file(self, path1: str, path2: str, **options: Any) -> None:
        super().put_file(path1, path2, **options)
        _count("came", Path(path1).stat().st_size, 1)

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        _count("left", 0, 1)
        return _CountedFile(super()._open(path, mode, **options))


class _CountedFile:
    """A file that counts the bytes read and written."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def __enter__(self) -> _CountedFile:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def read(self, size: int = -1) -> bytes:
        content: bytes = self._file.read(size)
        _count("left", len(content))
        return content

    def write(self, content: bytes) -> int:
        _count("came", len(content))
        return int(self._file.write(content))


fsspec.register_implementation("counted", CountedFiles, clobber=True)
