"""Restore a backup into an empty installation."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from labeling.backups import databases
from labeling.backups.refused import BackupRefused
from labeling.backups.writing import ARCHIVE, LIST
from labeling.disk.files import sha256_of_file


def restore(folder: Path) -> dict[str, Any]:
    """Bring back the files, then the database, and update its tables to this release. Return the backup's list.

    The database comes last: after a kill it is still empty, and the restore can be repeated. Raises `BackupRefused`.
    """
    made = _checked(folder)
    if connection.introspection.table_names():
        raise BackupRefused("The database has tables already. Restore into an empty database and a new DATA_DIR.")
    with tarfile.open(folder / ARCHIVE) as packed:
        packed.extractall(settings.DATA_DIR, filter=_private)  # noqa: S202  the filter keeps them below DATA_DIR
    databases.load(folder)
    call_command("migrate", verbosity=0)
    return made


def _private(member: tarfile.TarInfo, place: str) -> tarfile.TarInfo | None:
    """Keep the files of an archive below `place`, for their owner alone."""
    inside = tarfile.data_filter(member, place)
    return inside.replace(mode=0o700 if inside.isdir() else 0o600, deep=False)


def _checked(folder: Path) -> dict[str, Any]:
    """Return the list of a whole backup."""
    try:
        made = orjson.loads((folder / LIST).read_bytes())
        files = {name: (each["size"], each["sha256"]) for name, each in made["files"].items()}
    except FileNotFoundError:
        raise BackupRefused(f"{folder} is no whole backup: it has no {LIST}.") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise BackupRefused(f"{folder / LIST} is damaged.") from None
    if missing := {databases.copy_name(), ARCHIVE} - set(files):
        raise BackupRefused(f"{folder} has no {min(missing)}: it was made with another kind of database.")
    for name, (size, digest) in files.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != size or sha256_of_file(path) != digest:
            raise BackupRefused(f"{path} is damaged or missing.")
    return dict(made)
