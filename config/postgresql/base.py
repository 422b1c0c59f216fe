"""PostgreSQL's backend with a check of kept connections that sends no statement.

Django's backend runs `SELECT 1` before each request to check the connection, one of thirteen statements of a claim.
A server that has stopped or restarted has closed the connection, which this machine sees: the socket is readable.
"""

from __future__ import annotations

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection of one thread."""

    def is_usable(self) -> bool:
        if self.connection is None or self.connection.closed:
            return False
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLIN)
        if not poll.poll(0):
            return True
        usable: bool = super().is_usable()  # the socket may also be readable because of a message from the server
        return usable
