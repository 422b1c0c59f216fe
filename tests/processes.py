"""Real processes on the test database: workers and commands that tests can kill."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from starter import Process

ROOT = Path(__file__).resolve().parent.parent

# For tests that read /proc. CI runs on Linux, so that none of them is skipped there.
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def environment() -> dict[str, str]:
    """Return the environment in which `manage.py` uses the running test's database and data folder."""
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        url = f"sqlite:///{database['NAME']}"
    else:
        login = f"{database['USER']}:{database['PASSWORD']}" if database["PASSWORD"] else database["USER"]
        url = f"postgres://{login}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": url,
        "DATA_DIR": str(settings.DATA_DIR),
        "PYTHONUNBUFFERED": "1",
    }


def manage(*arguments: str, apart: bool = False) -> Process:
    """Start `manage.py` with these arguments."""
    return Process(list(arguments), environment(), apart=apart)


def lay_tables(path: Path) -> None:
    """Create a database at this path with all tables, by copying those of the tests.

    Only on SQLite, and in tests marked with `django_db`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(connection.settings_dict["NAME"])) as database:
        assert database.execute("SELECT 1 FROM django_migrations").fetchone()
        database.execute("VACUUM INTO ?", [str(path)])


@contextmanager
def worker(*arguments: str) -> Iterator[Process]:
    """Run a worker until the end of the block; a failed test shows its log."""
    process = manage("worker", *arguments)
    try:
        yield process
    finally:
        process.kill()
        print(process.communicate()[0])  # noqa: T201


@contextmanager
def web(**variables: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run a web server as in production, by default with one process; yield the master and the port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", "config.wsgi:application"],
        cwd=ROOT,
        env={
            **environment(),
            "DJANGO_SETTINGS_MODULE": "settings_web",
            "PYTHONPATH": str(ROOT / "tests"),
            "PORT": str(port),
            "WEB_CONCURRENCY": "1",
            **variables,
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        wait_until(lambda: listens(port))
        yield process, port
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def family(process: int) -> list[int]:
    """Return the process and all its descendants."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [process, *(each for child in children for each in family(int(child)))]


def umask_of(process: int) -> str:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith("Umask"))


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(condition: Callable[[], bool], *, seconds: float = 180, every: float = 0.02) -> None:
    """Wait until the condition holds; fail with a clear message otherwise."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(every)
