"""Updates database tables and static files, then runs the web server and the worker."""

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connections

from config.serve import check_port, take_over
from config.static_files import collect


class Command(BaseCommand):
    help = (
        "Bring tables and front-end files up to date, then run web and worker in the foreground until Ctrl-C, on PORT. "
        "Restarts a process that ends by itself."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        check_port(str(settings.PORT))
        call_command("migrate", verbosity=0)
        collect()
        self.prepare()
        self.stdout.write(f"Data are kept in {settings.DATA_DIR}.")
        self.stdout.flush()
        connections.close_all()
        take_over(PORT=str(settings.PORT), DATA_DIR=str(settings.DATA_DIR))

    def prepare(self) -> None:
        """Do nothing between the update and the start; subclasses replace this."""
