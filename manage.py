#!/usr/bin/env python
"""Runs Marginalia's management commands."""

import os
import sys

from django.core.management import execute_from_command_line
from django.db import OperationalError, ProgrammingError


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        execute_from_command_line(sys.argv)
    except (OperationalError, ProgrammingError) as error:
        # What a newcomer meets; any other database error is worth its traceback.
        missing = "no such table" in str(error) or ("relation" in str(error) and "does not exist" in str(error))
        if not missing:
            raise
        sys.exit("The database has no tables yet, or not all of them: run `python manage.py migrate` first.")


if __name__ == "__main__":
    main()
