"""Servers for tests: the web server of an installation with its own data folder, and PostgreSQL with a replica."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from processes import environment

ROOT = Path(__file__).resolve().parents[2]
APPLICATION = "config.wsgi:application"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: list[str], port: int, log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that listens on the port, until the end of the block."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **environment}, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        wait_for_port(port, process, log)
        yield process
    finally:
        process.terminate()
        process.wait(20)


def wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError(f"{process.args} did not start: {log.read_text()}")


def _environment(folder: Path) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATA_DIR": str(folder / "data"),
        "DATABASE_URL": f"sqlite:///{folder / 'data' / 'db.sqlite3'}",
    }


@contextmanager
def web_server(
    folder: Path, *options: str, application: str = APPLICATION, **environment: str
) -> Iterator[tuple[int, Path]]:
    """Run gunicorn as an installation does, with two processes of eight threads; return its port and log."""
    port, log = free_port(), folder / "web.log"
    command = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", "--pid", str(log.with_suffix(".pid"))]
    command += [*options, application]
    values = {
        **_environment(folder),
        "PORT": str(port),
        "WEB_CONCURRENCY": "2",
        "WEB_THREADS": "8",
        "DEBUG": "true",  # nothing is collected for tests: static files are served as they lie
        **environment,
    }
    with running(command, port, log, **values):
        yield port, log


class Postgres:
    """A PostgreSQL server that the test can stop and start."""

    def __init__(self, url: str, data: Path) -> None:
        self.url = url
        self.data = data

    def run(self, program: str, *words: str) -> None:
        """Run one of PostgreSQL's programs as the server's user."""
        folder = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
        command = [str(folder / program) if folder else program, *words]
        if os.getuid() == 0:
            command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", *command]
        # The server keeps what it inherits: no pipe may wait for its end.
        subprocess.run(command, check=True, cwd=self.data.parent, stdout=subprocess.DEVNULL, timeout=60)

    def control(self, *words: str, mode: str = "fast") -> None:
        self.run("pg_ctl", "-D", str(self.data), "-m", mode, "-w", *words)

    def ask(self, sql: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(sql.encode()).fetchall()

    def carry_out(self, sql: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.encode())

    def manage(self, *words: str, **variables: str) -> str:
        env = {**environment(), "DATABASE_URL": self.url, "PYTHONPATH": str(ROOT / "tests"), **variables}
        command = [sys.executable, "manage.py", *words]
        return subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True, text=True).stdout

    def python(self, text: str, **variables: str) -> str:
        return self.manage("shell", "--no-imports", "--command", text, **variables)


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Run a server with an empty database, until the end of the block."""
    told = 'echo "$DATABASE_URL $PGDATA"; cat'
    command, pipe = [ROOT / "scripts/with-postgres.sh", "bash", "-c", told], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            url, data = process.stdout.readline().split()
            yield Postgres(url, Path(data))
        finally:
            process.stdin.close()


@contextmanager
def replica_of(main: Postgres) -> Iterator[Postgres]:
    """Run a replica by streaming replication, whose file `replica.log` beside its data has all statements."""
    port, data = free_port(), main.data.parent / "replica"
    replica = Postgres(main.url.replace(f":{urlsplit(main.url).port}/", f":{port}/"), data)
    main.run("pg_basebackup", "-d", main.url, "-D", str(data), "-R", "-c", "fast", "--no-sync")
    options = "-c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=300 -c fsync=off"
    log = str(data.parent / "replica.log")
    replica.control("start", "-l", log, "-o", f"-p {port} {options} -c log_statement=all")
    try:
        yield replica
    finally:
        with suppress(subprocess.CalledProcessError):  # it may be stopped
            replica.control("stop", mode="immediate")
