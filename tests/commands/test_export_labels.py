"""Test that `export_labels` writes complete files or none, and reports a bad path in one line."""

import csv
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from labeling.models import Project
from tests.exports.labeled import answer, make_batch, make_items, train
from tests.factories import make_member, make_project
from tests.processes import manage

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return labeled_project()


def labeled_project() -> Project:
    project = make_project()
    items = make_items(project, 6)
    ann = make_member(project, "ann")
    first = make_batch(project, items[:3])
    answer(first, ann, [0, 1, "skip"])
    train(first)
    answer(make_batch(project, items[3:]), ann, [2, 3])
    return project


def standard_output(*arguments: str) -> bytes:
    out = io.BytesIO()
    text = io.TextIOWrapper(out)
    call_command("export_labels", "digits", *arguments, stdout=text)
    text.flush()
    return out.getvalue()


def test_the_format_follows_from_the_file_or_the_option(project: Project, tmp_path: Path, capsys: Any) -> None:
    def lines(path: Path) -> int:
        return path.read_bytes().count(b"\n")

    def records(path: Path) -> int:
        return len(list(csv.reader(path.open(newline="")))) - 1

    for file_name, options, rows in (
        ("labels.jsonl", [], lines),
        ("labels.jsonl", [], lines),  # it is replaced
        ("labels.csv", [], records),
        ("labels.parquet", [], lambda path: pq.read_table(path).num_rows),
        ("LABELS.CSV", [], records),
        ("labels.arrow", [], lambda path: pa.ipc.open_stream(path.read_bytes()).read_all().num_rows),
        ("labels", ["--format", "parquet"], lambda path: pq.read_table(path).num_rows),
        ("labels.txt", [], lines),
    ):
        path = tmp_path / file_name
        call_command("export_labels", "digits", "--output", str(path), *options)
        assert rows(path) == 4
        assert capsys.readouterr().out == f"4 rows written to {path}\n"
        assert list(tmp_path.glob(".*")) == [], "no draft is left"


def test_standard_output_holds_the_export_alone(project: Project) -> None:
    assert standard_output().count(b"\n") == 4
    assert standard_output("--skipped").count(b"\n") == 5
    assert standard_output("--batch", "2").count(b"\n") == 2
    assert pq.read_table(io.BytesIO(standard_output("--format", "parquet"))).num_rows == 4


def test_an_export_that_fails_leaves_the_old_file(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **kwargs: Any) -> Iterator[bytes]:
        yield b"half"
        raise OperationalError("the database went away")

    monkeypatch.setattr("labeling.management.commands.export_labels.export", broken)
    path = tmp_path / "labels.jsonl"
    path.write_text("old")
    with pytest.raises(OperationalError):
        call_command("export_labels", "digits", "--output", str(path))
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["labels.jsonl"]
    assert path.read_text() == "old"


def test_a_bad_path_and_an_unknown_project_or_batch_are_told_in_one_line(project: Project, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    names = (".", "pipe", "nowhere/labels.csv", "file/labels.csv", "x" * 300, "/dev/null")
    for path in (tmp_path / name for name in names):
        with pytest.raises(CommandError) as error:
            call_command("export_labels", "digits", "--output", str(path))
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)
    assert Path("/dev/null").is_char_device()
    with pytest.raises(CommandError, match=r"no project 'nothing'"):
        call_command("export_labels", "nothing")
    with pytest.raises(CommandError, match=r"^--batch: This project has no batch 9; its batches are 1 to 2\.$"):
        call_command("export_labels", "digits", "--batch", "9")


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_a_reader_that_leaves_early_is_no_error() -> None:
    project = labeled_project()
    items = make_items(project, 2000, data={"text": "lorem " * 50})
    project.batches.filter(number=2).update(state="done")
    batch = make_batch(project, items)
    answer(batch, make_member(project, "ann"), [0] * 2000)
    process = manage("export_labels", "digits")
    assert process.stdout is not None
    assert process.stdout.readline().startswith('{"item":')
    process.stdout.close()
    assert process.wait(60) == 0
