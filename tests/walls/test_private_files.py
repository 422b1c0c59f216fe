"""Test that only its owner can read the files of an installation."""

import os
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from config import private
from tests.operations.servers import web_server
from tests.processes import family, umask_of, wait_until
from tests.starter import Process


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """Set the usual umask of a login shell, which child processes inherit."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def manage(folder: Path, *arguments: str, **environment: str) -> str:
    """Run `manage.py`; return its standard error."""
    values = {"PATH": "/usr/bin:/bin", "DJANGO_SETTINGS_MODULE": "config.settings", "DATA_DIR": str(folder)}
    process = Process(list(arguments), {**values, **environment}, apart=True)
    _, warned = process.communicate()
    assert process.returncode == 0, warned
    return warned


def test_a_new_installation_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "srv" / "marginalia"
    # The first tables are enough: it is about files, and all migrations take a hundred times as long.
    assert manage(folder, "migrate", "contenttypes", "--verbosity", "0") == ""
    assert mode(folder) == 0o700
    assert {path.name for path in folder.iterdir()} >= {"db.sqlite3", "secret_key", "uploads"}
    assert [path for path in folder.rglob("*") if mode(path) & 0o077] == []


def test_an_old_one_is_closed_when_a_process_starts(tmp_path: Path) -> None:
    folder, database = tmp_path / "old", tmp_path / "db.sqlite3"
    folder.mkdir(0o755)
    files = [database, database.with_name("db.sqlite3-wal"), database.with_name("db.sqlite3-shm")]
    for file in files:
        file.touch(0o644)
    assert manage(folder, "diffsettings", DATABASE_URL=f"sqlite:///{database}") == ""
    assert mode(folder) == 0o700
    assert {mode(file) for file in files} == {0o600}


def test_it_is_said_where_that_cannot_be_done(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    said = manage(folder, "diffsettings")
    assert said == (
        f"{folder} is open to other users of this machine: it is a folder that everybody shares, like /tmp. "
        f"Its owner can close it: chmod go= {folder}\n"
    )
    assert mode(folder) == 0o1777


def test_a_folder_of_somebody_else_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    folder = tmp_path / "theirs"
    folder.mkdir(0o755)
    private.close_to_others(folder)
    assert f"it belongs to another user, number {owner}. " in capsys.readouterr().err
    assert mode(folder) == 0o755
    folder.chmod(0o700)
    private.close_to_others(folder)
    private.close_to_others(tmp_path / "nothing")
    assert capsys.readouterr().err == ""


def test_the_web_server_sets_the_umask_of_its_processes() -> None:
    """gunicorn sets a umask of its own after the settings are loaded."""
    before = os.umask(private.UMASK)
    assert runpy.run_path("config/gunicorn.py")["umask"] == private.UMASK
    os.umask(before)


@pytest.mark.long
def test_web_processes_write_for_their_owner_alone(tmp_path: Path) -> None:
    with web_server(tmp_path) as (_, log):
        master = int(log.with_suffix(".pid").read_text())
        wait_until(lambda: len(family(master)) == 3)
        assert {umask_of(process) for process in family(master)} == {"0077"}


def test_front_end_files_are_for_whoever_serves_them(tmp_path: Path, settings: Any) -> None:
    os.umask(private.UMASK)
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "deep").mkdir()
    (tmp_path / "static" / "deep" / "page.css").write_text("body { color: black; }\n" * 100)
    settings.STATICFILES_DIRS = [tmp_path / "static"]
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STATIC_ROOT = tmp_path / "static_root"
    options = {"directory_permissions_mode": 0o755}
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "config.static_files.HashedFiles", "OPTIONS": options},
    }
    call_command("collectstatic", interactive=False, verbosity=0)
    collected = [settings.STATIC_ROOT, *settings.STATIC_ROOT.rglob("*")]
    assert any(path.suffix == ".gz" for path in collected)
    assert {mode(path) for path in collected if path.is_dir()} == {0o755}
    assert {mode(path) for path in collected if path.is_file()} == {0o644}
    assert os.umask(private.UMASK) == private.UMASK
