"""Test backups of small installations that are made while people label, and their restore."""

import gzip
import hashlib
import io
import json
import os
import sqlite3
import tarfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from processes import lay_tables
from s3 import Bucket, s3_server
from starter import Process

from labeling.models import LogEntry, LogKind
from labeling.storage.backups.databases import copy_name

ON_POSTGRES = settings.DATABASES["default"]["ENGINE"].endswith("postgresql")

LABEL = """
import uuid
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer
from labeling.models import Project, User
project, user = Project.objects.get(), User.objects.get()
tasks = queue.claim(project=project, user=user, count={count}).tasks
answers = [Answer(id=uuid.uuid4(), task=task.pk, value=task.item.row % 2) for task in tasks]
assert not submitting.submit(project=project, user=user, answers=answers).rejected
print(len(answers))
"""


# Between the copy of the database and that of the files the loop turns once more.
MEANWHILE = f"""
from django.core.management import call_command
from labeling.storage.backups import backup
pack = backup._pack
def turned(*given):
    exec({LABEL.format(count=10)!r}, dict())
    call_command("worker", "--drain")
    pack(*given)
backup._pack = turned
call_command("backup", FOLDER)
"""


class Installation:
    """An installation with a data folder and a database, changed by commands."""

    def __init__(self, folder: Path, url: str, further: dict[str, str]) -> None:
        self.folder = folder
        dropped = {"DATABASE_URL", "SECRET_KEY"}
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in dropped},
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATA_DIR": str(folder),
            **({"DATABASE_URL": url} if url else {}),
            **further,
        }

    def manage(self, *arguments: str, fails: bool = False) -> str:
        process = Process(list(arguments), self.environment, apart=True)
        said, warned = process.communicate()
        assert bool(process.returncode) == fails, said + warned
        return said + warned if fails else said

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.manage("status", "notes", "--json")))

    def label(self, count: int) -> int:
        return int(self.manage("shell", "--no-imports", "-c", LABEL.format(count=count)).split()[-1])


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with s3_server() as made:
        yield made


@pytest.fixture
def databases() -> Iterator[list[str]]:
    """Return the URLs of two empty databases; on SQLite, files in the data folder."""
    if not ON_POSTGRES:
        yield ["", ""]
        return
    server = settings.DATABASES["default"]
    login = f"postgres://{server['USER']}:{server['PASSWORD']}@{server['HOST']}:{server['PORT']}"
    names = [f"backup_{uuid.uuid4().hex[:12]}" for _ in range(2)]
    with psycopg.connect(f"{login}/postgres", autocommit=True) as connection:
        for name in names:
            connection.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield [f"{login}/{name}" for name in names]
        finally:
            for name in names:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize("place", ["folder", "object store"])
def test_labels_go_on_from_a_backup_that_was_made_while_the_loop_turned(
    tmp_path: Path, databases: list[str], bucket: Bucket, place: str
) -> None:
    """The files are in the backup, or they stay in the object store."""
    further = {**bucket.environment, "OBJECT_STORE": bucket.url} if place == "object store" else {}
    backup = tmp_path / "backups" / "first"
    old = Installation(tmp_path / "old", databases[0], further)
    new = Installation(tmp_path / "new", databases[1], further)
    lines = [json.dumps({"id": f"n{n}", "text": f"{'owl' if n % 2 else 'wren'} number {n}"}) for n in range(60)]
    (tmp_path / "notes.jsonl").write_text("\n".join(lines))
    if ON_POSTGRES:
        old.manage("migrate", "--verbosity", "0")
    else:
        lay_tables(old.folder / "db.sqlite3")
    old.manage(
        *("create_project", "notes", "--kind", "text", "--classes", "wren,owl", "--batch-size", "10"),
        *("--encoder", "tfidf-svd", "--control-share", "0.2", "--seed", "1"),
        *("--training", '{"min_steps": 1, "max_steps": 5}'),
    )
    old.manage("add_member", "notes", "ann", "--role", "annotator", "--password", "ann-password")
    old.manage("import_items", "notes", str(tmp_path / "notes.jsonl"))
    old.manage("worker", "--drain")
    assert old.label(10) == 10
    old.manage("worker", "--drain")  # a model, and the second batch
    assert old.label(4) == 4

    known = old.status()
    said = old.manage("shell", "--no-imports", "-c", MEANWHILE.replace("FOLDER", repr(str(backup))))
    assert (f"The files in {bucket.url} are not in it" in said) == bool(further)
    turned = old.status()
    assert len(turned["models"]) == 2
    # Models, matrices and images included.
    folders = (old.folder, backup.parent)
    assert [path for each in folders for path in [each, *each.rglob("*")] if path.stat().st_mode & 0o077] == []

    assert "Restored the backup of" in new.manage("restore", str(backup))
    assert new.status() == known
    assert (new.folder / "secret_key").read_text() == (old.folder / "secret_key").read_text()
    assert [path for path in [new.folder, *new.folder.rglob("*")] if path.stat().st_mode & 0o077] == []
    assert "has tables already" in new.manage("restore", str(backup), fails=True)
    assert new.status() == known

    # The answers that came after the copy are given again, and the loop goes on to its third batch.
    assert new.label(10) == 6
    new.manage("worker", "--drain")
    status = new.status()
    assert [model["version"] for model in status["models"]] == [1, 2]
    assert (status["batch"]["number"], status["batch"]["state"], status["failures"]) == (3, "open", [])
    # From the same labels the same model comes again.
    assert status["models"][1]["control_now"] == turned["models"][1]["control_now"]
    rows = new.manage("export_labels", "notes").splitlines()
    assert len(rows) == 20 == status["items"]["labeled"]
    new.manage("check_files")


@pytest.mark.django_db(transaction=True)
def test_what_is_no_whole_backup_is_refused_in_one_line(tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    call_command("backup", str(backup))
    sizes = json.loads(LogEntry.objects.get(kind=LogKind.BACKED_UP).after)
    assert sizes.keys() == {copy_name(), "files.tar.gz"}
    with pytest.raises(CommandError, match="exists already"):
        call_command("backup", str(backup))
    with pytest.raises(CommandError, match="has tables already"):
        call_command("restore", str(backup))
    with pytest.raises(CommandError, match="is no whole backup"):
        call_command("restore", str(tmp_path))
    (backup / "files.tar.gz").write_bytes(b"cut")
    with pytest.raises(CommandError, match="is damaged or missing"):
        call_command("restore", str(backup))
    made = json.loads((backup / "backup.json").read_text())
    del made["files"][copy_name()]
    (backup / "backup.json").write_text(json.dumps(made))
    with pytest.raises(CommandError, match="it was made with another kind of database"):
        call_command("restore", str(backup))
    for damaged in ("{", "[]", '{"files": {"files.tar.gz": 1}}'):
        (backup / "backup.json").write_text(damaged)
        with pytest.raises(CommandError, match=r"backup.json is damaged"):
            call_command("restore", str(backup))
    assert not list(tmp_path.glob("*.partial"))


def member(name: str, content: bytes = b"x", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    made = tarfile.TarInfo(name)
    made.size = len(content)
    for field, value in fields.items():
        setattr(made, field, value)
    return made, content


def packed(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for made, content in members:
            archive.addfile(made, io.BytesIO(content))
    return buffer.getvalue()


def database(*statements: str) -> Callable[[Path], bytes]:
    """Return a function that makes a database with these statements."""

    def made(folder: Path) -> bytes:
        path = folder / "made.sqlite3"
        with closing(sqlite3.connect(path, isolation_level=None)) as written:
            for statement in statements:
                written.execute(statement)
        content = path.read_bytes()
        path.unlink()
        return content

    return made


FILE = member("media/a.txt")
LINK = {"type": tarfile.SYMTYPE, "linkname": "/etc"}
HOSTILE_FILES = {
    "a path out": packed(FILE, member("../out.txt")),
    "an absolute path": packed(FILE, member("/tmp/out.txt")),
    "a symbolic link": packed(FILE, member("media/link", b"", **LINK), member("media/link/out.txt")),
    "a hard link out": packed(member("media/link", b"", type=tarfile.LNKTYPE, linkname="../../out.txt")),
    "a pipe": packed(FILE, member("media/pipe", b"", type=tarfile.FIFOTYPE)),
    "a log of the database": packed(FILE, member("db.sqlite3-wal")),
    "a file as a folder": packed(FILE, member("media/a.txt/b.txt")),
    "a cut archive": packed(FILE, member("media/b.txt", os.urandom(90_000)))[:-40_000],
    "no archive": b"no archive",
    "nothing": b"",
    "a bomb": gzip.compress(member("media/bomb", size=1 << 60)[0].tobuf(tarfile.GNU_FORMAT)),
}
HOSTILE_DATABASES = {
    "text": lambda folder: b"no database",
    "nothing": lambda folder: b"",
    "another's": database("CREATE TABLE django_migrations (app TEXT, name TEXT)"),
    "tables that cannot be updated": database(
        "CREATE TABLE django_migrations (id INTEGER PRIMARY KEY, app TEXT, name TEXT, applied TEXT)",
        "INSERT INTO django_migrations (app, name, applied) VALUES ('labeling', '0043_x', '2026-01-01')",
        "CREATE TABLE labeling_user (id INTEGER)",
    ),
}


@pytest.mark.skipif(ON_POSTGRES, reason="makes databases of SQLite")
@pytest.mark.django_db(transaction=True)
def test_a_hostile_backup_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused in one line, and neither a file nor a database is restored."""
    whole, target, data = tmp_path / "whole", tmp_path / "new" / "db.sqlite3", tmp_path / "new"
    call_command("backup", str(whole))
    data.mkdir()
    monkeypatch.setattr(settings, "DATA_DIR", data)
    good = (whole / copy_name()).read_bytes()
    cut = good[: len(good) // 2]
    cases: dict[str, tuple[bytes, bytes]] = {name: (good, content) for name, content in HOSTILE_FILES.items()}
    cases |= {name: (made(tmp_path), packed(FILE)) for name, made in HOSTILE_DATABASES.items()}
    cases["a cut database"] = (cut, packed(FILE))
    named = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = str(target)
    try:
        for name, contents in cases.items():
            folder = tmp_path / "hostile"
            folder.mkdir(exist_ok=True)
            files = dict(zip((copy_name(), "files.tar.gz"), contents, strict=True))
            facts = {}
            for each, content in files.items():
                (folder / each).write_bytes(content)
                facts[each] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            listed = {"marginalia": "1.0.0", "made_at": "2026-01-01", "files": facts}
            (folder / "backup.json").write_text(json.dumps(listed))
            with pytest.raises(CommandError) as refused:
                call_command("restore", str(folder))
            assert "\n" not in str(refused.value).strip(), name
            connection.close()
            left = {path.name for path in data.rglob("*")}
            assert left <= {"db.sqlite3", "db.sqlite3-wal", "db.sqlite3-shm"}, (name, left)
            assert not target.exists() or not sqlite3.connect(target).execute("SELECT * FROM sqlite_master").fetchall()
            assert not (tmp_path / "out.txt").exists()
        call_command("restore", str(whole))
        assert sqlite3.connect(target).execute("SELECT 1 FROM labeling_project").fetchall() == []
    finally:
        connection.close()
        connection.settings_dict["NAME"] = named


@pytest.mark.django_db(transaction=True)
def test_what_is_no_backup_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "backup.zip").write_bytes(b"PK")
    pipe, newer = tmp_path / "pipe", tmp_path / "newer"
    for folder in (pipe, newer):
        folder.mkdir()
    os.mkfifo(pipe / "backup.json")
    (newer / "backup.json").write_text(json.dumps({"marginalia": "99.1", "made_at": "", "files": {}}))
    told = {"nowhere": "is no folder", "backup.zip": "is no folder", "pipe": "is damaged", "newer": "update it first"}
    for name, words in told.items():
        with pytest.raises(CommandError, match=words):
            call_command("restore", str(tmp_path / name))
