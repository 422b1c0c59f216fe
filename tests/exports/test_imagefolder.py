"""Test that `datasets` loads exported files in folders, with and without the tables that describe them."""

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from factories import certify, digit_png, make_member, make_project
from labeled import answer, make_batch, make_items, train

from labeling.models import Item, Project
from labeling.outgoing.exports import choose, export
from labeling.outgoing.exports.splits import split_of
from labeling.storage import media

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
        content = b"".join(export(project, form, choose(project, filters)))
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert archive.testzip() is None
            archive.extractall(tmp_path / "digits")
        name, *folder = how or ("digits",)
        return datasets.load_dataset(name, **({"data_dir": folder[0]} if folder else {}))

    return run


def labeled(values: list[Any], **fields: Any) -> Project:
    project = make_project(**{"kind": "image", "classes": ["cat", "a/b"], **fields})
    answer(make_batch(project, make_items(project, len(values))), make_member(project, "ann"), values)
    return project


def by_id(dataset: Any) -> dict[str, dict[str, Any]]:
    return {row["external_id"]: {**row, "split": split} for split, rows in dataset.items() for row in rows}


@pytest.mark.parametrize("how", [("digits",), ("imagefolder", "digits")])
def test_with_tables_it_loads_labels_ids_and_fields(how: tuple[str, ...], load: Load, tmp_path: Path) -> None:
    project = labeled([row % 2 for row in range(30)])
    Item.objects.filter(row=3).update(data={"text": "a", "camera": "b7"})
    dataset = load(project, "imagefolder", *how)
    rows = by_id(dataset)
    assert set(dataset) == {"train", "validation", "test"}
    assert dataset["train"].features["label"].names == ["cat", "a/b"]
    assert {name: row["split"] for name, row in rows.items()} == {name: split_of(name) for name in rows}
    assert [rows[f"item-{n:04}"]["label"] for n in range(30)] == [n % 2 for n in range(30)]
    assert (rows["item-0003"]["camera"], rows["item-0003"]["agreement"]) == ("b7", 1.0)
    assert (tmp_path / "digits" / split_of("item-0003") / "a_b/item-0003.png").read_bytes() == digit_png(3)
    assert rows["item-0003"]["image"].size == (8, 8)


def test_files_by_class_load_with_labels_of_their_folders(load: Load) -> None:
    dataset = load(labeled([row % 2 for row in range(30)]), "zip", "imagefolder", "digits")
    assert set(dataset) == {"train", "validation", "test"}
    assert dataset["train"].features["label"].names == ["a_b", "cat"]
    assert sum(map(len, dataset.values())) == 30


def test_certified_labels_are_in_splits_of_their_own_by_the_card(load: Load) -> None:
    project = labeled([0, 1])
    certify(project, dict.fromkeys(make_items(project, 3), 1), version=train(project.batches.get()))
    rows = by_id(load(project, "imagefolder", certified="yes"))
    own = ["", "", "certified_", "certified_", "certified_"]
    assert [rows[f"item-000{n}"]["split"] for n in range(5)] == [
        f"{own[n]}{split_of(f'item-000{n}')}" for n in range(5)
    ]


def test_an_item_of_several_classes_is_there_once(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labeling.outgoing.exports.dataset.GROUP_ROWS", 2)
    project = labeled([[0, 1], [], [0], "skip", [1]], question="multi")
    rows = by_id(load(project, "imagefolder", skipped="yes"))
    assert [rows[f"item-{n:04}"]["label"] for n in range(5)] == [[0, 1], [], [0], None, [1]]


def test_recordings_are_beside_their_table(tmp_path: Path) -> None:
    project = labeled([0], kind="audio")
    name = media.file_name(project.pk, "audio", b"RIFF", ".wav")
    media.write_content(name, b"RIFF")
    Item.objects.update(media=name)
    with zipfile.ZipFile(io.BytesIO(b"".join(export(project, "imagefolder")))) as archive:
        split = split_of("item-0000")
        assert archive.namelist() == [f"{split}/cat/item-0000.wav", f"{split}/metadata.parquet", "README.md"]
        [row] = pq.read_table(io.BytesIO(archive.read(f"{split}/metadata.parquet"))).to_pylist()
    assert (row["file_name"], row["external_id"], row["label"]) == ("cat/item-0000.wav", "item-0000", 0)
