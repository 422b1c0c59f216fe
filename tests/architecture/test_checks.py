"""Test that scripts/check.py, which `make test` runs, reports failed checks by its exit status and its last lines."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def check(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script with pytest, but without this project's pytest settings and plugins."""
    command = [sys.executable, "scripts/check.py", *arguments, "-c", os.devnull, "-p", "xdist.plugin", "-n", "0"]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("body", "status", "verdict", "closing"),
    [("pass", 0, "passed", "1 passed"), ("assert False", 1, "FAILED", "1 failed")],
)
def test_the_last_line_is_what_pytest_counted(
    tmp_path: Path, body: str, status: int, verdict: str, closing: str
) -> None:
    (tmp_path / "test_it.py").write_text(f"def test_it():\n    {body}\n")
    done = check("test-sqlite", str(tmp_path))
    assert done.returncode == status, done.stdout + done.stderr
    *_, summary, last = done.stdout.splitlines()
    assert summary.startswith(f"{verdict}  test-sqlite")
    assert closing in last


def test_no_test_at_all_is_a_failure(tmp_path: Path) -> None:
    assert check("test-sqlite", str(tmp_path)).returncode == 1


def test_an_unknown_check_is_refused_with_the_known_ones() -> None:
    done = check("test-oracle")
    assert done.returncode == 1
    assert "test-sqlite" in done.stderr


# The script with two lanes of small checks.
LANES = """
import sys
sys.path.insert(0, "scripts")
import check
def shell(text): return [["sh", "-c", text]]
check.CHECKS = {
    "slow": shell("echo slow begins; sleep 1; echo slow ends"),
    "wrong": shell("echo wrong; exit 3"),
    "last": shell("echo last; LAST"),
}
check.LANES = [["slow"], ["wrong", "last"]]
sys.exit(check.main())
"""


def test_two_lanes_run_all_checks_and_keep_the_output_of_each_together() -> None:
    command = [sys.executable, "-c", LANES.replace("LAST", "true")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "slow begins\nslow ends\n" in done.stdout
    assert [line.split()[:2] for line in done.stdout.splitlines()[-3:]] == [
        ["passed", "slow"],
        ["FAILED", "wrong"],
        ["passed", "last"],
    ]


def test_an_interrupt_ends_the_commands_of_both_lanes(tmp_path: Path) -> None:
    ready = [tmp_path / "one", tmp_path / "other"]
    endless = LANES.replace("sleep 1", f"touch {ready[0]}; sleep 600").replace("LAST", f"touch {ready[1]}; sleep 600")
    running = subprocess.Popen(
        [sys.executable, "-c", endless], cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    while not all(path.exists() for path in ready):
        time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    output, _ = running.communicate(timeout=60)  # ends when no process writes to it any more
    assert running.returncode == 130
    assert "slow begins" in output
    assert "slow ends" not in output


def test_files_of_tests_have_names_of_their_own() -> None:
    """Without packages, pytest imports a file by its name alone, and refuses a second one with the same."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, n in names.items() if n > 1] == []
