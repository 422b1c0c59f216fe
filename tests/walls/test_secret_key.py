"""Test that the first start creates the secret key, that only its owner can read it, and that it is not in the
repository.
"""

import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.secret_key import read_or_create_secret_key

ROOT = Path(__file__).resolve().parents[2]
PRINT = "from django.conf import settings; print(settings.SECRET_KEY)"


def start(data_dir: Path, **settings: str) -> subprocess.Popen[str]:
    environment = {"PATH": "/usr/bin:/bin", "DJANGO_SETTINGS_MODULE": "config.settings", "DATA_DIR": str(data_dir)}
    return subprocess.Popen(
        [sys.executable, "-c", PRINT], cwd=ROOT, env={**environment, **settings}, stdout=subprocess.PIPE, text=True
    )


def test_it_is_made_once_readable_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "secret_key"
    key = read_or_create_secret_key(path)
    assert len(key) >= 50
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_or_create_secret_key(path) == key
    assert not list(tmp_path.glob("secret_key?*"))  # no draft is left
    assert read_or_create_secret_key(tmp_path / "a") != read_or_create_secret_key(tmp_path / "b")


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    processes = [start(tmp_path) for _ in range(4)]
    keys = {process.communicate()[0].strip() for process in processes}
    assert keys == {(tmp_path / "secret_key").read_text().strip()}


def test_one_in_the_environment_is_taken_and_none_is_made(tmp_path: Path) -> None:
    assert start(tmp_path, SECRET_KEY="given-in-the-environment").communicate()[0].strip() == "given-in-the-environment"
    assert not (tmp_path / "secret_key").exists()


@pytest.mark.parametrize("content", ["", "\n", "short\n"])
def test_a_file_that_holds_no_key_is_not_signed_with(tmp_path: Path, content: str) -> None:
    path = tmp_path / "secret_key"
    path.write_text(content)
    with pytest.raises(ImproperlyConfigured, match="delete it"):
        read_or_create_secret_key(path)


def test_none_is_in_the_repository() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    names = {Path(name).name for name in tracked.stdout.splitlines()}
    assert not names & {"secret_key", ".env", "db.sqlite3", "id_rsa", "credentials.json"}
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {"/.env", "/var/"} <= set(ignored)
