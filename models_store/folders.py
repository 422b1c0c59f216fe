"""Folders of a few files that exist whole or not at all: on the local disk, or in a store that fsspec supports.

A location is a path, or a URL such as s3://bucket/folder. A store that cannot rename gets one file last, the seal: a
folder without its seal does not count. fsspec needs a package for each kind of URL: s3fs for s3://, gcsfs for gs://,
adlfs for abfs://. The standard library and fsspec only.
"""

import os
import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, Any, cast

import fsspec
from fsspec import AbstractFileSystem

BLOCK_BYTES = 1 << 20
# Each request is tried four times, and given up on a server that hangs after a minute: twice by botocore, each time
# that s3fs tries. By default it would be 25 times.
S3_TRIES = 2
S3_CLIENT = {"connect_timeout": 5, "read_timeout": 15, "retries": {"mode": "standard", "total_max_attempts": 2}}
PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class FolderError(ValueError):
    """A file of a folder cannot be read or written; the message names it and says why."""


class StoreAway(Exception):
    """A request to a remote store failed, and another attempt may succeed. The message names the file."""


class Folder(ABC):
    """Files by plain names, without folders. `str` of it is its location.

    For remote stores, all methods raise `StoreAway`, too.
    """

    def open(self, name: str) -> IO[bytes]:
        """Open a file for reading. Raises `FolderError`, also for a name with a path, a link or a pipe."""
        if not PLAIN_NAME.fullmatch(name):
            raise FolderError(f"{self}: {name[:100]!r} is no name for a file in it")
        return self._open(name)

    @abstractmethod
    def _open(self, name: str) -> IO[bytes]: ...

    @abstractmethod
    def replace(self, files: Mapping[str, bytes], *, seal: str) -> None:
        """Replace all files of the folder, the seal last. One process writes at a time. Raises `FolderError`."""

    @abstractmethod
    def remove(self) -> None:
        """Remove the folder with its files, if it exists. Raises `FolderError`."""

    def add(self, name: str, content: bytes) -> None:
        """Add or replace a file atomically. Raises `FolderError`."""
        if not PLAIN_NAME.fullmatch(name):
            raise FolderError(f"{self}: {name[:100]!r} is no name for a file in it")
        self._add(name, content)

    @abstractmethod
    def _add(self, name: str, content: bytes) -> None: ...

    def read(self, name: str, *, most: int) -> bytes:
        """Return the first most + 1 bytes of a file, or all of a shorter file. Memory grows with the content."""
        content = bytearray()
        with self.open(name) as file:
            while len(content) <= most and (block := file.read(min(BLOCK_BYTES, most + 1 - len(content)))):
                content += block
        return bytes(content)


def folder_at(location: str | os.PathLike[str]) -> Folder:
    """Return the folder at a path or URL, which need not exist. Raises `FolderError` if fsspec does not support the
    URL.
    """
    if not isinstance(location, str) or "://" not in location:
        return _Local(Path(location))
    return _Local(Path(location.removeprefix("file://"))) if location.startswith("file://") else _Remote(location)


def filesystem_at(url: str, **options: Any) -> tuple[AbstractFileSystem, str]:
    """Return the file system of a URL, and the path in it. Raises the exceptions of fsspec and its packages."""
    scheme = url.partition("://")[0]
    is_s3 = scheme in ("s3", "s3a")
    if is_s3:
        fsspec.get_filesystem_class(scheme)  # says which package is missing
        options["config_kwargs"] = {**S3_CLIENT, **fsspec.config.conf.get("s3", {}).get("config_kwargs", {})}
        options["session"] = _s3_session()
    system, root = fsspec.core.url_to_fs(url, **options)
    if is_s3:
        system.retries = S3_TRIES
    return system, root


@cache
def _s3_session() -> Any:
    """Return a session that sends bodies at once. By default it first asks for permission, and waits endlessly for the
    answer of a server that hangs.
    """
    from aiobotocore.session import AioSession
    from botocore.handlers import add_expect_header

    session = AioSession(profile=fsspec.config.conf.get("s3", {}).get("profile"))
    session.unregister("before-call.s3", add_expect_header)
    return session


class _Local(Folder):
    """A folder on this machine's disk. Files are written under other names and renamed, in an order that survives a
    power cut.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        return str(self._path)

    def _open(self, name: str) -> IO[bytes]:
        path = self._path / name
        try:
            # A link leads to a foreign file; a pipe would never end.
            if path.is_symlink() or (path.exists() and not path.is_file()):
                raise FolderError(f"{path}: is no plain file")
            return path.open("rb")
        except OSError as error:
            raise FolderError(f"{path}: cannot be read ({error.strerror})") from error

    def _add(self, name: str, content: bytes) -> None:
        partial = self._path / f".{name}.partial"
        try:
            _write_file(partial, content)
            if (self._path / name).is_dir():  # somebody put it where the file belongs
                (self._path / name).rename(self._path / f".{name}.found")
            partial.rename(self._path / name)
            _sync(self._path)
        except OSError as error:
            raise FolderError(f"{self._path / name}: cannot be written ({error.strerror})") from error

    def replace(self, files: Mapping[str, bytes], *, seal: str) -> None:
        target = self._path
        partial = target.with_name(f".{target.name}.partial")
        replaced = target.with_name(f".{target.name}.replaced")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            for leftover in (partial, replaced):
                if leftover.exists():
                    shutil.rmtree(leftover)
            partial.mkdir()
            for name, content in files.items():
                _write_file(partial / name, content)
            _sync(partial)
            if target.exists():
                target.rename(replaced)
            partial.rename(target)
            _sync(target.parent)
        except OSError as error:
            raise FolderError(f"{target}: cannot be written ({error.strerror})") from error
        shutil.rmtree(replaced, ignore_errors=True)

    def remove(self) -> None:
        try:
            shutil.rmtree(self._path)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise FolderError(f"{self._path}: cannot be removed ({error.strerror})") from error


class _Remote(Folder):
    """A folder in a store of fsspec. Without its seal it does not count, because its files may be incomplete."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        try:
            self._store, self._root = filesystem_at(self._url)
        except Exception as error:  # no such scheme, or its package is missing
            raise FolderError(f"{self._url}: cannot be reached ({error})") from error

    def __str__(self) -> str:
        return self._url

    def _open(self, name: str) -> IO[bytes]:
        with _telling(f"{self._url}/{name}", "cannot be read"):
            return cast(IO[bytes], self._store.open(f"{self._root}/{name}", "rb"))

    def read(self, name: str, *, most: int) -> bytes:
        with _telling(f"{self._url}/{name}", "cannot be read"):
            return super().read(name, most=most)

    def _add(self, name: str, content: bytes) -> None:
        with _telling(f"{self._url}/{name}", "cannot be written"):
            self._store.pipe_file(f"{self._root}/{name}", content)

    def replace(self, files: Mapping[str, bytes], *, seal: str) -> None:
        with _telling(self._url, "cannot be written"):
            self._store.invalidate_cache()
            self._store.makedirs(self._root, exist_ok=True)
            if self._store.exists(f"{self._root}/{seal}"):
                self._store.rm_file(f"{self._root}/{seal}")
            for name in sorted(files, key=lambda name: name == seal):
                self._store.pipe_file(f"{self._root}/{name}", files[name])

    def remove(self) -> None:
        with _telling(self._url, "cannot be removed"):
            self._store.invalidate_cache()
            if self._store.exists(self._root):
                self._store.rm(self._root, recursive=True)


@contextmanager
def _telling(location: str, problem: str) -> Iterator[None]:
    """Turn missing files into `FolderError` and all other errors into `StoreAway`, with the location."""
    try:
        with telling(location, problem):
            yield
    except FileNotFoundError as error:
        raise FolderError(f"{location}: {problem} ({error.strerror or error})") from error


@contextmanager
def telling(location: str, problem: str) -> Iterator[None]:
    """Turn all errors but those of missing files into `StoreAway`, with the location."""
    try:
        yield
    except (FileNotFoundError, FolderError, StoreAway):
        raise
    except Exception as error:  # each store has errors of its own, and no common ancestor
        reason: Any = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise StoreAway(f"{location}: {problem} ({reason})") from error


def _write_file(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
