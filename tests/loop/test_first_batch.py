"""Test that a first batch covers the pool, and that chance draws the rest of it."""

from pathlib import Path

import numpy as np
import pytest
from digits import annotator, answer_batch, digits_project
from django.utils import timezone
from draining import drain

from labeling.insight.labels_saved import _first_chosen
from labeling.models import Batch, Project
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker
from labeling.steps.select import covering_rows, read_pool
from labeling.storage.arrays.files import ProjectFiles
from labeling.web.batches.reasons import reason

pytestmark = pytest.mark.django_db(transaction=True)


def kinds(batch: Batch) -> dict[str, int]:
    tasks = batch.tasks.all()
    return {
        "control": tasks.filter(is_control=True).count(),
        "covering": tasks.filter(asked=True).count(),
        "random": tasks.filter(is_control=False, asked=False).count(),
    }


@pytest.mark.long
def test_most_items_cover_the_pool_and_the_next_batches_do_without(tmp_path: Path) -> None:
    project = digits_project(tmp_path, n=300, batch_size=50)
    user = annotator(project)
    drain()
    batch = project.batches.get()
    assert kinds(batch) == {"control": 10, "covering": 32, "random": 8}
    shown = batch.tasks.filter(asked=True).select_related("item").first()
    assert shown is not None
    assert reason(batch, shown) == "Picked because many items are like it: there was no model yet."
    covering = batch.tasks.filter(asked=True).values_list("item__truth", flat=True)
    assert len(set(covering)) == 10, "every class, where 32 random digits miss one in three times"
    ranks = np.array(batch.tasks.filter(asked=True).values_list("rank", flat=True))
    assert 12 < ranks.mean() < 37, "no order tells them from others"
    assert set(project.items.drawn().filter(reserved=False).values_list("task__asked", flat=True)) == {False}
    answer_batch(project, user)
    drain()
    assert kinds(project.batches.get(number=2))["covering"] == 0
    assert _first_chosen(project, 2) == 1, "the first version is no point of the uniform curve"


def test_with_uniform_chance_draws_the_whole_batch(tmp_path: Path) -> None:
    project = digits_project(tmp_path, n=120, batch_size=50, strategy="uniform")
    drain()
    assert kinds(project.batches.get()) == {"control": 10, "covering": 0, "random": 40}
    assert _first_chosen(project, 2) == 2


def test_without_whole_features_chance_draws_the_whole_batch(tmp_path: Path) -> None:
    project = digits_project(tmp_path, n=120, batch_size=50)
    Worker(run_step).run_next()
    project.refresh_from_db()
    pool = read_pool(project, project.encoded_rows)
    path = ProjectFiles(project).features(project.features_generation)
    assert len(covering_rows(project, pool, 50, 5)) == 32
    path.write_bytes(path.read_bytes()[:1000])
    assert covering_rows(project, pool, 50, 5).size == 0
    drain()
    assert kinds(project.batches.get()) == {"control": 10, "covering": 0, "random": 40}


def test_the_same_pool_gives_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = digits_project(tmp_path, n=120, batch_size=50)
    drain()
    Batch.objects.all().delete()
    project = Project.objects.get()
    pool = read_pool(project, project.encoded_rows)
    rows = covering_rows(project, pool, 50, 5)
    assert rows.tolist() == covering_rows(project, pool, 50, 5).tolist()
    assert not np.isin(rows, pool.rows[pool.reserved]).any()
    project.items.filter(row__in=pool.rows[~pool.reserved][:20].tolist()).update(queued_at=timezone.now())
    assert len(covering_rows(project, pool, 50, 5)) == 16, "chance draws a fifth beside what a manager asked for"
    monkeypatch.setattr("labeling.steps.select.MOST_COVERING", 7)
    assert len(covering_rows(project, pool, 50, 5)) == 7
    assert covering_rows(project, pool, 5000, 5).size == 0, "all items are taken in any case"
    features = np.random.default_rng(0).normal(size=(120, 3)).astype(np.float16)
    monkeypatch.setattr(ProjectFiles, "stored_features", lambda self: features)
    assert len(covering_rows(project, pool, 50, 5)) == 7
    features[pool.rows[~pool.reserved][0], 1] = np.nan
    assert covering_rows(project, pool, 50, 5).size == 0, "the batch opens, and chance draws it"
