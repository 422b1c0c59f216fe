"""Test that the ids and numbers that annotators see reveal neither an item's class nor its place in the imported
file.
"""

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from factories import digit_png, make_member, make_project
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient
from taken_in import take_in

from labeling.intake.items import Permutation, numbers_for
from labeling.models import Item, ItemImport, Project, Role

CLASSES = ["cat", "dog", "owl"]
EACH = 40


def zip_of_images(path: Path, *, table: bool) -> Path:
    """Write a zip of images with a folder for each class, with or without a table."""
    with zipfile.ZipFile(path, "w") as archive:
        lines = ["file_name,truth"]
        for n, name in enumerate(CLASSES):
            for number in range(EACH):
                archive.writestr(f"{name}/{number:03}.png", digit_png(EACH * n + number))
                lines.append(f"{name}/{number:03}.png,{name}")
        if table:
            archive.writestr("metadata.csv", "\n".join(lines))
    return path


def sorted_by_class(folder: Path, form: str) -> Path:
    """Write items sorted by class in the other formats."""
    rows = [{"text": f"number {n}", "truth": CLASSES[n // EACH]} for n in range(EACH * len(CLASSES))]
    if form == "csv":
        content = "text,truth\n" + "\n".join(f"{row['text']},{row['truth']}" for row in rows)
    elif form == "jsonl":
        content = "\n".join(json.dumps(row) for row in rows)
    else:
        content = json.dumps(rows)
    path = folder / f"rows.{form}"
    path.write_text(content)
    return path


def order_told(project: Project) -> float:
    """Return Spearman's correlation of the items' numbers and classes."""
    items = list(project.items.order_by("pk").values_list("truth", flat=True))
    places, truths = np.arange(len(items)), np.array(items)
    return float(abs(np.corrcoef(places, truths)[0, 1]))


@pytest.mark.django_db
@pytest.mark.parametrize("table", [True, False], ids=["with a table", "by folders"])
def test_ids_of_images_tell_neither_folder_nor_name(tmp_path: Path, table: bool) -> None:
    project = make_project(kind="image", classes=CLASSES)
    take_in(project, zip_of_images(tmp_path / "pets.zip", table=table), strict=False)
    items = list(project.items.all())
    assert len(items) == EACH * len(CLASSES)
    for item in items:
        assert not any(name in item.external_id for name in [*CLASSES, "png", "/"])
        assert item.source.endswith(".png") or "metadata.csv" in item.source, "engineers find it again"
    assert not guesses() & {item.external_id for item in items}
    assert order_told(project) < 0.3


def guesses() -> set[str]:
    """Return guesses of ids by someone who knows common layouts of data sets: plain hashes of paths."""
    paths = [f"{name}/{number:03}.png" for name in CLASSES for number in range(EACH)]
    plain = {f"{Path(path).stem}-{hashlib.sha256(path.encode()).hexdigest()[:8]}.png" for path in paths}
    return plain | {hashlib.sha256(path.encode()).hexdigest()[:n] for path in paths for n in (8, 16, 64)}


@pytest.mark.django_db
@pytest.mark.parametrize("form", ["csv", "jsonl", "json"])
def test_numbers_of_rows_tell_nothing_of_their_order(tmp_path: Path, form: str) -> None:
    project = make_project(classes=CLASSES)
    done = take_in(project, sorted_by_class(tmp_path, form), strict=False)
    assert done.accepted == EACH * len(CLASSES)
    assert order_told(project) < 0.3
    assert not any("rows" in external_id for external_id in project.items.values_list("external_id", flat=True))


@pytest.mark.django_db
def test_vectors_keep_what_belongs_to_them(tmp_path: Path) -> None:
    """The encoder reads each item's own vector, whatever numbers the items get."""
    project = make_project(kind="vector", classes=CLASSES)
    np.save(tmp_path / "x.npy", np.arange(2400, dtype=np.float32).reshape(1200, 2))
    take_in(project, tmp_path / "x.npy", strict=False)
    order = list(project.items.unencoded().values_list("source", "media", "media_offset"))
    assert [source for source, _, _ in order] != [f"row {n}" for n in range(1, 1201)]
    assert [place for _, *place in order] == sorted(place for _, *place in order)
    numbers = list(project.items.order_by("media", "media_offset").values_list("pk", flat=True))
    assert numbers != sorted(numbers)


@pytest.mark.django_db
def test_the_same_file_again_brings_nothing_new(tmp_path: Path) -> None:
    project = make_project(kind="image", classes=CLASSES)
    path = zip_of_images(tmp_path / "pets.zip", table=True)
    take_in(project, path, strict=False)
    again = take_in(project, path, strict=False)
    assert (again.accepted, again.rejected) == (0, EACH * len(CLASSES))


@pytest.mark.django_db
def test_items_that_an_earlier_version_named_after_their_files_are_known(tmp_path: Path) -> None:
    project = make_project(kind="image", classes=CLASSES)
    path = zip_of_images(tmp_path / "pets.zip", table=True)
    take_in(project, path, strict=False)
    for item in project.items.all():
        Item.objects.filter(pk=item.pk).update(external_id=item.source.partition(", ")[2] or item.source)
    ItemImport.objects.update(first_number=None)
    names = [f"{name}/{number:03}.png" for name in CLASSES for number in range(EACH)]
    for name, item in zip(names, project.items.order_by("pk"), strict=True):
        Item.objects.filter(pk=item.pk).update(external_id=name)
    assert take_in(project, path, strict=False).accepted == 0


@pytest.mark.django_db
def test_engineers_find_an_item_by_its_file(tmp_path: Path) -> None:
    project = make_project(kind="image", classes=CLASSES)
    take_in(project, zip_of_images(tmp_path / "pets.zip", table=False), strict=False)
    client = APIClient()
    client.force_authenticate(make_member(project, "enzo", Role.ENGINEER))
    page = client.get("/api/v1/projects/digits/items/?search=owl/007").json()
    assert [client.get(f"/api/v1/projects/digits/items/{row['id']}/").json()["source"] for row in page["results"]] == [
        "owl/007.png"
    ]


@pytest.mark.django_db
def test_imports_never_give_a_number_twice(tmp_path: Path) -> None:
    project = make_project(classes=CLASSES)
    first = take_in(project, sorted_by_class(tmp_path, "csv"), strict=False)
    second = ItemImport.objects.create(project=project, name="b", path="/nowhere")
    numbers = numbers_for(second, 50, estimate=10)  # the estimate was far too low
    ItemImport.objects.filter(pk=second.pk).update(position=50)
    second.refresh_from_db()
    numbers += numbers_for(second, 50, estimate=10)
    assert len({*numbers, *project.items.values_list("pk", flat=True)}) == 100 + first.accepted


@pytest.mark.django_db
def test_an_import_that_is_taken_up_again_gives_the_same_numbers() -> None:
    project = make_project(classes=CLASSES)
    begun = ItemImport.objects.create(project=project, name="a", path="/nowhere")
    numbers = numbers_for(begun, 20, estimate=100)
    assert numbers_for(ItemImport.objects.get(pk=begun.pk), 20, estimate=100) == numbers


@pytest.mark.django_db(transaction=True)
def test_the_database_goes_on_behind_the_numbers_that_are_taken(tmp_path: Path) -> None:
    project = make_project(classes=CLASSES)
    take_in(project, sorted_by_class(tmp_path, "csv"), strict=False)
    later = Item.objects.create(project=project, external_id="x", control_key=0.5, reserved=False)
    assert later.pk > max(project.items.exclude(pk=later.pk).values_list("pk", flat=True))


@given(st.binary(min_size=16, max_size=32), st.integers(1, 3000))
def test_a_permutation_sends_every_place_to_a_place_of_its_own(key: bytes, size: int) -> None:
    permutation = Permutation(key, size)
    assert sorted(permutation.at(place) for place in range(size)) == list(range(size))


@given(st.binary(min_size=16, max_size=32), st.integers(1, 2**62), st.data())
def test_places_of_huge_imports_stay_within_bounds(key: bytes, size: int, data: Any) -> None:
    place = data.draw(st.integers(0, size - 1))
    assert 0 <= Permutation(key, size).at(place) < size
    with pytest.raises(IndexError):
        Permutation(key, size).at(size)


def test_a_permutation_follows_from_its_key() -> None:
    one, other = (Permutation(key, 1000) for key in (b"a" * 16, b"b" * 16))
    same = sum(one.at(place) == other.at(place) for place in range(1000))
    fixed = sum(one.at(place) == place for place in range(1000))
    assert same < 10
    assert fixed < 10
