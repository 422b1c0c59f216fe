"""Test dataset versions: their rows, what they store, and their digests."""

import datetime
import hashlib
import io
import json
import random
import uuid
from collections.abc import Sequence
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.db import transaction
from django.utils import timezone

from labeling.labels.corrections import correct, withdraw
from labeling.models import Batch, Copy, CopyAnswer, DatasetFile, DatasetVersion, Item, Project, User
from labeling.outgoing.datasets import erasing
from labeling.outgoing.datasets.comparing import compare
from labeling.outgoing.datasets.creating import for_training, store_dataset
from labeling.outgoing.datasets.freeze import Superseded, freeze, store_frozen
from labeling.outgoing.datasets.manifest import verify
from labeling.outgoing.exports import choose, columns, export
from labeling.outgoing.exports.frozen_rows import NOT_FROZEN, dataset_pages, manifest_of
from labeling.outgoing.exports.rows import pages
from labeling.projects import erasing_items
from labeling.projects.classes import changing as classes
from labeling.projects.erasing_items import erase_items
from labeling.queue import submitting
from labeling.queue.answer import Answer
from labeling.queue.removing import remove_items
from labeling.storage.arrays.files import ProjectFiles
from tests.exports.labeled import make_batch, make_items, train
from tests.extent import ALL
from tests.factories import certify, make_answerable, make_member, make_project
from tests.pages import make_dataset

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return make_project(classes=["cat", "dog", "eel"])


@pytest.fixture
def ann(project: Project) -> User:
    return make_member(project, "ann")


def answer(batch: Batch, user: User, values: Sequence[Any]) -> None:
    """Answer the first tasks that have no answer; "skip" skips."""
    tasks = list(batch.tasks.filter(outstanding__gt=0).order_by("rank")[: len(values)])
    make_answerable(tasks, user)
    said = [{"skip_reason": "unclear"} if value == "skip" else {"value": value} for value in values]
    answers = [Answer(uuid.uuid4(), task.pk, seconds=1.5, **each) for task, each in zip(tasks, said, strict=True)]
    assert not submitting.submit(project=batch.project, user=user, answers=answers).rejected


def rows_of(dataset: DatasetVersion) -> dict[int, dict[str, Any]]:
    return {row["item"]: row for page in dataset_pages(dataset, size=7) for row in page}


def rows_now(project: Project, **filters: str) -> dict[int, dict[str, Any]]:
    return {row["item"]: row for page in pages(project, choose(project, filters)) for row in page}


def without_learned(rows: dict[int, dict[str, Any]]) -> dict[int, dict[str, Any]]:
    return {item: {**row, "learned_by": None} for item, row in rows.items()}


def no_read() -> None:
    """Read nothing, in place of the labels that a training reads."""


def test_a_version_has_the_rows_of_the_export_as_they_were(project: Project, ann: User) -> None:
    items = make_items(project, 30, control_every=3, data={"text": "a", "n": 12345678901234567890123})
    batch = make_batch(project, items[:20])
    answer(batch, ann, [n % 3 for n in range(10)])
    then = without_learned(rows_now(project))
    version = make_dataset(project)
    answer(batch, ann, [0] * 10)
    correct(item=items[0], user=ann, value=2)
    assert rows_of(version) == then
    assert '"n":12345678901234567890123' in next(iter(rows_of(version).values()))["data"]
    assert verify(version, each_row=True) == []


def test_the_digest_of_the_rows_is_that_of_the_exported_lines(project: Project, ann: User) -> None:
    items = make_items(project, 12, control_every=3)
    answer(make_batch(project, items), ann, [0] * 12)
    version = make_dataset(project, "spring")
    for name in ("spring", "v1"):
        assert project.datasets.named(name).get() == version
    assert not project.datasets.named("v2").exists()
    lines = b"".join(export(project, "jsonl", choose(project, {"dataset": "v1"}))).splitlines()
    assert any(orjson.loads(line)["control_weight"] for line in lines)
    assert set(NOT_FROZEN) == {"learned_by", "control_weight", "control_probability"}, "what follows from later steps"
    rows = sorted((orjson.loads(line)["item"], orjson.dumps(orjson.loads(line) | NOT_FROZEN)) for line in lines)
    digest = hashlib.sha256(b"".join(hashlib.sha256(line).digest() for _, line in rows)).hexdigest()
    assert digest == manifest_of(version)["rows_sha256"]
    assert hashlib.sha256(version.manifest.encode()).hexdigest() == version.digest


def test_a_version_that_is_older_than_a_column_or_a_field_of_answers_has_nothing_there(
    project: Project, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(make_batch(project, make_items(project, 3)), ann, [0, 1, "skip"])
    version = make_dataset(project)
    monkeypatch.setitem(columns.COLUMNS, "mood", columns.Column("text", "how the annotator was"))
    monkeypatch.setitem(columns.HOW, "device", pa.string())
    choice = choose(project, {"dataset": version.name})
    table = pq.read_table(io.BytesIO(b"".join(export(project, "parquet", choice))))
    assert table.column("mood").to_pylist() == [None, None]
    answers = [each for of_row in table.column("annotations").to_pylist() for each in of_row]
    assert [(each["annotator"], each["device"]) for each in answers] == [("ann", None)] * 2
    header, *lines = b"".join(export(project, "csv", choice)).decode().splitlines()
    assert header.endswith(",mood")
    assert [line[-1] for line in lines] == [",", ","]
    assert verify(version, each_row=True) == []


def test_random_changes_leave_no_row_behind(project: Project, ann: User) -> None:
    """A version that is written beside an earlier one has the rows that a whole reading has."""
    rng = random.Random(7)
    items = make_items(project, 66, control_every=5)
    batches = [make_batch(project, items[start : start + 20]) for start in (0, 20, 40)]
    versions: list[tuple[DatasetVersion, Any]] = []
    for turn in range(12 if ALL else 9):
        batch = rng.choice(batches)
        left = batch.tasks.filter(outstanding__gt=0).count()
        if left and rng.random() < 0.7:
            answer(batch, ann, [rng.choice([0, 1, 2, "skip"]) for _ in range(min(left, rng.randint(1, 6)))])
        labeled = list(project.items.labeled())
        for item in rng.sample(labeled, min(len(labeled), 2)):
            correct(item=item, user=ann, value=rng.randint(0, 2))
        if turn % 4 == 3:
            corrected = project.items.filter(corrections__withdrawn_at=None, corrections__isnull=False).first()
            if corrected is not None:
                withdraw(item=corrected, user=ann)
        if turn == 5:
            train(batches.pop(0))
            certify(project, dict.fromkeys(project.items.filter(task=None)[:3], 1), version=project.versions.get())
        if turn == 7:
            classes.edit(project=project, user=ann, index=1, name="hound")
        filters = [{}, {"skipped": "true"}, {"certified": "true", "unresolved": "true"}][turn % 3]
        project = Project.objects.get(pk=project.pk)
        versions.append((make_dataset(project, **filters), without_learned(rows_now(project, **filters))))
    for version, then in versions:
        assert rows_of(version) == then, version.name
        assert verify(version, each_row=True) == []
    assert all(len(version.layers) <= 8 for version, _ in versions)


def test_near_copies_change_with_their_source(project: Project, ann: User) -> None:
    items = make_items(project, 6)
    batch = make_batch(project, items[:3])
    Batch.objects.update(copy_radius=0.5)
    answer(batch, ann, [0, 1, 2])
    for source, item in zip(items[:3], items[3:], strict=True):
        copy = Copy.objects.create(of=source, item=item, batch=batch, height=0.25)
        CopyAnswer.objects.create(copy=copy, annotation=source.task.annotations.get(), same=True)
    first = make_dataset(project, copies="true")
    correct(item=items[0], user=ann, value=1)
    Batch.objects.update(copy_radius=0.3)
    second = make_dataset(project, copies="true")
    assert [row["label"] for row in rows_of(first).values() if row["propagated_from"]] == ["cat", "dog", "eel"]
    assert rows_of(second) == without_learned(rows_now(project, copies="true"))
    Batch.objects.update(copy_radius=0.2)
    assert len(rows_of(make_dataset(project, copies="true"))) == 3


def test_an_item_that_is_removed_for_good_leaves_all_versions(project: Project, ann: User) -> None:
    items = make_items(project, 12, data={"text": "her name"})
    batch = make_batch(project, items)
    answer(batch, ann, [0] * 6)
    make_dataset(project)
    answer(batch, ann, [1] * 6)
    make_dataset(project)
    train(batch)
    before = {each.name: each.digest for each in DatasetVersion.objects.all()}
    remove_items(project=project, ids=[items[0].pk, items[11].pk], user=ann, delete=True, reason="She asked us to.")
    assert {each.name: each.digest for each in DatasetVersion.objects.all()} == before
    later = timezone.now() + datetime.timedelta(days=31)
    assert erase_items(later, forget=erasing.forget) == 2
    first, second = DatasetVersion.objects.order_by("number")
    assert (first.rows, second.rows) == (5, 10)
    for each, gone in ((first, [items[0].pk]), (second, [items[0].pk, items[11].pk])):
        assert verify(each, each_row=True) == []
        assert [earlier["sha256"] for earlier in each.replaced] == [before[each.name]] != [each.digest]
        assert [(row["items"], row["reason"]) for row in manifest_of(each)["removed"]] == [(gone, "She asked us to.")]
        assert not rows_of(each).keys() & set(gone)
    stored = {path.name for path in (ProjectFiles(project).root / "datasets").iterdir()}
    assert stored == {f"{file.digest}.parquet" for file in DatasetFile.objects.all()}
    digests = {each.name: each.digest for each in (first, second)}
    erasing.forget(project, [items[0].pk])
    assert {each.name: each.digest for each in DatasetVersion.objects.all()} == digests


def test_all_items_that_are_due_leave_a_file_at_once(
    project: Project, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = make_items(project, 4)
    batch = make_batch(project, items)
    answer(batch, ann, [0] * 4)
    version = make_dataset(project)
    train(batch)
    remove_items(project=project, ids=[item.pk for item in items[:3]], user=ann, delete=True)
    monkeypatch.setattr(erasing_items, "MOST", 1)
    later = timezone.now() + datetime.timedelta(days=31)
    assert [erase_items(later, forget=erasing.forget) for _ in range(4)] == [1, 1, 1, 0]
    version.refresh_from_db()
    assert (version.rows, len(version.replaced)) == (1, 1)
    assert [len(each["items"]) for each in manifest_of(version)["removed"]] == [3]


def test_a_successor_has_the_fields_of_its_base_and_of_changed_items_and_very_many_items_leave_at_once(
    project: Project, ann: User
) -> None:
    items = make_items(project, 5, data={"text": "a", "page": 1})
    answer(make_batch(project, items), ann, [0] * 4)
    first = make_dataset(project)
    Item.objects.filter(pk=items[4].pk).update(data={"text": "b", "film": 2})
    answer(project.batches.get(), ann, [0])
    second = make_dataset(project)
    assert sorted(manifest_of(first)["fields"]) == ["page", "text"]
    assert sorted(manifest_of(second)["fields"]) == ["film", "page", "text"]
    erasing.forget(project, range(items[0].pk, items[0].pk + 300_000))  # more than a statement has parameters
    first.refresh_from_db()
    assert first.rows == 0


def test_a_version_stores_what_changed(project: Project, ann: User) -> None:
    items = make_items(project, 300)
    batch = make_batch(project, items)
    answer(batch, ann, [0] * 290)
    first = make_dataset(project)
    answer(batch, ann, [1] * 5)
    second = make_dataset(project)
    third = make_dataset(project)
    sizes = {file.digest: file.rows for file in DatasetFile.objects.all()}
    assert [sizes[digest] for digest in first.layers] == [290]
    assert [sizes[digest] for digest in second.layers] == [290, 5]
    assert third.layers == second.layers
    assert first.digest != second.digest


@pytest.mark.long
def test_files_are_merged_before_they_become_many(project: Project, ann: User) -> None:
    items = make_items(project, 60)
    batch = make_batch(project, items)
    answer(batch, ann, [0] * 20)
    versions = [make_dataset(project)]
    for _ in range(20):
        answer(batch, ann, [1])
        versions.append(make_dataset(project))
    assert max(len(version.layers) for version in versions) <= 6
    for n, version in enumerate(versions):
        assert len(rows_of(version)) == 20 + n == version.rows
        assert verify(version, each_row=True) == []
    paths = {path.name for path in (ProjectFiles(project).root / "datasets").iterdir()}
    assert paths == {f"{file.digest}.parquet" for file in DatasetFile.objects.all()}


def test_two_versions_are_compared_by_class(project: Project, ann: User) -> None:
    items = make_items(project, 10)
    batch = make_batch(project, items)
    answer(batch, ann, [0, 0, 1, 1])
    first = make_dataset(project)
    answer(batch, ann, [2, 2])
    correct(item=items[0], user=ann, value=1)
    correct(item=items[2], user=ann, value=1)
    Item.objects.filter(pk=items[3].pk).update(excluded_at="2026-01-01T00:00Z")
    found = compare(first, make_dataset(project))
    assert (found.added, found.removed, found.relabeled, found.otherwise_changed) == (2, 1, 1, 1)
    assert found.changes == [("cat", "dog", 1)]
    assert found.items == [items[0].pk]
    of = {
        each.name: (each.before, each.after, each.added, each.removed, each.gained, each.lost) for each in found.classes
    }
    assert of == {"cat": (2, 1, 0, 0, 0, 1), "dog": (2, 2, 0, 1, 1, 0), "eel": (0, 2, 2, 0, 0, 0)}


def test_a_damaged_file_is_found(project: Project, ann: User) -> None:
    answer(make_batch(project, make_items(project, 5)), ann, [0] * 5)
    version = make_dataset(project)
    path = ProjectFiles(project).root / "datasets" / f"{version.layers[0]}.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + b"x" + whole[101:])
    [problem] = verify(version)
    assert "Checksum mismatch: the file" in problem
    path.unlink()
    [problem] = verify(version)
    assert "is missing" in problem
    path.write_bytes(whole)
    version.manifest = version.manifest.replace('"rows": 5', '"rows": 6')
    [problem] = verify(version)
    assert "manifest" in problem


def test_the_manifest_says_where_the_rows_come_from(project: Project, ann: User) -> None:
    items = make_items(project, 20, control_every=2, data={"text": "a", "camera": "south"})
    batch = make_batch(project, items)
    answer(batch, ann, [0] * 15 + [1] * 3)
    version = train(batch)
    manifest = manifest_of(make_dataset(project))
    assert manifest["by_label"] == {"cat": 15, "dog": 3}
    assert manifest["by_origin"] == {"person": 18}
    assert manifest["classes"] == [{"index": n, "name": name} for n, name in enumerate(["cat", "dog", "eel"])]
    assert manifest["fields"] == ["camera", "text"]
    [of_batch] = manifest["batches"]
    assert (of_batch["control_items"], of_batch["control_probability"]) == (10, 0.5)
    assert manifest["models"] == [{"number": version.number, "sha256": ""}]
    [level] = manifest["control_weights"]
    labeled = project.items.labeled().filter(reserved=True).count()
    assert level["weight"] == pytest.approx(20 / labeled)
    weights = [row["control_weight"] for row in rows_of(DatasetVersion.objects.get()).values() if row["is_control"]]
    assert sum(weights) == pytest.approx(20)


def test_a_training_gets_the_version_that_is_there(project: Project, ann: User) -> None:
    items = make_items(project, 20)
    first, second = make_batch(project, items[:10]), make_batch(project, items[10:])
    answer(first, ann, [0] * 10)
    answer(second, ann, [1] * 5)
    made, _ = for_training(first, no_read, writing=transaction.atomic)
    assert (made.name, made.rows, made.automatic) == ("v1", 10, True)
    assert for_training(first, no_read, writing=transaction.atomic)[0] == made
    train(first)
    later, _ = for_training(second, no_read, writing=transaction.atomic)
    assert (later.name, later.rows) == ("v2", 15)
    assert [json.loads(each.manifest)["filters"] for each in (made, later)] == [
        {"batch": "1", "copies": "true"},
        {"batch": "1-2", "copies": "true"},
    ]


def test_an_erasure_while_a_version_is_written_leaves_nothing_behind(project: Project, ann: User) -> None:
    """An item that is removed for good between the reading of a version and its storing is not in it."""
    items = make_items(project, 8)
    batch = make_batch(project, items)
    answer(batch, ann, [0] * 4)
    make_dataset(project)
    answer(batch, ann, [1] * 4)
    train(batch)
    remove_items(project=project, ids=[items[0].pk], user=ann, delete=True, reason="Why.")
    filters = {"excluded": "true"}
    second = DatasetVersion(project=project, filters=filters)
    frozen = freeze(second, draft="second")
    third = DatasetVersion(project=project)
    beside = freeze(third, draft="third")
    assert erase_items(timezone.now() + datetime.timedelta(days=31), forget=erasing.forget) == 1
    for dataset, then in ((second, frozen), (third, beside)):
        with pytest.raises(Superseded), transaction.atomic():
            store_frozen(dataset, then)
        store_dataset(dataset, then, draft="again", writing=transaction.atomic)
    for dataset in project.datasets.all():
        assert verify(dataset, each_row=True) == []
        assert items[0].pk not in rows_of(dataset)
    assert [each.rows for each in project.datasets.order_by("number")] == [3, 7, 7]


def test_a_damaged_file_holds_no_training_back(project: Project, ann: User) -> None:
    items = make_items(project, 40)
    batch = make_batch(project, items)
    answer(batch, ann, [0] * 10)
    first, _ = for_training(batch, no_read, writing=transaction.atomic)
    path = ProjectFiles(project).root / "datasets" / f"{first.layers[0]}.parquet"
    content = bytearray(path.read_bytes())
    content[4 : len(content) - 2000] = bytes(255 - byte for byte in content[4 : len(content) - 2000])
    path.write_bytes(content)
    answer(batch, ann, [1] * 20)
    second, _ = for_training(batch, no_read, writing=transaction.atomic)
    assert len(second.layers) == 1
    assert second.layers != first.layers
    assert verify(second, each_row=True) == []
    path.unlink()
    answer(batch, ann, [1])
    assert for_training(batch, no_read, writing=transaction.atomic)[0].rows == 31


def test_a_label_that_changes_while_it_is_read_makes_one_version(project: Project, ann: User) -> None:
    items = make_items(project, 10)
    batch = make_batch(project, items)
    answer(batch, ann, [0] * 10)
    turns = []

    def read() -> int:
        turns.append(len(turns))
        correct(item=items[0], user=ann, value=1 + len(turns) % 2)
        return len(turns)

    made, value = for_training(batch, read, writing=transaction.atomic)
    assert (value, project.datasets.count(), made.name) == (3, 1, "v1")
    stored = {path.name for path in (ProjectFiles(project).root / "datasets").iterdir()}
    assert stored == {f"{file.digest}.parquet" for file in DatasetFile.objects.all()}


def test_the_split_of_a_row_stays(project: Project, ann: User) -> None:
    items = make_items(project, 30)
    batch = make_batch(project, items[:20])
    answer(batch, ann, [0] * 20)
    version = make_dataset(project)

    def splits() -> dict[int, str]:
        return {row["item"]: row["split"] for page in dataset_pages(version, size=7, split=True) for row in page}

    before = splits()
    for item in items[1:20]:
        Copy.objects.create(of=items[0], item=item, batch=batch, height=0.1)
    assert splits() == before
    assert len(set(before.values())) > 1


def test_a_version_has_one_probability_of_control_items(project: Project, ann: User) -> None:
    items = make_items(project, 20, control_every=2)
    batch = make_batch(project, items)
    answer(batch, ann, [0] * 10)
    make_dataset(project)
    Batch.objects.filter(pk=batch.pk).update(control_tasks=9)
    batch.refresh_from_db()
    answer(batch, ann, [0] * 10)
    rows = rows_of(make_dataset(project)).values()
    assert {row["control_probability"] for row in rows if row["is_control"]} == {0.45}
    assert {row["control_probability"] for row in rows if not row["is_control"]} == {None}
