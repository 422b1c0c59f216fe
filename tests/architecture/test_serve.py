"""Test that config/serve.py runs web and worker together, and restarts a process that ends."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from processes import family, lay_tables, umask_of, wait_until

from tests.extent import some

ROOT = Path(__file__).resolve().parents[2]


# For the tables of an installation, see `lay_tables`.
pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, django_db_setup: None) -> dict[str, str]:
    """Return the environment of an empty installation with a free port."""
    environment = os.environ | {"DATA_DIR": str(tmp_path_factory.mktemp("installation")), "WEB_CONCURRENCY": "1"}
    for name in ("DATABASE_URL", "DJANGO_SETTINGS_MODULE"):  # as somebody who has just cloned it
        environment.pop(name, None)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        environment["PORT"] = str(probe.getsockname()[1])
    lay_tables(Path(environment["DATA_DIR"]) / "db.sqlite3")
    return environment


# What config/serve.py asks of the two: to run, to say that they are ready, and to end when they are told to. They are
# ready in a moment; the worker fails to start while there is the file `broken`.
STAND_INS = """
import sys
from config import serve
serve.COMMANDS = {
    "web": [sys.executable, "-c", "import os, socket, time; from config.serve import tell_ready; "
        "here = socket.create_server(('127.0.0.1', int(os.environ['PORT']))); "
        "tell_ready(); print('Ready on'); time.sleep(600)", "gunicorn"],
    "worker": [sys.executable, "-c", "import os, sys, time; from config.serve import tell_ready; "
        "os.path.exists(os.environ['DATA_DIR'] + '/broken') and sys.exit(3); "
        "tell_ready(); print('is ready'); time.sleep(600)", "config.command_line worker"],
}
sys.exit(serve.main())
"""


@pytest.fixture
def stand_ins(installation: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run config/serve.py with small programs in place of the web server and the worker."""
    with ready(start(installation, "-c", STAND_INS)) as process:
        yield process


@contextmanager
def ready(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    assert process.stdout is not None
    waited_for = {"Ready on", "is ready"}
    for line in process.stdout:
        waited_for -= {text for text in waited_for if text in line}
        if not waited_for:
            break
    assert not waited_for
    try:
        yield process
    finally:
        process.terminate()  # it ends the two, if they have not ended
        process.communicate()


def start(environment: dict[str, str], *program: str) -> subprocess.Popen[str]:
    """Start config/serve.py with the usual umask of a login shell."""
    command = [sys.executable, *(program or ["scripts/serve.py"])]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, umask=0o022
    )


def child(server: subprocess.Popen[str], program: str) -> int:
    """Return the process id of the web server or the worker."""
    listing = subprocess.run(
        ["ps", "-ww", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    ).stdout
    found = re.search(rf"^\s*(\d+)\s+{server.pid}\s.*{program}", listing, re.MULTILINE)
    assert found, listing
    return int(found[1])


def is_served(port: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(port))) == 0


def check_end(server: subprocess.Popen[str], installation: dict[str, str], signum: signal.Signals) -> None:
    worker = child(server, "config.command_line worker")
    assert is_served(installation["PORT"])
    server.send_signal(signum)
    assert server.wait(30) == 0
    assert not is_served(installation["PORT"])
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


@pytest.mark.long
def test_the_real_ones_are_started_again_and_end_with_success(installation: dict[str, str]) -> None:
    with ready(start(installation)) as server:
        wait_until(lambda: {umask_of(process) for process in family(server.pid)} == {"0077"})  # files for the owner
        os.kill(child(server, "config.command_line worker"), signal.SIGKILL)
        read_until(server, "[worker] was killed", "is ready.")
        os.kill(child(server, "gunicorn"), signal.SIGKILL)
        read_until(server, "[web]    was killed", "Ready on", "There is no account yet", "/setup/")
        check_end(server, installation, signal.SIGTERM)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_ends_both_with_success(
    stand_ins: subprocess.Popen[str], installation: dict[str, str], signum: signal.Signals
) -> None:
    check_end(stand_ins, installation, signum)


def read_until(server: subprocess.Popen[str], *texts: str) -> list[str]:
    """Read lines until all of these texts have occurred, in this order."""
    assert server.stdout is not None
    lines: list[str] = []
    for text in texts:
        while not lines or text not in lines[-1]:
            line = server.stdout.readline()
            assert line, f"{text!r} did not come: {lines}"
            lines.append(line)
    return lines


def test_a_worker_that_is_killed_is_started_again_at_once_and_the_web_server_stays(
    stand_ins: subprocess.Popen[str], installation: dict[str, str]
) -> None:
    web, worker = child(stand_ins, "gunicorn"), child(stand_ins, "config.command_line worker")
    for _ in range(3):
        os.kill(worker, signal.SIGKILL)
        read_until(
            stand_ins,
            "[worker] was killed by SIGKILL (the system does that when memory runs out). It is started again.\n",
            "[worker] is ready",
        )
        before, worker = worker, child(stand_ins, "config.command_line worker")
        assert worker != before
    assert child(stand_ins, "gunicorn") == web
    assert is_served(installation["PORT"])


@pytest.fixture
def broken(installation: dict[str, str]) -> Iterator[Path]:
    """Let the worker fail to start until the file is removed."""
    path = Path(installation["DATA_DIR"]) / "broken"
    path.touch()
    yield path
    path.unlink(missing_ok=True)


def test_one_that_does_not_get_ready_any_more_is_started_after_pauses_until_it_does(
    stand_ins: subprocess.Popen[str], broken: Path
) -> None:
    os.kill(child(stand_ins, "config.command_line worker"), signal.SIGKILL)
    waits = "[worker] ended with exit status 3 before it was ready. It is started again in {} s."
    read_until(stand_ins, "It is started again.\n", waits.format(1), waits.format(2))
    broken.unlink()
    read_until(stand_ins, "[worker] is ready")
    os.kill(child(stand_ins, "config.command_line worker"), signal.SIGKILL)
    read_until(stand_ins, "It is started again.\n", "[worker] is ready")


def test_a_web_server_that_is_killed_is_started_again_and_the_worker_stays(
    stand_ins: subprocess.Popen[str], installation: dict[str, str]
) -> None:
    worker = child(stand_ins, "config.command_line worker")
    os.kill(child(stand_ins, "gunicorn"), signal.SIGKILL)
    read_until(stand_ins, "[web]    was killed by SIGKILL", "Ready on")
    assert is_served(installation["PORT"])
    assert child(stand_ins, "config.command_line worker") == worker


def test_one_that_waits_to_be_started_does_not_hold_up_the_end(stand_ins: subprocess.Popen[str], broken: Path) -> None:
    os.kill(child(stand_ins, "config.command_line worker"), signal.SIGKILL)
    read_until(stand_ins, "It is started again in 4 s")
    stand_ins.terminate()
    read_until(stand_ins, "[serve]  Stopping")
    assert "is ready" not in stand_ins.communicate(timeout=30)[0]
    assert stand_ins.returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends processes with their parent")
def test_both_end_with_a_server_that_is_killed_and_leave_the_port(
    stand_ins: subprocess.Popen[str], installation: dict[str, str]
) -> None:
    parts = [child(stand_ins, "gunicorn"), child(stand_ins, "config.command_line worker")]
    stand_ins.kill()
    wait_until(lambda: not is_served(installation["PORT"]))
    wait_until(lambda: not any(Path(f"/proc/{part}").exists() for part in parts))


def test_one_that_cannot_be_started_ends_both_with_what_it_said(installation: dict[str, str]) -> None:
    process = start(installation | {"LOG_LEVEL": "LOUD"})
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "A setting in the environment is wrong" in output
    assert "ended with exit status" in output
    assert "started again" not in output


def test_a_taken_port_is_said_in_one_line_before_anything_starts(installation: dict[str, str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        process = start(installation | {"PORT": str(other.getsockname()[1])})
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert re.fullmatch(r"Port \d+ cannot be used .*\n", output)


@pytest.mark.parametrize("port", some(["http", "65536", "", "0", "-1"], 2))
def test_a_port_that_is_none_is_refused(installation: dict[str, str], port: str) -> None:
    process = start(installation | {"PORT": port})
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert output == f"PORT={port} is no port: it must be a number from 1 to 65535.\n"
