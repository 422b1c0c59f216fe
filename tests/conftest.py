"""Fixtures and hooks of all tests."""

import gc
import importlib
import re
import sys
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import absl.logging
import hypothesis
import pytest
from django.db import connection, transaction
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate
from django.dispatch import receiver
from django.test import override_settings
from migrated import keep_tables, put_tables
from snapshots import Snapshot

from labeling.insight import balance, control_slice
from labeling.labels import label_counts
from labeling.steps.running import worker
from tests.extent import examples

# A machine that is busy with other things is no fault of what is tested.
hypothesis.settings.register_profile("here", deadline=None, max_examples=examples(100))
hypothesis.settings.load_profile("here")
# absl, which dp-accounting loads, closes the standard error that it was loaded with when logging is set up again: under
# pytest that is the file of a captured test.
absl.logging.get_absl_handler().python_handler.setStream(sys.__stderr__)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Import a share of the test files before all are collected, if several processes run the tests.

    In a new clone, each process would rewrite the assertions of all files, which takes as long as the rest of its
    collection. Now each finds what the others have rewritten.
    """
    worker = getattr(session.config, "workerinput", None)
    if worker is None:
        return
    ignored = [Path(path).resolve() for path in session.config.getoption("ignore") or []]
    files = sorted(file.resolve() for path in session.config.args for file in Path(path).rglob("test_*.py"))
    files = [file for file in files if not any(file.is_relative_to(path) for path in ignored)]
    for file in files[int(worker["workerid"].removeprefix("gw")) :: worker["workercount"]]:
        if str(file.parent) not in sys.path:
            sys.path.insert(0, str(file.parent))
        with suppress(Exception, pytest.skip.Exception):  # the collection imports the file again, and reports the error
            importlib.import_module(file.stem)


def pytest_collection_finish() -> None:
    """Freeze imported objects, so that the garbage collector skips them."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)  # tests make many small things; looking at each seven hundred took a twentieth of the time


def locks_one_table(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    """Check that rows are locked in one table; a join, for example for a model's order, would lock the project, too."""
    meant = " JOIN " not in sql or not re.search(r"FOR (NO KEY )?UPDATE(?! OF)", sql)
    assert meant, f"This locks rows of every table that it joins: {sql}"
    return execute(sql, params, many, context)


@receiver(connection_created)
def look_at_locks(connection: Any, **_: Any) -> None:
    """Check the locks of each new connection, including connections of threads."""
    if locks_one_table not in connection.execute_wrappers:
        connection.execute_wrappers.append(locks_one_table)


@pytest.fixture(scope="session")
def django_db_keepdb(django_db_keepdb: bool) -> bool:
    """Keep the test database on SQLite, which may have tables already (`migrated.py`); it is deleted with its
    folder.
    """
    return django_db_keepdb or connection.vendor == "sqlite"


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None, django_db_blocker: Any) -> None:
    with django_db_blocker.unblock():
        put_tables()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """Do not restore Django's permissions after each test with transactions of its own, which took most of its time."""
    with django_db_blocker.unblock():
        keep_tables()
    assert post_migrate.disconnect(dispatch_uid="django.contrib.auth.management.create_permissions")


@pytest.fixture(autouse=True)
def no_figures_kept() -> None:
    """Clear the caches of figures, because ids of projects and batches repeat between tests."""
    for keeper in (control_slice._labeled, balance._control, label_counts._counted):
        keeper.cache_clear()


@pytest.fixture(autouse=True)
def no_heartbeat_beside_a_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run steps without heartbeats inside a test's transaction: a heartbeat has its own connection, which would wait
    for that transaction until its time-out, and the step would wait for the heartbeat.
    """
    meanwhile = worker.Meanwhile
    monkeypatch.setattr(
        worker, "Meanwhile", lambda *given: nullcontext() if connection.in_atomic_block else meanwhile(*given)
    )


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, settings: Any) -> Path:
    """Give each test an empty data folder, because row numbers, and so file names, repeat between tests."""
    folder = tmp_path / "data"
    folder.mkdir()
    settings.DATA_DIR = folder
    settings.MEDIA_ROOT = folder / "media"
    # Nothing is collected for tests: the live server finds static files where they are written.
    settings.STATIC_ROOT = folder / "static_root"
    settings.STATIC_ROOT.mkdir()
    return folder


@pytest.fixture(scope="module")
def once(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep the rows of a file's own fixtures for all its tests, and roll back each test's changes. Yields the data
    folder.

    Not for tests with transactions of their own, nor for files whose tests begin with an empty database.
    """
    folder = tmp_path_factory.mktemp("once")
    with django_db_blocker.unblock(), transaction.atomic():
        with override_settings(DATA_DIR=folder, MEDIA_ROOT=folder / "media"):
            yield folder
        transaction.set_rollback(True)


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Return the starting state that a file's tests share: empty, until the first of them keeps one."""
    return Snapshot(tmp_path_factory.mktemp("snapshot"))
