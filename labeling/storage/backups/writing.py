"""Write a backup: a copy of the database, then the files, then a list of both with their checksums.

The database comes first. Each file is written before the row that names it, and a file that a row names is never
changed or removed: so files that are copied after the database contain all that the copy names.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from django.conf import settings
from django.utils import timezone

from labeling.models import LogKind
from labeling.observing import auditlog
from labeling.storage.backups import databases
from labeling.storage.backups.databases import BackupRefused
from labeling.storage.disk.files import sha256_of_file
from labeling.storage.shared_files import SHARED
from models_store import __version__

ARCHIVE, LIST = "files.tar.gz", "backup.json"
# The folder of files that are being restored.
RESTORING = "restoring"
# The database is copied by itself; the files that are being imported can be sent again.
LEFT_OUT = ("db.sqlite3", "uploads", "static_root", RESTORING)


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
