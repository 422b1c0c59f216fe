"""Test that `datasets` loads the unpacked dataset of an export in one line, with its features, splits and files."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from factories import certify, digit_png, make_project
from labeled import archive_of, give_recordings, give_vectors, labeled, make_items, train
from PIL import Image

from labeling.models import Item, Project
from labeling.outgoing.exports import export
from labeling.outgoing.exports.splits import split_of
from labeling.outgoing.formats import shards

pytestmark = pytest.mark.django_db

HOSTILE = ['say "cat"', "a: b # c", "é\u2028\u0085 | \\n", "🐈 猫", "- '--- {x}", "*<b>&amp;</b>*", "null", "7"]

FIELD = 'odd: "ñame"\n'
IDS = [f"item-{number:04}" for number in range(100)]

Load = Callable[..., Any]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Export a project, unpack the archive, and load it as the documentation says."""
    os.environ["HF_HUB_OFFLINE"] = "1"  # it is read at the import: nothing but this machine is to be reached
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.chdir(tmp_path)

    def run(project: Project, *, streaming: bool = False, **filters: str) -> Any:
        archive_of(project, "huggingface", **filters).extractall(tmp_path / project.slug)
        return datasets.load_dataset(project.slug, streaming=streaming)

    return run


def by_id(dataset: Any) -> dict[str, dict[str, Any]]:
    return {row["external_id"]: {**row, "split": split} for split, rows in dataset.items() for row in rows}


def test_texts_load_with_classes_fields_and_splits(load: Load) -> None:
    project = labeled([row % 8 for row in range(30)], classes=[f"class {index}" for index in range(8)])
    for index, name in enumerate(HOSTILE):
        project.classes.filter(index=index).update(name=name)
    project.name = 'Pets: "all"\n---\n🐈'
    project.save(update_fields=["name"])
    for item in project.items.all():
        item.data = {"text": f"téxt {item.row}", "label": "mine", FIELD: [1, None], "n": 1.5}
        item.save(update_fields=["data"])
    dataset = load(project)
    rows = by_id(dataset)
    assert list(dataset) == ["train", "validation", "test"]
    assert {name: row["split"] for name, row in rows.items()} == {name: split_of(name) for name in IDS[:30]}
    assert dataset["train"].features["label"].names == HOSTILE
    assert [rows[name]["label"] for name in IDS[:30]] == [row % 8 for row in range(30)]
    row = rows["item-0003"]
    assert (row["text"], row["imported_label"], row[FIELD], row["n"]) == ("téxt 3", "mine", "[1, null]", "1.5")
    assert (row["origin"], row["batch"], row["is_control"]) == ("person", 1, False)
    assert "ann" not in {str(value) for value in row.values()}, "no person is named"


def test_shards_are_cut_by_their_size_and_state_their_features(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    monkeypatch.setattr(shards, "SHARD_BYTES", 1000)
    project = labeled([0] * 40, kind="image")
    names = archive_of(project, "huggingface").namelist()
    assert names[0] == ".gitattributes"
    assert len([name for name in names if name.startswith("data/train-")]) > 5
    assert max(map(len, export(project, "huggingface"))) < 20_000
    loaded = load(project)
    assert len(by_id(loaded)) == 40
    alone = datasets.Dataset.from_parquet(str(tmp_path / "digits/data/train-00000.parquet"))
    assert alone.features == loaded["train"].features


def test_images_are_inside_under_safe_names(load: Load) -> None:
    project = labeled([row % 2 for row in range(20)], kind="image", classes=["cat", "dog"])
    Item.objects.filter(row=3).update(source="a/../CON.png")
    for row, source in {5: "left/1.png", 6: "right/1.png", 7: "left/1.png", 8: "s3://bucket/cats/1.png"}.items():
        Item.objects.filter(row=row).update(source=source)
    rows = by_id(load(project))
    for number, name in enumerate(IDS[:20]):
        assert np.array_equal(rows[name]["image"], Image.open(io.BytesIO(digit_png(number))))
    with archive_of(project, "huggingface") as archive:
        tables = [pq.read_table(io.BytesIO(archive.read(name))) for name in archive.namelist() if "data/" in name]
    images = [image for table in tables for image in table["image"].to_pylist()]
    paths = {image["path"] for image in images}
    again = f"left/1-{project.items.get(row=7).pk}.png"
    assert {"a/_CON.png", "item-0004.png", "left/1.png", "right/1.png", "bucket/cats/1.png", again} < paths
    assert len(paths) == 20
    assert {image["bytes"] for image in images} == {digit_png(number) for number in range(20)}


def test_recordings_and_vectors_are_inside(load: Load) -> None:
    import datasets

    project = labeled([0], kind="audio")
    give_recordings(project)
    [rows] = load(project).values()
    assert isinstance(rows.features["audio"], datasets.Audio)
    undecoded = rows.cast_column("audio", datasets.Audio(decode=False))
    assert undecoded[0]["audio"] == {"bytes": b"RIFF", "path": "item-0000.wav"}
    project = labeled([0, 1], slug="vectors", kind="vector")
    vectors = give_vectors(project)
    rows = by_id(load(project))
    assert [rows[f"item-{n:04}"]["vector"] for n in range(2)] == vectors.tolist()
    assert rows["item-0001"]["width"] == "0.1"


@pytest.mark.parametrize(
    ("question", "values", "expected"),
    [("multi", [[0, 1], []], [[0, 1], []]), ("verify", [True, False], [True, False]), ("score", [1, 4], [2, 5])],
)
def test_labels_of_the_other_questions(question: str, values: list[Any], expected: list[Any], load: Load) -> None:
    classes = ["1", "2", "3", "4", "5"] if question == "score" else ["cat", "dog"]
    project = labeled(values, question=question, classes=classes)
    dataset = load(project)
    rows = by_id(dataset)
    assert [rows[f"item-{n:04}"]["label"] for n in range(2)] == expected
    features = next(iter(dataset.values())).features
    if question == "multi":
        assert features["label"].feature.names == classes
    if question == "verify":
        assert features["proposed"].names == classes


def test_without_rows_it_streams_with_its_features(load: Load) -> None:
    """`load_dataset` loads no dataset without rows into memory, whatever its files."""
    for kind in ("text", "image", "audio", "vector"):
        dataset = load(make_project(f"no-{kind}", kind=kind, classes=["cat", "dog"]), streaming=True)
        assert list(dataset) == ["train"]
        assert dataset["train"].features["label"].names == ["cat", "dog"]
        assert list(dataset["train"]) == []


def test_the_card_tells_what_the_rows_are() -> None:
    project = labeled([0, 0, 1, "skip"], classes=["a|b", "<i>dog</i>", "unused"])
    card = archive_of(project, "huggingface", batch="1", skipped="yes", columns="short").read("README.md").decode()
    head, _, text = card.removeprefix("---\n").partition("\n---\n")
    splits = [split for split in ("train", "validation", "test") if split in map(split_of, IDS[:4])]
    declared = yaml.safe_load(head)
    assert (declared["license"], declared["pretty_name"]) == ("unknown", project.name)
    assert [each["split"] for each in declared["configs"][0]["data_files"]] == splits
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    assert cells[0] == ["class", *splits]
    counts = {name: sum(map(int, numbers)) for name, *numbers in cells[2:]}
    assert counts == {r"a\|b": 2, r"\<i\>dog\</i\>": 1, "unused": 0, "no label": 1, "rows": 4}
    assert "(`origin`):\nno label 1, person 3." in text
    assert "Filters of the export: `batch` 1, `skipped` yes." in text


def test_certified_labels_are_in_splits_of_their_own_and_rows_without_a_label_have_none(load: Load) -> None:
    project = labeled([0, "skip", 1])
    certify(project, dict.fromkeys(make_items(project, 3), 1), version=train(project.batches.get()))
    rows = by_id(load(project, certified="yes", skipped="yes"))
    assert [rows[name]["label"] for name in IDS[:6]] == [0, None, 1, 1, 1, 1]
    assert [rows[name]["split"] for name in IDS[:3]] == [split_of(name) for name in IDS[:3]]
    assert [rows[name]["split"] for name in IDS[3:6]] == [f"certified_{split_of(name)}" for name in IDS[3:6]]
    assert {rows[name]["certificate"] for name in IDS[3:6]} == {1}
