"""Test the commands of docs/how-to/back-up.md on a small installation while people label."""

from __future__ import annotations

import json
import os
import re
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from processes import lay_tables
from starter import Process

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/how-to/back-up.md").read_text(encoding="utf-8")
ON_POSTGRES = settings.DATABASES["default"]["ENGINE"].endswith("postgresql")

LABEL = """
import uuid
from labeling.answering import queue, submitting
from labeling.answering.answer import Answer
from labeling.models import Project, User
project, user = Project.objects.get(), User.objects.get()
tasks = queue.claim(project=project, user=user, count={count}).tasks
answers = [Answer(id=uuid.uuid4(), task=task.pk, value=task.item.row % 2) for task in tasks]
assert not submitting.submit(project=project, user=user, answers=answers).rejected
print(len(answers))
"""


class Installation:
    """An installation with a data folder and a database, changed by commands."""

    def __init__(self, folder: Path, url: str, backup: Path) -> None:
        self.folder = folder
        dropped = {"DATABASE_URL", "SECRET_KEY"}
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in dropped},
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATA_DIR": str(folder),
            "BACKUP": str(backup),
            **({"DATABASE_URL": url} if url else {}),
        }

    def manage(self, *arguments: str) -> str:
        process = Process(list(arguments), self.environment, apart=True)
        said, warned = process.communicate()
        assert process.returncode == 0, said + warned
        return said

    def follow(self, heading: str, *, which: str) -> None:
        """Run the page's code blocks below the heading that contain `which`."""
        part = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
        blocks = [block for block in re.findall(r"```sh\n(.*?)```", part, re.DOTALL) if which in block]
        assert len(blocks) == 1, (heading, which)
        done = subprocess.run(
            ["bash", "-euc", blocks[0]], cwd=ROOT, env=self.environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.manage("status", "notes", "--json")))

    def label(self, count: int) -> int:
        return int(self.manage("shell", "--no-imports", "-c", LABEL.format(count=count)).split()[-1])


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
def test_labels_go_on_from_a_backup_that_was_made_while_the_loop_turned(tmp_path: Path, databases: list[str]) -> None:
    backup = tmp_path / "backup"
    backup.mkdir()
    old = Installation(tmp_path / "old", databases[0], backup)
    new = Installation(tmp_path / "new", databases[1], backup)
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

    # Models, matrices and images included.
    assert [path for path in [old.folder, *old.folder.rglob("*")] if path.stat().st_mode & 0o077] == []

    old.follow("Back up", which="pg_dump" if ON_POSTGRES else "VACUUM")
    known = old.status()
    # Between the copy of the database and that of the files the loop turns once more.
    assert old.label(10) == 6
    old.manage("worker", "--drain")
    turned = old.status()
    assert len(turned["models"]) == 2
    old.follow("Back up", which="tar --create")

    new.follow("Restore", which="tar --extract")
    new.follow("Restore", which="pg_restore" if ON_POSTGRES else "cp ")
    new.follow("Restore", which="migrate")
    assert new.status() == known
    assert new.environment["DATA_DIR"] != old.environment["DATA_DIR"]
    assert (new.folder / "secret_key").read_text() == (old.folder / "secret_key").read_text()

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


def test_every_command_of_the_page_is_run() -> None:
    """Every command of the page is run, except the two that define variables."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    followed = ["VACUUM", "pg_dump", "tar --create", "tar --extract", "cp ", "pg_restore", "migrate", "export DATA_DIR"]
    assert len(blocks) == len(followed)
    assert all(sum(word in block for block in blocks) == 1 for word in followed)
