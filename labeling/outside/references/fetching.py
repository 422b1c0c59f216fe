"""Read files at their sources, check that they are the imported ones, and keep copies and smaller pictures of them."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath

from django.conf import settings
from django.utils.translation import gettext

from labeling import kinds
from labeling.kinds import BadFile, FileKind
from labeling.models import Reference, Source
from labeling.outside.sources import READ_SECONDS, REQUEST_SECONDS, Reason, Remote, SourceProblem, remote_with
from labeling.outside.waiting import Busy, Later, Questions
from labeling.storage import media
from labeling.storage.disk.files import FileMissing, replace_file
from labeling.storage.shared_files import StoreAway
from labeling.storage.shared_files.cache import Cache

SIDE_BY_SIDE = 16
# The files that are in memory at a time: so many, or a larger one.
AT_ONCE, AT_ONCE_BYTES = 32, 64 << 20
# The size of a file that is read for the first time, if its source did not tell.
ASSUMED_BYTES = 8 << 20
REMOTES = 16
# The files that a process reads for people at a time, and those of one source or of all sources that a person added. A
# page asks again for a file that takes longer, every two seconds.
FOR_PEOPLE = Questions(8, 3, seconds=2.0)

CHANGED = "it has changed at its source since the import (import the new file under another id)"
REMOVED = "its source was removed from the project"
LOST = {
    Reason.FILE: "it is no longer at its source (put it back there, or delete the item)",
    Reason.REFUSED: "its source refuses it (give the credentials the right to read it, or delete the item)",
    Reason.CHANGED: CHANGED,
    Reason.SIZE: "it is larger than the files that are read",
}


class SourceAway(StoreAway):
    """A source cannot be read at present, or has not sent the file yet. Steps wait for it. `source`: its id; None if
    others keep this host busy.
    """

    def __init__(self, message: str, source: int | None = None) -> None:
        super().__init__(message)
        self.source = source


class Lost(FileMissing):
    """The file cannot be read at its source until a person acts. `problem` says why, without its key and place."""


def fetch(references: Sequence[Reference]) -> dict[str, Lost]:
    """Keep copies for steps of all files that can be read. Return the problems of the others, by name.

    Files are read in parallel; the copies of files that were read before an error stay. Raises `SourceAway`.
    """
    lost: dict[str, Lost] = {}
    content = partial(_content, seconds=READ_SECONDS)
    with ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="references") as threads:
        for part in _parts(references):
            outcomes = list(zip(part, threads.map(content, part), strict=True))
            kept = [(row, found) for row, found in outcomes if not isinstance(found, SourceAway)]
            lost |= _store_copies(kept, STEPS)
            for _, found in outcomes:
                if isinstance(found, SourceAway):
                    raise found
    return lost


def fetch_for(reader: int, row: Reference) -> None:
    """Keep a copy of the file for this person, who waits. Raises `Lost`, and `SourceAway` also if it takes long: the
    next call then finds the file, if it has come.
    """
    try:
        question = partial(_content, row, seconds=REQUEST_SECONDS)
        found = FOR_PEOPLE.ask((row.name, reader), question, of=_whose(row.source))
    except (Busy, Later):
        raise SourceAway("The file has not come from its source yet.", row.source_id) from None
    if isinstance(found, SourceAway):
        raise found
    for problem in _store_copies([(row, found)], reader).values():
        raise problem


def read_for(person: int, source: Source, key: str, *, limit: int) -> bytes:
    """Return a file's content for a person who waits. Raises `SourceProblem`, also if it takes long."""
    remote = remote_of_files(source)
    question = partial(remote.read, key, limit=limit, seconds=REQUEST_SECONDS)
    place = (source.address, str(source.options), source.sealed_secrets)
    try:
        return FOR_PEOPLE.ask((person, place, key), question, of=_whose(source))
    except Busy as busy:
        raise SourceProblem(Reason.BUSY, str(busy)) from None
    except Later:
        sentence = gettext("%(name)s has not arrived from its source yet. Reload the page.")
        raise SourceProblem(Reason.AWAY, sentence % {"name": key}) from None


def _whose(source: Source | None) -> list[tuple[str, int | None]]:
    """Return the things that have few places each: the source, and the sources of the person who added it."""
    return [] if source is None else [("source", source.pk), ("person", source.created_by_id or -source.project_id)]


def _parts(references: Sequence[Reference]) -> Iterator[list[Reference]]:
    part: list[Reference] = []
    size = 0
    for row in references:
        more = ASSUMED_BYTES if row.size is None else row.size
        if part and (len(part) == AT_ONCE or size + more > AT_ONCE_BYTES):
            yield part
            part, size = [], 0
        part.append(row)
        size += more
    if part:
        yield part


def _content(row: Reference, *, seconds: float) -> bytes | Lost | SourceAway:
    """Return the content of the file at its source, or the error. Uses no database: it runs in threads."""
    source = row.source
    if source is None:
        return Lost(path_of(row.name), REMOVED)
    try:
        content = remote_of_files(source).read(row.key, limit=_most_bytes(row), etag=row.etag, seconds=seconds)
    except SourceProblem as problem:
        if reason := LOST.get(problem.reason):
            return Lost(path_of(row.name), reason)
        return SourceAway(f"The source {source.name} cannot be read: {problem}", source.pk)
    if row.size is not None and len(content) != row.size:
        return Lost(path_of(row.name), CHANGED)
    return content


def remote_of_files(source: Source) -> Remote:
    """Return the place that keys of items' files are relative to. Raises `SourceProblem`."""
    return _kept_remote(source.files_address, tuple(source.options.items()), source.sealed_secrets)


@lru_cache(maxsize=REMOTES)
def _kept_remote(address: str, options: tuple[tuple[str, str], ...], sealed_secrets: str) -> Remote:
    """Return the place, which keeps the token, or the region, that it has asked for."""
    return remote_with(address, dict(options), sealed_secrets)


def _most_bytes(row: Reference) -> int:
    kind = kinds.of(row.project)
    assert isinstance(kind, FileKind)
    return kind.most_bytes


def _store_copies(outcomes: Sequence[tuple[Reference, bytes | Lost]], reader: int) -> dict[str, Lost]:
    """Keep copies of these contents, and store what was learned of their files. Return the problems by name."""
    lost = {row.name: found for row, found in outcomes if isinstance(found, Lost)}
    contents = {row: found for row, found in outcomes if isinstance(found, bytes)}
    digests = {row: hashlib.sha256(content).hexdigest() for row, content in contents.items()}
    for row in [row for row in contents if row.sha256 not in ("", digests[row])]:
        lost[row.name] = Lost(path_of(row.name), CHANGED)
        del contents[row]
    new = [row for row in contents if digests[row] != row.shown_sha256]
    kind = kinds.of(outcomes[0][0].project) if outcomes else None
    opened = kind.open([contents[row] for row in new], smaller=True) if kind else iter(())
    for row, file in zip(new, opened, strict=True):
        if isinstance(file, BadFile):
            lost[row.name] = Lost(path_of(row.name), f"it {file}")
            del contents[row]
            continue
        if not row.sha256:
            media.write_content(row.name, b"", preview=file.preview, thumbnail=file.thumbnail)
        row.size, row.sha256 = len(contents[row]), digests[row]
        row.shown_sha256 = hashlib.sha256(file.content).hexdigest()
        contents[row] = file.content
    if new:
        media.flush()
    for row, content in contents.items():
        store_copy(path_of(row.name, reader), content)
    _store_facts([row for row, _ in outcomes], {row.pk for row in new}, lost)
    return lost


def _store_facts(rows: Sequence[Reference], new: set[int], lost: Mapping[str, Lost]) -> None:
    """Store the digests of new files, and each problem that has come or passed."""
    changed = []
    for row in rows:
        problem = lost[row.name].problem[:300] if row.name in lost else ""
        if row.pk in new or row.problem != problem:
            row.problem = problem
            changed.append(row)
    if changed:
        Reference.objects.bulk_update(changed, ["size", "sha256", "shown_sha256", "problem"])


# Copies on this host of files at sources, of at most `REFERENCE_CACHE_MB`. The least recently used ones are removed.
#
# Steps share their copies; each person who looks at items has copies of their own: see `references.local`.

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
