"""What connections to PostgreSQL are made with, to the main database and to a read replica."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured

POSTGRESQL = "django.db.backends.postgresql"
OURS = "config.postgresql"
# A replica whose host is gone is given up after seconds: the main database answers instead.
GIVEN_UP_SOON = {"connect_timeout": 2, "keepalives_idle": 5, "tcp_user_timeout": 5000}


def on_postgresql(database: dict[str, Any], variable: str) -> dict[str, Any]:
    """The database with connections that are kept for a minute, and its options. `variable` is named in errors."""
    options = dict(database.get("OPTIONS", {}))
    # What labeling/statements.py asks is kept prepared from the third execution on, unless the address says other.
    threshold = str(options.get("prepare_threshold", 3))
    if threshold != "none" and not threshold.isdecimal():
        raise ImproperlyConfigured(f"{variable}: prepare_threshold is {threshold!r}, but must be a number, or none.")
    options["prepare_threshold"] = None if threshold == "none" else int(threshold)
    engine = OURS if database["ENGINE"] == POSTGRESQL else database["ENGINE"]
    return {**database, "ENGINE": engine, "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True, "OPTIONS": options}


def replica(database: dict[str, Any], main: dict[str, Any]) -> dict[str, Any]:
    """The read replica of the main database. Raises `ImproperlyConfigured` unless both are PostgreSQL."""
    if {database["ENGINE"], main["ENGINE"]} != {POSTGRESQL}:
        raise ImproperlyConfigured("DATABASE_REPLICA_URL needs PostgreSQL, there and in DATABASE_URL.")
    options = {**GIVEN_UP_SOON, **database.get("OPTIONS", {})}
    # All rows come with the statement: one that fails can then be run on the main database instead.
    whole = {"DISABLE_SERVER_SIDE_CURSORS": True, "OPTIONS": options}
    return on_postgresql({**database, **whole}, "DATABASE_REPLICA_URL")
