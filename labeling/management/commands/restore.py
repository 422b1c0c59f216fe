"""Restores a backup."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from labeling.storage.backups.backup import restore
from labeling.storage.backups.databases import BackupRefused


class Command(BaseCommand):
    help = (
        "Restore a backup into an empty database and a new DATA_DIR, and update the tables to this release. "
        "A restore that was interrupted can be repeated."
    )
    # The database is empty.
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="The folder that `backup` wrote.")

    def handle(self, *args: Any, folder: Path, **options: Any) -> None:
        try:
            made = restore(folder.absolute())
        except (BackupRefused, OSError, DatabaseError) as error:
            raise CommandError(" ".join(str(error).split())) from error
        self.stdout.write(
            f"Restored the backup of {made['made_at']} by Marginalia {made['marginalia']} into {settings.DATA_DIR}. "
            "Run `check_files` to check every file, then start web and worker."
        )
