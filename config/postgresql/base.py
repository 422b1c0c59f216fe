"""PostgreSQL for many short requests: a connection that is kept is looked at for nothing.

Django's backend asks the server for a `1` before each request, to know whether the connection still stands. That is one
statement in thirteen of a claim. A server that has gone, or was restarted, has closed the connection, and this machine
knows: there is something to read on it.
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
        usable: bool = super().is_usable()  # or there is a message from the server
        return usable
