"""Test that copies of stored files that are damaged or gone are fetched again, and that the stored file stays
unchanged.
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damages import WAYS, Damage, flip, halve, lose
from factories import make_items, make_open_batch, make_project
from pages import make_version

from labeling.models import Batch, Project
from labeling.steps.batch_tasks import Picked, TaskFacts
from labeling.storage import media
from labeling.storage.arrays import stored
from labeling.storage.arrays.batch_plan import Plan
from labeling.storage.arrays.damage import name_of
from labeling.storage.arrays.features import BROUGHT_ROWS, RowSum, append_rows, rewrite_rows
from labeling.storage.arrays.files import ProjectFiles, check_array, load_array, save_array
from labeling.storage.arrays.stored import PoolMap
from labeling.storage.disk.files import FileDamaged, FileMissing

pytestmark = pytest.mark.django_db

ROWS = np.arange(3000 * 4, dtype=np.float32).reshape(-1, 4)
PARTS = [RowSum.of(start, ROWS[start : start + 500]) for start in range(0, 3000, 500)]


@pytest.fixture
def project(settings: Any, tmp_path: Path) -> Project:
    settings.OBJECT_STORE = f"file://{tmp_path}/store"
    return make_project()


def in_store(settings: Any, path: Path) -> Path:
    """Return the path of a file's object in the store."""
    return Path(settings.OBJECT_STORE.removeprefix("file://")) / path.relative_to(settings.DATA_DIR)


@pytest.mark.parametrize("damage", WAYS)
def test_copies_of_an_array_an_archive_and_an_item_s_file_are_fetched_anew(project: Project, damage: Damage) -> None:
    path = ProjectFiles(project).root / "joins.npy"
    save_array(path, ROWS)
    damage(path)
    np.testing.assert_array_equal(load_array(path), ROWS)
    damage(path)
    check_array(path)
    np.testing.assert_array_equal(load_array(path, mmap=True), ROWS)
    path = ProjectFiles(project).map(1)
    stored.save(path, PoolMap(ROWS, ROWS[:, 0], ROWS[:, 1]))
    damage(path)
    found = stored.load(path, PoolMap)
    assert found is not None
    np.testing.assert_array_equal(found.places, ROWS)
    name = media.file_name(project.pk, "images", b"content of it", ".png")
    media.write_content(name, b"content of it")
    media.flush()
    damage(media.path_of(name))
    assert media.local(name).read_bytes() == b"content of it"
    damage(media.path_of(name))
    assert media.read_content(name, 0, {}) == b"content of it"


@pytest.mark.parametrize("damage", [halve, flip])
def test_what_is_damaged_in_the_store_is_told_apart(project: Project, settings: Any, damage: Damage) -> None:
    path = ProjectFiles(project).root / "joins.npy"
    save_array(path, ROWS)
    path.unlink()
    damage(in_store(settings, path))
    with pytest.raises(FileDamaged, match=r"joins\.npy: "):
        load_array(path)
    save_array(path, ROWS)  # rebuilt
    np.testing.assert_array_equal(load_array(path), ROWS)


def test_what_the_store_has_lost_is_missing(project: Project, settings: Any) -> None:
    path = ProjectFiles(project).root / "joins.npy"
    save_array(path, ROWS)
    lose(in_store(settings, path))
    with pytest.raises(FileMissing, match=r"joins\.npy: it is missing"):
        load_array(path)
    assert name_of(project, path) == "joins.npy"


@pytest.mark.parametrize("damage", WAYS)
def test_copied_rows_of_the_features_are_fetched_anew(project: Project, damage: Damage) -> None:
    files = ProjectFiles(project)
    path = files.features(0)
    append_rows(path, rows_before=0, block=ROWS)
    features = files.features_of(rows=3000, dim=4, dtype=ROWS.dtype)
    np.testing.assert_array_equal(features[:], ROWS)
    damage(path)
    assert features.check(PARTS).damaged == []
    np.testing.assert_array_equal(features[:], ROWS)


@pytest.mark.parametrize("damage", [halve, flip, lose])
def test_rows_that_the_store_has_lost_are_written_again(project: Project, settings: Any, damage: Damage) -> None:
    files = ProjectFiles(project)
    path = files.features(0)
    for start in (0, 1000, 2000):
        append_rows(path, rows_before=start, block=ROWS[start : start + 1000])
    pieces = sorted(each for each in in_store(settings, path).iterdir() if each.name.isdigit())
    damage(pieces[0])
    features = files.features_of(rows=3000, dim=4, dtype=ROWS.dtype)
    damaged = features.check(PARTS).damaged
    assert damaged
    for part in damaged:
        rewrite_rows(path, start=part.start, block=ROWS[part.start : part.stop])
    assert features.check(PARTS).damaged == []
    np.testing.assert_array_equal(features[:], ROWS)
    append_rows(path, rows_before=3000, block=ROWS[:10])
    np.testing.assert_array_equal(files.features_of(rows=3010, dim=4, dtype=ROWS.dtype)[3000:3010], ROWS[:10])


@pytest.fixture(autouse=True)
def object_store(settings: Any, tmp_path: Path) -> None:
    settings.OBJECT_STORE = f"file://{tmp_path}/store"


def forget_copies(data_dir: Path) -> None:
    shutil.rmtree(data_dir / "projects")


def test_single_rows_of_the_features_are_brought(data_dir: Path) -> None:
    files = ProjectFiles(make_project())
    block = np.arange(3 * BROUGHT_ROWS * 2, dtype=np.float32).reshape(-1, 2)
    append_rows(files.features(0), rows_before=0, block=block)
    forget_copies(data_dir)
    features = files.features_of(rows=len(block), dim=2, dtype=np.dtype(np.float32))
    for rows in (np.array([5, 2 * BROUGHT_ROWS]), np.array([5, BROUGHT_ROWS])):
        np.testing.assert_array_equal(features[rows], block[rows])


def test_tasks_bear_the_likeliest_classes(data_dir: Path) -> None:
    project = make_project(show_predictions=True)
    version = make_version(make_open_batch(project, make_items(project, 2)), 1)
    files = ProjectFiles(project)
    for name, dtype in (("margins", float), ("best", int), ("confidence", float)):
        save_array(files.pool(version, name), np.zeros(2, dtype))
    save_array(files.pool(version, "likely"), np.array([[1, 0], [0, 1]], np.int16))
    forget_copies(data_dir)
    rows = np.arange(2)
    plan = Plan(rows, rows > 5, rows > 5, rows, rows, rows, 2, 1.0)
    facts = TaskFacts(project, Batch(project=project, number=2), Picked(plan, {}, version), size=2)
    assert [of_row["likely"] for of_row in facts.of_further([0, 1], [0, 1])] == ["1 0", "0 1"]
