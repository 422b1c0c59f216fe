"""Write a backup, and restore it into an empty installation.

A backup is a copy of the database, then the files, then a list of both with their checksums. Each file is written
before the row that names it, and a file that a row names is never changed or removed: so files that are copied after
the database contain all that the copy names.

A restore checks the whole backup before it changes anything of the installation: it may be damaged or come from another
installation.
"""

import os
import re
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import orjson
from django.conf import settings
from django.db import connection
from django.utils import timezone

from labeling.models import LogKind
from labeling.observing import auditlog
from labeling.storage.backups import databases
from labeling.storage.backups.databases import BackupRefused
from labeling.storage.disk.files import FileDamaged, FileMissing, reading, sha256_of_file
from labeling.storage.shared_files import SHARED
from models_store import __version__

ARCHIVE, LIST = "files.tar.gz", "backup.json"
# The folder of files that are being restored.
RESTORING = "restoring"
# The database is copied by itself; the files that are being imported can be sent again.
LEFT_OUT = ("db.sqlite3", "uploads", "static_root", RESTORING)
LIST_BYTES = 1 << 20
# A file takes at least so many bytes of a disk.
BLOCK_BYTES = 4096
# A backup has no links to other places, devices or pipes. A file that two projects share is a link to the first one.
TYPES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE, tarfile.LNKTYPE)


class Backup(NamedTuple):
    """A finished backup, and its files' bytes by name."""

    folder: Path
    sizes: dict[str, int]


def back_up(folder: Path) -> Backup:
    """Write a backup into a new folder that only its owner may read. Raises `BackupRefused`.

    People can work meanwhile. A backup that was interrupted leaves a folder with the suffix `.partial`, which the next
    one to the same folder removes.
    """
    if folder.exists():
        raise BackupRefused(f"{folder} exists already. Name a new folder.")
    draft = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700, parents=True)
    copy = databases.copy_to(draft)
    _pack(Path(settings.DATA_DIR), draft / ARCHIVE)
    files = {path.name: _facts(path) for path in (copy, draft / ARCHIVE)}
    made = {"marginalia": __version__, "made_at": timezone.now(), "files": files}
    (draft / LIST).write_bytes(orjson.dumps(made, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z))
    os.sync()  # what has its name is whole, even after a power cut
    draft.rename(folder)
    sizes = {name: each["size"] for name, each in files.items()}
    auditlog.record(LogKind.BACKED_UP, after=sizes)
    return Backup(folder, sizes)


def _facts(path: Path) -> dict[str, Any]:
    return {"size": path.stat().st_size, "sha256": sha256_of_file(path)}


def _pack(source: Path, archive: Path) -> None:
    with tarfile.open(archive, "w:gz") as packed:
        for path in _files(source):
            try:
                with path.open("rb") as file:
                    # Of a file that grows meanwhile, the archive has the bytes that were there.
                    packed.addfile(packed.gettarinfo(arcname=str(path.relative_to(source)), fileobj=file), file)
            except FileNotFoundError:  # a draft, or a file of a project that was erased meanwhile
                continue


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files of the data folder; without copies of files in an object store."""
    left_out = {*LEFT_OUT, *(SHARED if settings.OBJECT_STORE else ())}
    for top in sorted(folder.iterdir()):
        if top.name.split("-")[0] in left_out:  # `db.sqlite3-wal`, too
            continue
        yield from (path for path in sorted([top, *top.rglob("*")]) if path.is_file() and not path.is_symlink())


def restore(folder: Path) -> dict[str, Any]:
    """Bring back the files, then the database, with its tables updated to this release. Return the backup's list.

    The database comes last: after a kill or an `OSError` it is still empty, some files may be in their places, and the
    restore can be repeated. Raises `BackupRefused`, and then nothing is restored.
    """
    made = _checked(folder)
    if connection.introspection.table_names():
        raise BackupRefused("The database has tables already. Restore into an empty database and a new DATA_DIR.")
    databases.check_copy(folder)
    draft = Path(settings.DATA_DIR, RESTORING)
    shutil.rmtree(draft, ignore_errors=True)
    try:
        _unpack(folder / ARCHIVE, draft)
        files = sorted(path for path in draft.rglob("*") if path.is_file())
        places = {path: Path(settings.DATA_DIR, path.relative_to(draft)) for path in files}
        _check_other_disks(draft, places)
        with databases.loaded(folder):
            for path, place in places.items():
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(path, place)  # folders of DATA_DIR may be on other disks
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return made


def _unpack(archive: Path, draft: Path) -> None:
    """Unpack into the new folder `draft`. Raises `BackupRefused` for what no backup has, or without room."""
    draft.mkdir(mode=0o700)
    room = shutil.disk_usage(draft).free
    names: set[str] = set()
    try:
        with tarfile.open(archive, "r:gz") as packed:
            for member in packed:
                _check_member(member, names, archive)
                names.add(member.name)
                room -= member.size + BLOCK_BYTES
                if room < 0:
                    raise BackupRefused(f"The disk of {draft.parent} has no room for the files of {archive}.")
                packed.extract(member, draft, filter=_private)
    except (tarfile.TarError, EOFError, zlib.error, ValueError) as error:
        raise BackupRefused(f"{archive} is damaged: {' '.join(str(error).split()) or type(error).__name__}.") from error


def _check_other_disks(draft: Path, places: Mapping[Path, Path]) -> None:
    """Raise `BackupRefused` if a place is on another disk than `draft`, which has no room for its files."""
    room: dict[int, int] = {}
    for path, place in places.items():
        folder = next(each for each in place.parents if each.exists())
        disk = folder.stat().st_dev
        if disk != draft.stat().st_dev:
            room.setdefault(disk, shutil.disk_usage(folder).free)
            room[disk] -= path.stat().st_size + BLOCK_BYTES
            if room[disk] < 0:
                raise BackupRefused(f"The disk of {folder} has no room for its files.")


def _check_member(member: tarfile.TarInfo, names: set[str], archive: Path) -> None:
    """Raise `BackupRefused` for a member that no backup has."""
    parts = PurePosixPath(member.name).parts
    inside = parts and parts[0] != "/" and ".." not in parts and parts[0].split("-")[0] not in LEFT_OUT
    to_itself = not member.islnk() or member.linkname in names
    if not inside or member.type not in TYPES or not to_itself:
        raise BackupRefused(f"{archive} has {member.name[:100]!r}, which no backup has.")


def _private(member: tarfile.TarInfo, place: str) -> tarfile.TarInfo | None:
    """Keep the files of an archive below `place`, for their owner alone."""
    inside = tarfile.data_filter(member, place)
    return inside.replace(mode=0o700 if inside.isdir() else 0o600, deep=False)


def _checked(folder: Path) -> dict[str, Any]:
    """Return the list of a whole backup."""
    if not folder.is_dir():
        raise BackupRefused(f"{folder} is no folder. Name the folder that `backup` wrote.")
    try:
        with reading(folder / LIST) as file:
            made = orjson.loads(file.read(LIST_BYTES))
        files = {name: (int(each["size"]), str(each["sha256"])) for name, each in made["files"].items()}
        version, _ = str(made["marginalia"]), str(made["made_at"])
    except FileMissing:
        raise BackupRefused(f"{folder} is no whole backup: it has no {LIST}.") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise BackupRefused(f"{folder / LIST} is damaged.") from None
    if _numbers(version) > _numbers(__version__):
        raise BackupRefused(f"{folder} was made by Marginalia {version[:20]}. This is {__version__}: update it first.")
    if missing := {databases.copy_name(), ARCHIVE} - set(files):
        raise BackupRefused(f"{folder} has no {min(missing)}: it was made with another kind of database.")
    for name in (databases.copy_name(), ARCHIVE):
        path, (size, digest) = folder / name, files[name]
        try:
            whole = path.stat().st_size == size and sha256_of_file(path) == digest
        except (FileDamaged, OSError):
            whole = False
        if not whole:
            raise BackupRefused(f"{path} is damaged or missing.")
    return dict(made)


def _numbers(version: str) -> list[int]:
    """Return the three numbers of a release: its pre-releases have the same.

    >>> _numbers("1.12.0rc1") == _numbers("1.12") > _numbers("1.9.3")
    True
    """
    numbers = re.match(r"\d{1,9}(\.\d{1,9}){0,2}", version)
    parts = [int(number) for number in numbers[0].split(".")] if numbers else []
    return [*parts, 0, 0, 0][:3]
