"""A thread that calls a function every few seconds beside a step."""

import logging
import threading
from collections.abc import Callable
from contextvars import copy_context

from django.db import close_old_connections, connection

from labeling.storage.db import outages

logger = logging.getLogger(__name__)


class Meanwhile(threading.Thread):
    """Calls `work` every `seconds` while the `with` block runs.

    The thread has its own database connection, and continues after errors of `work`. Its log lines have the context
    (job, project) of the code that created it.
    """

    def __init__(self, seconds: float, work: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._seconds = seconds
        self._work = work
        self._over = threading.Event()
        self._context = copy_context()

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        self._context.run(self._work_until_over)

    def _work_until_over(self) -> None:
        try:
            while not self._over.wait(self._seconds):
                try:
                    self._work()
                except outages.ERRORS as error:
                    logger.warning("A look at the database failed: %s", str(error).strip())
                except Exception:  # deadlines and heartbeats must continue after a defect in `work`
                    logger.exception("A look at the database failed.")
                close_old_connections()
        finally:
            connection.close()
