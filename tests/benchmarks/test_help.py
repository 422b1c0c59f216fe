"""Every benchmark says what it does, and what it can be told."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAIN = 'if __name__ == "__main__"'
FILES = [path.stem for path in (ROOT / "benchmarks").glob("*.py") if MAIN in path.read_text()]


@pytest.mark.parametrize("name", [*sorted(FILES), "privacy"])
def test_help_is_given(name: str) -> None:
    command = [sys.executable, "-m", f"benchmarks.{name}", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ")
