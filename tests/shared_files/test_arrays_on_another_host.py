"""Test that steps on a host without copies read a project's arrays."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from factories import make_items, make_open_batch, make_project
from pages import make_version

from labeling.models import Batch
from labeling.steps.batch_tasks import Picked, TaskFacts
from labeling.storage.arrays.batch_plan import Plan
from labeling.storage.arrays.features import BROUGHT_ROWS, append_rows
from labeling.storage.arrays.files import ProjectFiles, save_array

pytestmark = pytest.mark.django_db


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
