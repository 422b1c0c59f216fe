"""Run Marginalia's commands: `python manage.py COMMAND` in a clone, `marginalia COMMAND` of a wheel."""

import os
import sys

from django.core.management import execute_from_command_line
from django.db import OperationalError, ProgrammingError

from models_store import __version__


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"Marginalia {__version__}\n")
        return
    try:
        execute_from_command_line(sys.argv)
    except ModuleNotFoundError as error:
        if error.name != "marginalia_client":  # no requirement: it is not on PyPI
            raise
        sys.exit("This command needs Marginalia's client: pip install marginalia_client*.whl (./client in a clone).")
    except (OperationalError, ProgrammingError) as error:
        # A plain sentence for the usual mistake of newcomers; other database errors keep their traceback.
        missing = "no such table" in str(error) or ("relation" in str(error) and "does not exist" in str(error))
        if not missing:
            raise
        from config.settings import COMMAND, DATA_DIR

        sys.exit(f"The database of {DATA_DIR} has no tables yet, or not all of them: run `{COMMAND} migrate` first.")


if __name__ == "__main__":
    main()
