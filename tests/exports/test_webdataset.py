"""Test that the library `webdataset` loads the shards of an export: files, texts, vectors, labels and facts."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from factories import certify, make_project
from labeled import archive_of, give_vectors, labeled, make_items, train

from labeling.models import Item, Project
from labeling.outgoing.exports.splits import split_of
from labeling.outgoing.formats import shards

pytestmark = pytest.mark.django_db

Load = Callable[..., dict[str, Any]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Export a project, unpack the archive, and load each split with the library; return the samples by item."""
    import webdataset

    def run(project: Project, how: str = "", **filters: str) -> dict[str, Any]:
        archive_of(project, "webdataset", **filters).extractall(tmp_path)
        samples = {}
        for path in sorted(tmp_path.glob("*.tar")):
            decoders = [how] if how else []
            for sample in webdataset.WebDataset(str(path), shardshuffle=False, empty_check=False).decode(*decoders):
                samples[sample["json"]["external_id"]] = {**sample, "split": path.name.rpartition("-")[0]}
        assert len({sample["__key__"] for sample in samples.values()}) == len(samples)
        return samples

    return run


def test_images_with_classes_splits_and_facts(load: Load, tmp_path: Path) -> None:
    project = labeled([row % 2 for row in range(20)], kind="image")
    certify(project, dict.fromkeys(make_items(project, 3), 1), version=train(project.batches.get()))
    samples = load(project, "pil", certified="yes")
    assert len(samples) == 23
    for number in range(20):
        sample = samples[f"item-{number:04}"]
        assert (sample["png"].size, sample["cls"]) == ((8, 8), number % 2)
        assert sample["split"] == split_of(f"item-{number:04}")
        assert (sample["json"]["label"], sample["json"]["origin"]) == (["cat", "dog"][number % 2], "person")
        assert "annotations" not in sample["json"], "no person is named"
    assert samples["item-0021"]["split"] == f"certified_{split_of('item-0021')}"
    assert json.loads((tmp_path / "classes.json").read_text()) == ["cat", "dog"]
    assert "WebDataset" in (tmp_path / "README.md").read_text()


def test_texts_fields_of_any_type_and_vectors(load: Load) -> None:
    project = labeled([0])
    Item.objects.update(data={"text": "größer\n猫", "n": 1.5, "tags": ["a", None], "cls": "mine"})
    [sample] = load(project).values()
    assert (sample["txt"], sample["cls"]) == ("größer\n猫", 0)
    assert sample["json"]["data"] == {"n": 1.5, "tags": ["a", None], "cls": "mine"}
    project = labeled([0, 1], slug="vectors", kind="vector")
    vectors = give_vectors(project)
    samples = load(project)
    assert np.array_equal([samples[f"item-000{n}"]["npy"] for n in range(2)], vectors)


@pytest.mark.parametrize(
    ("question", "values", "cls", "names"),
    [
        ("multi", [[0, 1], []], [None, None], [["cat", "dog"], []]),
        ("verify", [True, False], [1, 0], [True, False]),
        ("score", [1, 4], [2, 5], [2, 5]),
        ("single", ["skip", 1], [None, 1], [None, "dog"]),
    ],
)
def test_labels_of_each_question(question: str, values: Any, cls: Any, names: Any, load: Load) -> None:
    classes = ["1", "2", "3", "4", "5"] if question == "score" else ["cat", "dog"]
    samples = load(labeled(values, question=question, classes=classes), skipped="yes")
    rows = [samples[f"item-000{number}"] for number in range(2)]
    assert [row.get("cls") for row in rows] == cls
    assert [row["json"]["label"] for row in rows] == names


def test_shards_are_cut_by_their_size_and_without_rows_there_is_an_empty_one(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load(make_project(classes=["cat", "dog"])) == {}
    assert (tmp_path / "train-000000.tar").exists()
    monkeypatch.setattr(shards, "SHARD_BYTES", 10_000)
    assert len(load(labeled([0] * 40, slug="many"))) == 40
    names = sorted(path.name for path in tmp_path.glob("train-*.tar"))
    assert names == [f"train-{number:06}.tar" for number in range(len(names))]
    assert len(names) > 3
