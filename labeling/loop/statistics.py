"""Refresh PostgreSQL's statistics of growing tables.

PostgreSQL reuses the plan of a repeated statement until the statistics of its tables change, which autovacuum does only
after a minute or more. On a new installation, or at the beginning of a first large project, claims would until then
scan whole tables, by plans made for empty ones.
"""

from __future__ import annotations

import datetime

from django.db import connection

from labeling.statements import analyze, rows

# Tables with fewer changed rows are left alone: every plan reads a small table quickly.
FEW = 1000


def refresh(now: datetime.datetime) -> None:
    """Analyze each table of this application in which more rows have changed than it had at the last analysis."""
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
