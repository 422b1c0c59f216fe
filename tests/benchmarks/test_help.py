"""Test that every benchmark describes itself and its options."""

import runpy
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
MAIN = 'if __name__ == "__main__"'
FILES = [path for path in sorted(FOLDER.glob("*.py")) if MAIN in path.read_text()]


@pytest.mark.parametrize("file", [*FILES, *sorted(FOLDER.glob("*/__main__.py"))], ids=str)
def test_help_is_given(file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", [str(file), "--help"])
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(file), run_name="__main__")
    told = capsys.readouterr()
    assert (ended.value.code, told.err) == (0, "")
    assert told.out.startswith("usage: ")
