"""The connection settings of the main database and a read replica."""

from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

SQLITE = "django.db.backends.sqlite3"
IN_MEMORY = ":memory:"
POSTGRESQL = "django.db.backends.postgresql"
OURS = "config.postgresql"
# A connection to a replica whose host is gone fails within seconds: reads then go to the main database.
GIVEN_UP_SOON = {"connect_timeout": 2, "keepalives_idle": 5, "tcp_user_timeout": 5000}


def below(home: Path, database: dict[str, Any]) -> dict[str, Any]:
    """Return the settings with the path of a SQLite file made absolute: a relative one counts from `home`."""
    if database["ENGINE"] != SQLITE or database["NAME"] == IN_MEMORY:
        return database
    return {**database, "NAME": str(home / database["NAME"])}


def on_postgresql(database: dict[str, Any], variable: str) -> dict[str, Any]:
    """Return the settings of the database, with connections that are kept for a minute. Errors name the `variable`."""
    options = dict(database.get("OPTIONS", {}))
    # labeling/storage/db/statements.py prepares a statement at its third execution, unless the URL sets another number.
    threshold = str(options.get("prepare_threshold", 3))
    if threshold != "none" and not threshold.isdecimal():
        raise ImproperlyConfigured(f"{variable}: prepare_threshold is {threshold!r}, but must be a number, or none.")
    options["prepare_threshold"] = None if threshold == "none" else int(threshold)
    engine = OURS if database["ENGINE"] == POSTGRESQL else database["ENGINE"]
    return {**database, "ENGINE": engine, "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True, "OPTIONS": options}


def replica(database: dict[str, Any], main: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of the main database's read replica. Raises `ImproperlyConfigured` unless both are
    PostgreSQL.
    """
    if {database["ENGINE"], main["ENGINE"]} != {POSTGRESQL}:
        raise ImproperlyConfigured("DATABASE_REPLICA_URL needs PostgreSQL, there and in DATABASE_URL.")
    options = {**GIVEN_UP_SOON, **database.get("OPTIONS", {})}
    # Without server-side cursors, the execution returns all rows, so a failed statement can run on the main database.
    whole = {"DISABLE_SERVER_SIDE_CURSORS": True, "OPTIONS": options}
    return on_postgresql({**database, **whole}, "DATABASE_REPLICA_URL")
