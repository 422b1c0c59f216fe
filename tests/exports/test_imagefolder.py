"""Test that `datasets` loads exported files in folders, with and without the tables that describe them."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from factories import certify, digit_png
from labeled import archive_of, give_recordings, labeled, make_items, train

from labeling.models import Item, Project
from labeling.outgoing.exports.splits import split_of

pytestmark = pytest.mark.django_db

Load = Callable[..., Any]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Export a project, unpack the archive into the folder "digits", and load it by `*how`."""
    os.environ["HF_HUB_OFFLINE"] = "1"  # it is read at the import: nothing but this machine is to be reached
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.chdir(tmp_path)

    def run(project: Project, form: str, *how: str, **filters: str) -> Any:
        archive_of(project, form, **filters).extractall(tmp_path / "digits")
        name, *folder = how or ("digits",)
        return datasets.load_dataset(name, **({"data_dir": folder[0]} if folder else {}))

    return run


def pictures(values: list[Any], **fields: Any) -> Project:
    return labeled(values, **{"kind": "image", "classes": ["cat", "a/b"], **fields})


def by_id(dataset: Any) -> dict[str, dict[str, Any]]:
    return {row["external_id"]: {**row, "split": split} for split, rows in dataset.items() for row in rows}


@pytest.mark.parametrize("how", [("digits",), ("imagefolder", "digits")])
def test_with_tables_it_loads_labels_ids_and_fields(how: tuple[str, ...], load: Load, tmp_path: Path) -> None:
    project = pictures([row % 2 for row in range(30)])
    Item.objects.filter(row=3).update(data={"text": "a", "camera": "b7"})
    by_the_card = len(how) == 1
    if by_the_card:  # which has splits of their own for certified labels
        certify(project, dict.fromkeys(make_items(project, 3), 1), version=train(project.batches.get()))
    dataset = load(project, "imagefolder", *how, certified="yes")
    rows = by_id(dataset)
    assert {name for name in dataset if not name.startswith("certified_")} == {"train", "validation", "test"}
    assert dataset["train"].features["label"].names == ["cat", "a/b"]
    certified = {f"item-{n:04}": "certified_" for n in range(30, 33)}
    assert {name: row["split"] for name, row in rows.items()} == {
        name: certified.get(name, "") + split_of(name) for name in rows
    }
    assert len(rows) == (33 if by_the_card else 30)
    assert [rows[f"item-{n:04}"]["label"] for n in range(30)] == [n % 2 for n in range(30)]
    assert (rows["item-0003"]["camera"], rows["item-0003"]["agreement"]) == ("b7", 1.0)
    assert (tmp_path / "digits" / split_of("item-0003") / "a_b/item-0003.png").read_bytes() == digit_png(3)
    assert rows["item-0003"]["image"].size == (8, 8)


def test_files_by_class_load_with_labels_of_their_folders(load: Load) -> None:
    dataset = load(pictures([row % 2 for row in range(30)]), "zip", "imagefolder", "digits")
    assert set(dataset) == {"train", "validation", "test"}
    assert dataset["train"].features["label"].names == ["a_b", "cat"]
    assert sum(map(len, dataset.values())) == 30


def test_an_item_of_several_classes_is_there_once(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labeling.outgoing.exports.dataset.GROUP_ROWS", 2)
    project = pictures([[0, 1], [], [0], "skip", [1]], question="multi")
    rows = by_id(load(project, "imagefolder", skipped="yes"))
    assert [rows[f"item-{n:04}"]["label"] for n in range(5)] == [[0, 1], [], [0], None, [1]]


def test_recordings_are_beside_their_table() -> None:
    project = pictures([0], kind="audio")
    give_recordings(project)
    archive, split = archive_of(project, "imagefolder"), split_of("item-0000")
    assert archive.namelist() == [f"{split}/cat/item-0000.wav", f"{split}/metadata.parquet", "README.md"]
    [row] = pq.read_table(io.BytesIO(archive.read(f"{split}/metadata.parquet"))).to_pylist()
    assert (row["file_name"], row["external_id"], row["label"]) == ("cat/item-0000.wav", "item-0000", 0)
