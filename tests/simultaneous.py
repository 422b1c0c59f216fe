"""Functions that run at the same moment, each on a database connection of its own, as in another process."""

import threading
from collections.abc import Callable

from django.db import connection


def elsewhere(work: Callable[[], object], errors: list[BaseException] | None = None) -> threading.Thread:
    """Begin the work in another thread, and return that thread. Its exception is added to `errors`."""

    def run() -> None:
        try:
            work()
        except BaseException as error:
            if errors is None:
                raise
            errors.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def errors_at_once(*works: Callable[[], object]) -> list[BaseException]:
    """Run all functions, which begin together; return their exceptions."""
    begin, errors = threading.Barrier(len(works)), list[BaseException]()

    def begun(work: Callable[[], object]) -> Callable[[], object]:
        return lambda: (begin.wait(), work())

    for thread in [elsewhere(begun(work), errors) for work in works]:
        thread.join()
    return errors


def at_once(*works: Callable[[], object]) -> None:
    """Run all functions, which begin together; raise the exception of one that fails."""
    if errors := errors_at_once(*works):
        raise errors[0]
