"""Test that the client reads labels row by row, as tables, and as files."""

import asyncio
import json
import sys
import uuid
import zipfile
from pathlib import Path
from typing import Any

import pytest
from factories import make_items, make_member, make_open_batch
from pyarrow import parquet

from labeling.models import Project
from labeling.outgoing.formats import EXPORTS
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer
from marginalia_client import AsyncMarginalia, Invalid, Marginalia, MissingPackage, tables


@pytest.fixture
def project(project: Project) -> Project:
    """Create a project with two batches of five labels each."""
    ann = make_member(project, "ann")
    for number in (1, 2):
        make_open_batch(project, make_items(project, 5, first=5 * number), number=number)
        while tasks := queue.claim(project=project, user=ann, count=5).tasks:
            answers = [Answer(id=uuid.uuid4(), task=task.pk, value=task.item.truth) for task in tasks]
            submitting.submit(project=project, user=ann, answers=answers)
    return project


def test_rows_have_labels_and_answers_filters_are_those_of_the_export_and_labels_are_tables(
    server: Marginalia, project: Project
) -> None:
    labels = server.project("digits").labels
    rows = list(labels())
    truths = dict(project.items.values_list("external_id", "truth"))
    assert {row["external_id"]: row["label"] for row in rows} == {name: str(truth) for name, truth in truths.items()}
    assert {row["annotations"][0]["annotator"] for row in rows} == {"ann"}
    assert [row["batch"] for row in labels(batch=2).rows()] == [2] * 5
    with pytest.raises(Invalid, match="Unknown parameter") as refused:
        list(labels(batches=2))
    assert list(refused.value.fields) == ["batches"]
    assert labels(batch=1).to_arrow().column("batch").to_pylist() == [1] * 5
    assert sorted(labels(batch=1).to_pandas()["external_id"]) == [f"item-{number:04}" for number in range(5, 10)]


def test_a_file_has_the_format_of_its_name_and_a_refused_download_keeps_the_one_before(
    server: Marginalia, tmp_path: Path
) -> None:
    (tmp_path / "labels.xml").write_text("before")
    with pytest.raises(Invalid, match="There is no format 'xml'"):
        server.project("digits").labels().save(tmp_path / "labels.xml")
    left = [(path.name, path.read_text()) for path in tmp_path.iterdir() if path.is_file()]
    assert left == [("labels.xml", "before")]
    labels = server.project("digits").labels()
    assert labels.save(tmp_path / "labels.parquet", progress=True) == tmp_path / "labels.parquet"
    assert parquet.read_table(tmp_path / "labels.parquet").num_rows == 10
    labels.save(tmp_path / "labels.txt", format="jsonl")
    assert len([json.loads(line) for line in (tmp_path / "labels.txt").read_text().splitlines()]) == 10
    with zipfile.ZipFile(labels.save(tmp_path / "Labels.huggingface.zip")) as archive:
        assert "README.md" in archive.namelist()
    assert {name: tables.format_of(f"labels.2{form.suffix}") for name, form in EXPORTS.items()} == {
        name: name for name in EXPORTS
    }


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with Marginalia("http://127.0.0.1:9", "token") as server:
        table = server.project("digits").labels()
        needs = {
            ("pandas", "pandas pyarrow"): table.to_pandas,
            ("pyarrow", "pyarrow"): table.to_arrow,
            ("tqdm.auto", "tqdm"): lambda: table.save(tmp_path / "labels.csv", progress=True),
        }
        for (package, names), method in needs.items():
            monkeypatch.setitem(sys.modules, package, None)
            with pytest.raises(MissingPackage, match=f"pip install {names}.$"):
                method()
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


def test_the_same_awaited(live_server: Any, token: str, tmp_path: Path) -> None:
    async def reads() -> tuple[int, int, Path]:
        async with AsyncMarginalia(live_server.url, token) as server:
            labels = server.project("digits").labels(batch="1-2")
            rows = [row async for row in labels]
            return len(rows), (await labels.to_arrow()).num_rows, await labels.save(tmp_path / "labels.csv")

    rows, of_table, path = asyncio.run(reads())
    assert (rows, of_table) == (10, 10)
    assert path.read_text().startswith("item,")
