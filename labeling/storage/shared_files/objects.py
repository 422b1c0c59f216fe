"""The store in an object store, by fsspec, with copies in DATA_DIR.

A file exists once it is in the object store. Files of items (named by their content) and uploads never change, so a
copy of them is always current. A copy of any other file is current if the note beside it has the object's present
mark, so each read asks the object store for the mark.
"""

import shutil
import threading
import uuid
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import cast

import numpy as np

from labeling.storage.disk.files import make_room, replace_file
from labeling.storage.shared_files.cache import Cache
from labeling.storage.shared_files.folder import Entry, FolderStore
from labeling.storage.shared_files.rows import StoredRows
from models_store.folders import StoreAway, filesystem_at, telling

SIDE_BY_SIDE = 16
# Files of one thread that wait in memory until they are in the store.
MOST_PENDING = 64
# Objects that one request removes.
REMOVED_AT_ONCE = 500


class ObjectStore(FolderStore):
    """The object store at `url`, with the files in the folders `shared` of `folder`, named by their paths there."""

    copies = True

    def __init__(self, url: str, folder: Path, *, shared: Collection[str], most_bytes: int) -> None:
        self._url, self._folder, self._shared = url.rstrip("/"), folder, frozenset(shared)
        with self._telling("", "cannot be reached"):
            # No cache of listings: other hosts write too.
            local = {"auto_mkdir": True} if self._url.startswith("file:") else {}
            self._store, self._root = filesystem_at(self._url, use_listings_cache=False, **local)
            self._look()
        copied = [folder / name for name in shared if name != "uploads"]
        self._cache = Cache(copied, stays=self._stays, most_bytes=most_bytes)
        self._rows = StoredRows(self._store, self._cache)
        self._threads = ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="object-store")
        self._of_thread = threading.local()

    def _look(self) -> None:
        """Write an object, to check that the bucket exists: without a bucket all files would seem to be missing."""
        try:
            self._store.pipe_file(f"{self._root}/marginalia", b"")
        except FileNotFoundError:
            raise StoreAway(f"{self._url}: the bucket does not exist") from None

    def recorded(self, path: Path) -> str:
        """Return the path below DATA_DIR, which may be another folder on each host."""
        return str(path.relative_to(self._folder)) if self._key(path) else str(path)

    def path_of(self, recorded: str) -> Path:
        return self._folder / recorded

    def publish(self, path: Path) -> None:
        if key := self._key(path):
            with self._telling(key, "cannot be written"):
                inode = path.stat().st_ino
                self._store.put_file(str(path), key)
                if not self._stays(path):
                    self._cache.note(path, self._mark(key), inode)

    def local(self, path: Path) -> Path:
        key = self._key(path)
        if key is None:
            return path
        if self._stays(path) and path.exists():
            self._cache.used(path)
            return path
        with self._telling(key, "cannot be read"):
            mark = None if self._stays(path) else self._mark(key)
            if mark is None or mark != self._cache.mark_of(path):
                self._copy(key, path, mark)
        self._cache.used(path)
        return path

    def bring(self, paths: Iterable[Path]) -> None:
        def one(path: Path) -> None:
            with suppress(FileNotFoundError):
                self.local(path)

        list(self._threads.map(one, [path for path in paths if not (self._stays(path) and path.exists())]))

    def _copy(self, key: str, path: Path, mark: str | None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".draft-{uuid.uuid4().hex}")
        try:
            self._store.get_file(key, str(draft))
            stat = draft.stat()
            make_room(path)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        if mark is not None:  # a process killed before this line leaves no valid note, and the file is copied again
            self._cache.note(path, mark, stat.st_ino)
        self._cache.came(stat.st_size)

    def exists(self, path: Path) -> bool:
        if (key := self._key(path)) is None or (self._stays(path) and path.exists()):
            return path.exists()
        with self._telling(key, "cannot be looked for"):
            return bool(self._store.exists(key))

    def size(self, path: Path) -> int:
        if (key := self._key(path)) is None:
            return path.stat().st_size
        with self._telling(key, "cannot be looked for"):
            return int(self._store.size(key))

    def size_below(self, folder: Path) -> int:
        with self._at(folder, "cannot be listed") as key:
            return int(self._store.du(key)) if self._store.exists(key) else 0

    def stamps(self, paths: Sequence[Path]) -> list[str | None]:
        return list(self._threads.map(self._stamp, paths))

    def _stamp(self, path: Path) -> str | None:
        if (key := self._key(path)) is None:
            return None
        with suppress(FileNotFoundError), self._telling(key, "cannot be looked for"):
            return self._mark(key)
        return None

    def link(self, old: Path, new: Path) -> None:
        with self._at(new, "cannot be copied") as target, self._at(old, "cannot be copied") as source:
            if not self._store.exists(target):
                self._store.cp_file(source, target)

    def remove(self, path: Path) -> None:
        self._cache.drop(path)
        if key := self._key(path):
            with suppress(FileNotFoundError), self._telling(key, "cannot be removed"):
                self._store.rm_file(key)

    def remove_below(self, folder: Path) -> Iterator[None]:
        if key := self._key(folder):
            with self._telling(key, "cannot be removed"):
                names = self._store.find(key)
            for start in range(0, len(names), REMOVED_AT_ONCE):
                with suppress(FileNotFoundError), self._telling(key, "cannot be removed"):
                    self._store.rm(names[start : start + REMOVED_AT_ONCE])
                yield
        shutil.rmtree(folder, ignore_errors=True)

    def entries(self, folder: Path) -> list[Entry]:
        with self._at(folder, "cannot be listed") as key:
            try:
                names = [name for name in self._store.ls(key, detail=False) if name != key]
            except FileNotFoundError:
                names = []
            stored = {}
            for name in names:
                with suppress(FileNotFoundError):  # taken in meanwhile
                    stored[folder / name.rpartition("/")[2]] = self._store.modified(name).timestamp()
        here = {entry.path: entry.written_at for entry in super().entries(folder)}
        return [Entry(path, written_at) for path, written_at in {**here, **stored}.items()]

    def write(self, path: Path, content: bytes, *, drafts: Path) -> None:
        pending = self._pending
        while len(pending) >= MOST_PENDING:
            if pending[0].exception():
                self.settle()
            pending.popleft()
        pending.append(self._threads.submit(self._write, path, content, drafts))

    def _write(self, path: Path, content: bytes, drafts: Path) -> None:
        with self._at(path, "cannot be written") as key:
            if not self._store.exists(key):
                self._store.pipe_file(key, content)
        # After the object: `exists` takes a copy as proof of the object.
        replace_file(path, content, durable=False, drafts=drafts)

    def settle(self) -> None:
        pending = list(self._pending)
        self._pending.clear()
        for each in pending:
            each.exception()  # wait for all writes before the first error is raised
        for each in pending:
            each.result()

    @property
    def _pending(self) -> deque[Future[None]]:
        if not hasattr(self._of_thread, "pending"):
            self._of_thread.pending = deque()
        return cast("deque[Future[None]]", self._of_thread.pending)

    def append(self, path: Path, *, rows_before: int, block: np.ndarray) -> None:
        start, content = rows_before * block.shape[1] * block.itemsize, np.ascontiguousarray(block).tobytes()
        with self._at(path, "cannot be written") as key:
            self._rows.append(key, start=start, content=content)

    def rewrite(self, path: Path, *, start: int, content: bytes) -> None:
        with self._at(path, "cannot be written") as key:
            self._rows.rewrite(key, start=start, content=content)
        self._cache.drop(path)

    def drop_copy(self, path: Path) -> bool:
        if self._key(path) is None:
            return False
        self._cache.drop(path)
        return True

    def bring_rows(self, path: Path, *, row_bytes: int, start: int, stop: int) -> None:
        with self._at(path, "cannot be read") as key:
            self._cache.came(self._rows.bring(key, path, (start * row_bytes, stop * row_bytes)))

    def _key(self, path: Path) -> str | None:
        """Return the key of a path below DATA_DIR in the object store; None for a file that only this host needs."""
        try:
            relative = path.relative_to(self._folder)
        except ValueError:
            return None
        return f"{self._root}/{relative.as_posix()}" if relative.parts[0] in self._shared else None

    def _stays(self, path: Path) -> bool:
        """Return whether the file never changes. Vectors may be written again until their items are imported."""
        first = path.relative_to(self._folder).parts[0]
        return first == "uploads" or (first == "media" and path.suffix != ".npy")

    def _mark(self, key: str) -> str:
        """Return a text that changes when the object is replaced. Raises `FileNotFoundError`."""
        return str(self._store.ukey(key))

    @contextmanager
    def _at(self, path: Path, problem: str) -> Iterator[str]:
        """Yield the key of a shared file or folder, and name it if the store fails."""
        key = self._key(path)
        assert key
        with self._telling(key, problem):
            yield key

    def _telling(self, key: str, problem: str) -> AbstractContextManager[None]:
        return telling(f"{self._url.partition('://')[0]}://{key}" if key else self._url, problem)
