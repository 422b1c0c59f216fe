"""Lists of files of a source: each file becomes an item. Its file is read while the list is imported, or stays at the
source, unread.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import orjson

from labeling.kinds import BadFile, KeptAtSource
from labeling.kinds.wording import MIB, printable, too_large
from labeling.outside.sources import Entry, Reason, Remote, SourceProblem

from .base import Record, Source, SourceFile

SUFFIX = ".keys"
SIDE_BY_SIDE = 8
# Files that are read ahead, and their bytes together.
AHEAD, AHEAD_BYTES = 64, 64 * MIB
REFUSED_FILE = "is refused by its source: give the credentials the right to read it"


def place_of(source_id: int, key: str) -> str:
    """Return the place of a file, from which its item gets its id: the same at each look, another for each source."""
    return f"source {source_id}: {key}"


def write_keys(path: Path, entries: Iterable[Entry]) -> None:
    """Add files to a list, each a line."""
    with path.open("ab") as file:
        file.writelines(orjson.dumps([each.key, each.size, each.etag]) + b"\n" for each in entries)


class KeysSource(Source):
    """The files that a list names. Each is a record, and its folder may be its class."""

    holds_files = True
    truth_from_folder = True

    def __init__(self, file: SourceFile, remote: Remote, *, source_id: int, files_stay: bool) -> None:
        super().__init__(file)
        self._remote, self._source_id, self._files_stay = remote, source_id, files_stay
        self._limit = self.limits.of_file(self.kind)
        self._files: dict[str, Future[bytes] | KeptAtSource] = {}
        with file.path.open("rb") as lines:
            self.total: int = sum(1 for _ in lines)

    def _records(self, skip: int) -> Iterator[Record]:
        waiting: deque[tuple[Record, int]] = deque()
        ahead = 0
        threads = ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="source")
        try:
            with self.path.open("rb") as file:
                for line in islice(file, skip, None):
                    waiting.append(self._begun(line, threads))
                    ahead += waiting[-1][1]
                    while waiting and (len(waiting) >= AHEAD or ahead > AHEAD_BYTES):
                        record, size = waiting.popleft()
                        yield record
                        ahead -= size
                for record, _ in waiting:
                    yield record
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
            self._files.clear()

    def _begun(self, line: bytes, threads: ThreadPoolExecutor) -> tuple[Record, int]:
        """Return the record of a line with the bytes of its file, and begin to read the file unless it stays."""
        key, size, etag = orjson.loads(line)
        if printable(key) != key:
            return Record(printable(key), None, "the file has characters in its name that cannot be stored"), 0
        if (size or 0) > self._limit:
            return Record(key, None, f"the file {too_large(self._limit)}"), 0
        record = Record(key, {"file_name": key}, default_id=place_of(self._source_id, key))
        if self._files_stay:
            address = f"{self._remote.address.rstrip('/')}/{key}"
            self._files[key] = KeptAtSource(self._source_id, key, address, size, etag)
            return record, 0
        self._files[key] = threads.submit(self._remote.read, key, limit=self._limit)
        return record, size or 0

    def open_file(self, name: str) -> bytes | KeptAtSource:
        file = self._files.pop(name, None)
        if isinstance(file, KeptAtSource):
            return file
        with bad_files(self._limit, "has vanished from the source since it was listed"):
            return self._remote.read(name, limit=self._limit) if file is None else file.result()


@contextmanager
def bad_files(limit: int, missing: str) -> Iterator[None]:
    """Turn the problem of a single file into a `BadFile`: it is missing, refused, or has more than `limit` bytes."""
    try:
        yield
    except SourceProblem as problem:
        if problem.reason == Reason.FILE:
            raise BadFile(missing) from problem
        if problem.reason == Reason.REFUSED:
            raise BadFile(REFUSED_FILE) from problem
        if problem.reason == Reason.SIZE:
            raise BadFile(too_large(limit)) from problem
        raise
