"""Test that `mlcroissant` validates an exported dataset and reads its rows."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from labeled import archive_of, give_vectors, labeled
from pages import make_dataset

from labeling.models import Item, Project
from labeling.outgoing.exports.splits import split_of
from labeling.outgoing.formats import shards

pytestmark = pytest.mark.django_db

CLASSES = ["cat", 'a "b": é {x}']

Load = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Export a project, unpack the archive, and read its records with the library."""
    import absl.logging
    import mlcroissant

    # Its handler of logs closes the stream of its start, which is pytest's, when Django configures logs again.
    absl.logging.get_absl_handler().python_handler.stream = io.StringIO()

    def run(project: Project, records: str = "rows", **filters: str) -> list[dict[str, Any]]:
        archive_of(project, "croissant", **filters).extractall(tmp_path)
        dataset = mlcroissant.Dataset(jsonld=str(tmp_path / "croissant.json"))
        assert not dataset.metadata.ctx.issues.errors
        assert not dataset.metadata.ctx.issues.warnings
        prefix = f"{records}/"
        return [{name.removeprefix(prefix): value for name, value in row.items()} for row in dataset.records(records)]

    return run


def text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def test_texts_classes_and_splits(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SHARD_BYTES", 1000)
    project = labeled([row % 2 for row in range(30)], classes=CLASSES)
    Item.objects.filter(row=3).update(data={"text": "größer", "odd: ñ": [1]})
    rows = {text(row["external_id"]): row for row in load(project)}
    assert len(rows) == 30
    assert {name: text(row["split"]) for name, row in rows.items()} == {name: split_of(name) for name in rows}
    assert [rows[f"item-{n:04}"]["label"] for n in range(30)] == [n % 2 for n in range(30)]
    assert (text(rows["item-0003"]["text"]), text(rows["item-0003"]["odd___"])) == ("größer", "[1]")
    assert [text(row["name"]) for row in load(project, "classes")] == CLASSES


def metadata(project: Project, **filters: str) -> dict[str, Any]:
    return dict(json.loads(archive_of(project, "croissant", **filters).read("croissant.json")))


def test_a_dataset_version_states_its_number_and_its_day() -> None:
    project = labeled([0, 1])
    day = project.items.latest("labeled_at").labeled_at.date()
    live = metadata(project)
    assert (live["version"], live["datePublished"]) == (f"{day.year}.{day.month}.{day.day}", day.isoformat())
    assert (live["license"], live["citeAs"]) == (
        "unknown", f"Digits, version {live['version']}, {day.year}, labeled with Marginalia",
    )  # fmt: skip
    frozen, made = metadata(project, dataset=make_dataset(project).name), project.datasets.get().created_at.date()
    assert (frozen["version"], frozen["datePublished"]) == ("1.0.0", made.isoformat())


def test_images_vectors_and_the_hash_of_each_shard(load: Load, tmp_path: Path) -> None:
    assert {row["image"].size for row in load(labeled([0, 1], kind="image"))} == {(8, 8)}
    project = labeled([0], slug="vectors", kind="vector")
    give_vectors(project)
    assert load(project)[0]["vector"] == [0, 1, 2]
    [first, *_] = json.loads((tmp_path / "croissant.json").read_text())["distribution"]
    assert len(first["sha256"]) == 64
    assert (tmp_path / first["contentUrl"]).exists()


def test_labels_of_several_classes(load: Load) -> None:
    rows = {text(row["external_id"]): row["label"] for row in load(labeled([[0, 1], []], question="multi"))}
    assert [rows[f"item-000{n}"] for n in range(2)] == [[0, 1], []]
