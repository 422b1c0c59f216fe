"""What PostgreSQL knows of its tables, which it plans by, kept fresh while they grow.

It keeps the plan of a statement that comes again, and makes new plans when it has looked at a table anew: by itself
after a minute or more. On a new installation, or when a first large project begins, everybody's claims would read whole
tables until then, by plans that were made when these were empty.
"""

from __future__ import annotations

import datetime

from django.db import connection

from labeling.statements import count_anew, rows

# Changed rows. Smaller tables are read in no time whatever the plan.
FEW = 1000


def refresh(now: datetime.datetime) -> None:
    """Let PostgreSQL look at those of our tables anew of which as many rows have changed as there were."""
    if connection.vendor != "postgresql":
        return
    grown = rows(
        """
        SELECT s.relname FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
        WHERE s.schemaname = current_schema() AND s.relname LIKE %s
        AND s.n_mod_since_analyze > %s AND s.n_mod_since_analyze > c.reltuples
        """,
        ["labeling\\_%", FEW],
    )
    for (table,) in grown:
        count_anew(table)
