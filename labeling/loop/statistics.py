"""PostgreSQL's statistics of our tables, refreshed while they grow.

It keeps the plan of a statement that comes again until it has new statistics of a table: by itself after a minute or
more. On a new installation, or when a first large project begins, everybody's claims would read whole
tables until then, by plans that were made when these were empty.
"""

from __future__ import annotations

import datetime

from django.db import connection

from labeling.statements import analyze, rows

# Changed rows. Smaller tables are read in no time whatever the plan.
FEW = 1000


def refresh(now: datetime.datetime) -> None:
    """Analyze those of our tables in which as many rows have changed as there were."""
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
        analyze(table)
