"""PostgreSQL's backend, with two changes:

- The check of a kept connection sends no statement. Django's backend runs `SELECT 1` before each request, one of
  thirteen statements of a claim. A server that has stopped or restarted has closed the connection, which this machine
  sees: the socket is readable.
- PostgreSQL compiles no statement. By its estimate it would compile the counts of the overview and of the review, for
  0.5 and 1.7 s at a million items; the counts themselves take less than 0.1 s.
"""

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection of one thread."""

    def init_connection_state(self) -> None:
        super().init_connection_state()
        # A statement, and not an option of the connection, which poolers refuse.
        self.connection.execute("SET jit = off")

    def is_usable(self) -> bool:
        if self.connection is None or self.connection.closed:
            return False
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLIN)
        if not poll.poll(0):
            return True
        usable: bool = super().is_usable()  # the socket may also be readable because of a message from the server
        return usable
