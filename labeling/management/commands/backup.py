"""Backs up the installation."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from labeling.projects.quota import shown
from labeling.storage.backups.backup import back_up
from labeling.storage.backups.databases import BackupRefused


class Command(BaseCommand):
    help = (
        "Back up the database and the files of DATA_DIR into a new folder. People can keep working meanwhile. "
        "`restore` brings it back."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="The new folder, such as /backups/2026-11-30.")

    def handle(self, *args: Any, folder: Path, **options: Any) -> None:
        try:
            backup = back_up(folder.absolute())
        except (BackupRefused, OSError) as error:
            raise CommandError(str(error)) from error
        files = ", ".join(f"{name} {shown(size)}" for name, size in backup.sizes.items())
        self.stdout.write(f"{backup.folder}: {files}.")
        for store in dict.fromkeys(filter(None, [settings.OBJECT_STORE, settings.MODEL_STORE])):
            self.stdout.write(f"The files in {store} are not in it: copy them now, with the store's own tools.")
