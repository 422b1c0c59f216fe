"""Blocks that one process runs at a time."""

import fcntl
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def exclusive(name: str) -> Iterator[bool]:
    """Yield whether no other block of this name runs, in whichever process or thread. Nothing waits.

    The end of a killed process ends its block: the kernel releases the lock of a file beside SQLite's database, or
    PostgreSQL the lock of a transaction. That transaction is in a connection of its own and does nothing else, so that
    the block can have transactions, and poolers can share the other connections.
    """
    if connection.vendor == "postgresql":
        own = connection.copy()
        try:
            own.set_autocommit(False)
            with own.cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [zlib.crc32(name.encode())])
                [taken] = cursor.fetchone()
            yield taken
        finally:
            own.close()
        return
    file = os.open(f"{connection.settings_dict['NAME']}-{name}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(file)
