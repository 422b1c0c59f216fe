"""Test the map of the pool: clusters are visible, the batch is right, and it never delays the loop."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from digits import annotator, answer_batch, digits_project
from draining import drain

from labeling.loop.step import GaveWay, Step
from labeling.models import Batch, Clustering, Item, Job, Project
from labeling.steps import layout
from labeling.steps import survey as mapping
from labeling.steps.cluster import clusters_at
from labeling.steps.layout import FEW, lay_out
from labeling.storage.arrays import stored
from labeling.storage.arrays.batch_forecast import Sample
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.arrays.stored import CONTROL, LABELED, PICKED, REST, PoolMap
from tests.extent import some


@pytest.mark.parametrize("n", some([120, FEW + 20]))
def test_what_is_alike_lies_together(n: int) -> None:
    rng = np.random.default_rng(0)
    group = rng.integers(0, 6, n)
    points = rng.normal(size=(6, 20))[group] + 0.1 * rng.normal(size=(n, 20))
    places = lay_out(points, 1)
    assert places.shape == (n, 2)
    assert places.min() == 0
    assert places.max() == pytest.approx(1)
    assert (places == lay_out(points, 1)).all(), "the same seed, the same map"
    distances = ((places[:, None] - places[None]) ** 2).sum(axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (group[distances.argmin(axis=1)] == group).mean() > 0.9


@pytest.mark.parametrize(
    "points",
    [
        np.empty((0, 3)),
        np.ones((1, 3)),
        np.zeros((5, 1)),
        np.full((FEW + 5, 3), 0.1),
        np.repeat(np.eye(3), FEW // 2, axis=0),
    ],
)
def test_there_may_be_little_to_lay_out(points: np.ndarray) -> None:
    places = lay_out(points, 0)
    assert places.shape == (len(points), 2)
    assert np.isfinite(places).all()


@pytest.fixture
def mapped(tmp_path: Path) -> Project:
    """Create a project with an open and surveyed second batch; its map is drawn without a process, because the pool is
    small.
    """
    project = digits_project(tmp_path, n=300)
    user = annotator(project)
    drain()
    answer_batch(project, user)
    drain()
    return project


def check_map(mapped: Project) -> None:
    """Check that the map shows the open second batch and what was labeled before."""
    batch = Batch.objects.get(number=2)
    found = stored.load(ProjectFiles(mapped).map(2), PoolMap)
    assert found is not None
    assert stored.load(ProjectFiles(mapped).map(1), PoolMap) is None, "the first batch knows no clusters"
    counts = np.bincount(found.kinds, minlength=4)
    picked = batch.tasks.filter(is_control=False)
    assert counts[PICKED] == picked.count()
    assert counts[CONTROL] == batch.tasks.filter(is_control=True).count()
    assert counts[LABELED] == Item.objects.labeled().count()
    assert counts[REST] == mapped.items.count() - counts[PICKED] - counts[CONTROL] - counts[LABELED]
    assert sorted(found.clusters[found.kinds == PICKED]) == sorted(picked.values_list("cluster", flat=True))
    clusters, _ = clusters_at(mapped, Clustering.objects.get(), batch.mean_cluster_size)
    assert np.bincount(found.clusters).tolist() == np.bincount(clusters).tolist(), "each item once, in its cluster"


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_a_large_pool_is_sampled(mapped: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, most in (("FROM_BATCH", 20), ("FROM_LABELED", 15), ("POINTS", 90)):
        monkeypatch.setattr(mapping, name, most)
    batch, rng = Batch.objects.get(number=2), np.random.default_rng(0)
    rows, kinds = mapping._choose(mapped, batch, 300, rng)
    assert len(rows) == len(set(rows.tolist())) == 90
    assert (kinds >= CONTROL).sum() == 20
    assert 0 < (kinds == LABELED).sum() <= 15
    rows, kinds = mapping._choose(mapped, batch, 100, rng)
    assert (rows < 100).all(), "what has no place in the clustering is left out"


def survey_again(project: Project) -> Job:
    ProjectFiles(project).map(2).unlink()
    job = Job.objects.get(kind=Job.Kind.SURVEY, batch__number=2)
    Job.objects.filter(pk=job.pk).update(state=Job.State.WAITING)
    return Job.objects.get(pk=job.pk)


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_it_is_ended_when_the_loop_needs_the_worker(mapped: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []
    popen = mapping.subprocess.Popen
    monkeypatch.setattr(mapping.subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[0])
    monkeypatch.setattr(mapping, "FEW", 100)
    job = survey_again(mapped)
    step = Step(job)
    Job.objects.take(job, "me:1:x", job.run_after)
    monkeypatch.setattr(step, "urgent_work_is_due", lambda: bool(started))
    clustering = Clustering.objects.get()
    with pytest.raises(GaveWay):
        mapping.draw_map(step, mapped, clustering, Batch.objects.get(number=2))
    assert started[0].poll() is not None, "its process is gone"


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_a_map_that_cannot_be_drawn_stops_nothing(mapped: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    job = survey_again(mapped)
    monkeypatch.setattr(mapping, "FEW", 100)
    monkeypatch.setattr(mapping.sys, "executable", "/bin/false")
    drain(may_fail=True)
    job.refresh_from_db()
    assert (job.state, job.reason) == (Job.State.FAILED, "The map could not be laid out: no word of it")
    batch = Batch.objects.get(number=2)
    assert batch.state == Batch.State.OPEN
    answer_batch(mapped, mapped.memberships.first().user)
    monkeypatch.undo()
    drain(may_fail=True)
    assert Batch.objects.get(number=3).state == Batch.State.OPEN


def test_the_program_writes_what_the_function_gives(tmp_path: Path) -> None:
    points = np.random.default_rng(2).normal(size=(40, 5))
    np.save(tmp_path / "in.npy", points)
    root = Path(layout.__file__).parents[2]
    command = [sys.executable, "-m", "labeling.steps.layout", str(tmp_path / "in.npy"), str(tmp_path / "out.npy"), "3"]
    subprocess.run(command, cwd=root, check=True)
    assert (np.load(tmp_path / "out.npy") == lay_out(points, 3)).all()


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_a_survey_that_comes_late_tells_nothing_of_other_clusters_and_overwrites_nothing(mapped: Project) -> None:
    job = survey_again(mapped)
    files = ProjectFiles(mapped)
    sample = stored.load(files.sample, Sample)
    assert sample is not None
    stored.save(files.sample, replace(sample, batch=3))
    Batch.objects.filter(number=2).update(dendrogram_hash="of the clustering before")
    drain()
    job.refresh_from_db()
    assert job.state == Job.State.DONE
    assert stored.load(files.map(2), PoolMap) is None
    kept = stored.load(files.sample, Sample)
    assert kept is not None
    assert kept.batch == 3
