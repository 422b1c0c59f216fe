"""Runs the project's checks and says at the end which passed, how long each took, and what pytest counted.

    python scripts/check.py                       # all of them, in order; a failure does not stop the later ones
    python scripts/check.py test-sqlite -k undo   # one of them; further arguments go to its last command

Exit status: 0 if every check passed, 1 otherwise.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple, NoReturn

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
PYTEST = [f"{BIN}/pytest"]
# As many processes as there are cores, but no crowd: some tests start threads and processes of their own.
SIDE_BY_SIDE = ["-n", "auto", "--maxprocesses", "4", "--dist", "loadfile"]
# Once is enough for these: they touch no database, or (who may what) ask it nothing that other tests do not.
ON_SQLITE_ONLY = ["benchmarks", "selector", "models_store", "importing", "architecture", "docs", "access"]
# Generated requests for minutes: once, on the database that takes fewer characters and numbers.
ON_POSTGRES_ONLY = ["api/test_published_schema_holds.py"]

CHECKS: dict[str, list[list[str]]] = {
    "lint": [
        [f"{BIN}/ruff", "check", "--no-cache", "."],
        [f"{BIN}/ruff", "format", "--check", "."],
        [f"{BIN}/lint-imports"],
    ],
    "types": [[f"{BIN}/mypy"]],
    "migrations": [
        [sys.executable, "manage.py", "makemigrations", "--check", "--dry-run", "--settings", "config.settings_test"]
    ],
    "test-sqlite": [
        [*PYTEST, *SIDE_BY_SIDE, *("-m", "not browser"), *(f"--ignore=tests/{name}" for name in ON_POSTGRES_ONLY)]
    ],
    "test-postgres": [
        [
            "scripts/with-postgres.sh",
            *PYTEST,
            *SIDE_BY_SIDE,
            *("-m", "not browser"),
            *(f"--ignore=tests/{name}" for name in ON_SQLITE_ONLY),
        ]
    ],
    "test-browser": [[*PYTEST, "-m", "browser"]],
}


class Outcome(NamedTuple):
    name: str
    passed: bool
    seconds: float
    counted: str  # pytest's closing line; empty for other tools


def run(command: list[str]) -> tuple[int, str]:
    """Run the command, pass its output on as it comes, and return its exit status and its last lines."""
    # A DATABASE_URL of the user's own is no place for tests: settings fall back to SQLite, or with-postgres.sh says.
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    # A group of its own, so that an interrupt ends all that the command started.
    process = subprocess.Popen(  # noqa: S603  fixed commands, and the developer's own arguments
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None
    tail = b""
    try:
        while chunk := os.read(process.stdout.fileno(), 8192):
            sys.stdout.buffer.write(chunk)
            sys.stdout.flush()
            tail = (tail + chunk)[-4096:]
        return process.wait(), tail.decode(errors="replace")
    except BaseException:
        os.killpg(process.pid, signal.SIGINT)
        process.wait()
        raise


def closing_line(output: str) -> str:
    """The line in which pytest says what it counted; empty if there is none."""
    lines = [line for line in output.splitlines() if re.search(r"\d+ (passed|failed|errors?|deselected)\b.* in ", line)]
    return lines[-1] if lines else ""


def check(name: str, arguments: list[str]) -> Outcome:
    say(f"\n──── {name} " + "─" * (90 - len(name)))
    started = time.monotonic()
    *first, last = CHECKS[name]
    statuses, output = [], ""
    for command in [*first, [*last, *arguments]]:
        status, output = run(command)
        statuses.append(status)
    counted = closing_line(output) if name.startswith("test-") else ""
    return Outcome(name, not any(statuses), time.monotonic() - started, counted)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def main() -> int:
    signal.signal(signal.SIGTERM, interrupt)
    name, *arguments = sys.argv[1:] or [""]
    if name and name not in CHECKS:
        sys.exit(f"No check is called {name!r}. There are: {', '.join(CHECKS)}.")
    try:
        outcomes = [check(one, arguments) for one in ([name] if name else CHECKS)]
    except KeyboardInterrupt:
        return 130
    say("\n──── summary " + "─" * 83)
    for outcome in outcomes:
        say(f"{'passed' if outcome.passed else 'FAILED'}  {outcome.name:<14} {outcome.seconds:6.1f} s")
    for outcome in outcomes:
        if outcome.counted:
            say(f"{outcome.counted}")
    return 0 if all(outcome.passed for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
