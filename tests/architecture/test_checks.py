"""Test that scripts/check.py, which `make test` runs, reports failed checks by its exit status and its last lines."""

import os
import subprocess
import sys
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


def test_files_of_tests_have_names_of_their_own() -> None:
    """Without packages, pytest imports a file by its name alone, and refuses a second one with the same."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, n in names.items() if n > 1] == []
