"""Test the image of deploy/Containerfile without building it: it copies all files that run."""

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILE = (ROOT / "deploy/Containerfile").read_text(encoding="utf-8")
INSTRUCTIONS = [
    line.split(maxsplit=1) for line in re.sub(r"\\\n\s*", "", FILE).splitlines() if line and not line.startswith("#")
]


def arguments(instruction: str) -> list[str]:
    return [rest for name, rest in INSTRUCTIONS if name == instruction]


def copied() -> list[str]:
    """Return the paths that the image copies from the repository."""
    return [name for rest in arguments("COPY") if "--from" not in rest for name in rest.split()[:-1]]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a folder with the image's copy of the repository."""
    folder = tmp_path_factory.mktemp("image")
    for pattern in copied():
        for source in ROOT.glob(pattern):
            if source.is_dir():
                shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder)
    return folder


def test_what_is_copied_is_let_through_and_nothing_else() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    assert sorted(line[1:] for line in lines if line.startswith("!")) == sorted(copied())
    for pattern in copied():
        assert list(ROOT.glob(pattern)), pattern
    assert not any(fnmatch.fnmatch(".env", pattern) for pattern in copied())


@pytest.mark.long
def test_the_web_server_starts_from_what_is_copied(image: Path, tmp_path: Path) -> None:
    gunicorn = re.search(r"exec gunicorn (.*)\"\]", arguments("CMD")[-1])
    assert gunicorn is not None
    options = gunicorn[1].replace("$PORT", "8000").split()
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path), "DEBUG": "true"}
    command = [sys.executable, "-m", "gunicorn", "--check-config", *options]
    result = subprocess.run(command, cwd=image, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_all_packages_are_copied() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(project["tool"]["importlinter"]["root_packages"]) <= set(copied())


def test_it_runs_as_nobody_in_particular_and_says_how_it_is() -> None:
    assert arguments("USER") == ["10001:10001"]
    (check,) = arguments("HEALTHCHECK")
    command = json.loads(check.partition("CMD")[2])
    compile(command[-1], "HEALTHCHECK", "exec")
    assert "/healthz" in command[-1]


def test_it_takes_any_number_of_extras() -> None:
    install = arguments("RUN")[0].replace("python -m venv .venv", "true").replace(".venv/bin/pip", "echo")
    for extras in ([], ["requirements-s3.txt"], ["requirements-encoders.txt", "requirements-s3.txt"]):
        environment = {"PATH": os.environ["PATH"], "REQUIREMENTS": " ".join(extras), "PIP_OPTIONS": ""}
        words = subprocess.run(["sh", "-c", install], env=environment, capture_output=True, text=True).stdout.split()
        files = [after for word, after in pairwise(words) if word == "--requirement"]
        assert files == ["requirements.txt", *extras]
        assert "./client" in words
