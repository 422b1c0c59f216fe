"""Test that the forecast of the next batch equals the average of real selections, also from a sample."""

from pathlib import Path

import numpy as np
import pytest
from digits import annotator, answer_batch, digits_project
from django.utils import timezone
from hosts import drain
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.loop.step import Step
from labeling.models import Batch, Job
from labeling.steps import survey as surveying
from labeling.steps.cluster import clusters_at
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker
from labeling.steps.select import read_pool
from labeling.storage.arrays import stored
from labeling.storage.arrays.batch_forecast import BatchForecast, Sample, draw_sample, expected_draws, forecast_batch
from labeling.storage.arrays.files import ProjectFiles, load_array
from selector.candidates import sufficient_factor
from selector.cluster_margin import select
from selector.dendrogram import Dendrogram
from selector.leaves import in_line
from selector.linkage import average_linkage
from tests.extent import examples


def drawn_literally(sizes: list[int], wanted: int, rng: np.random.Generator) -> np.ndarray:
    """Draw in passes, smallest groups first, equal ones in random order."""
    order = sorted(range(len(sizes)), key=lambda group: (sizes[group], rng.random()))
    drawn = np.zeros(len(sizes), int)
    while drawn.sum() < min(wanted, sum(sizes)):
        for group in order:
            if drawn[group] < sizes[group] and drawn.sum() < wanted:
                drawn[group] += 1
    return drawn


@given(st.lists(st.integers(1, 6), min_size=1, max_size=8), st.integers(1, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=examples(150), deadline=None)
def test_expected_draws_are_the_mean_of_the_literal_drawing(sizes: list[int], wanted: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    expected = expected_draws(np.array(sizes), wanted)
    assert expected.sum() == pytest.approx(min(wanted, sum(sizes)))
    runs = np.array([drawn_literally(sizes, wanted, rng) for _ in range(20)])
    assert (runs >= np.floor(expected) - 1e-9).all()
    assert (runs <= np.ceil(expected) + 1e-9).all()
    for size in set(sizes):  # of equal groups, how many of them are reached is certain
        alike = np.array(sizes) == size
        assert runs[:, alike].sum(axis=1) == pytest.approx(expected[alike].sum())


def pool(n: int, seed: int = 0) -> tuple[Dendrogram, np.ndarray]:
    """Return a clustered pool with similar margins within clusters."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, n // 12, n)
    points = rng.normal(size=(n // 12, 8))[group] + 0.1 * rng.normal(size=(n, 8))
    margins = np.clip(rng.random(n // 12)[group] + 0.15 * rng.normal(size=n), 0, None) + 1e-9 * rng.random(n)
    return average_linkage(points), margins


def sample_of(tree: Dendrogram, margins: np.ndarray, **sizes: int) -> Sample:
    items, joined_by = in_line(tree)
    rng = np.random.default_rng(1)
    return draw_sample(margins[items], joined_by, leaves=tree.size, version=1, batch=2, rng=rng, **sizes)


def really(tree: Dendrogram, margins: np.ndarray, picked: int, factor: float, size: float) -> list[BatchForecast]:
    """Return the means over several runs of the real selection."""
    clusters = tree.cut(mean_cluster_size=size)
    found = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        chosen = select(margins, clusters, batch_size=picked, candidate_factor=factor, rng=rng)
        candidates = np.argsort(margins)[: chosen.candidates]
        found.append(
            BatchForecast(
                candidates=chosen.candidates,
                highest_margin=float(margins[candidates].max()),
                mean_margin=float(margins[chosen.indices].mean()),
                clusters=len(np.unique(clusters[candidates])),
                most=int(np.bincount(clusters[chosen.indices]).max()),
                most_of=None,
                first_pass=float((chosen.passes == 0).mean()),
            )
        )
    return found


@pytest.mark.parametrize("size", [1, 2, 7.5, 40, 10_000])
@pytest.mark.parametrize(("picked", "factor"), [(50, 1.0), (50, 4.0), (200, 2.5), (900, 5.0)])
def test_a_pool_that_fits_is_forecast_exactly(picked: int, factor: float, size: float) -> None:
    tree, margins = pool(1200)
    sample = sample_of(tree, margins)
    assert sample.exact
    found = forecast_batch(
        sample, strategy="cluster-margin", picked=picked, candidates=round(picked * factor), mean_cluster_size=size
    )
    runs = really(tree, margins, picked, factor, size)
    assert found is not None
    assert found.highest_margin == pytest.approx(runs[0].highest_margin)
    assert found.clusters == runs[0].clusters
    assert found.first_pass == pytest.approx(runs[0].first_pass)
    assert found.most in {run.most for run in runs}
    means = [run.mean_margin for run in runs]
    assert found.mean_margin == pytest.approx(np.mean(means), abs=4 * np.std(means) / np.sqrt(len(means)) + 1e-6)


def test_a_sample_forecasts_what_the_whole_pool_gives() -> None:
    tree, margins = pool(9000, seed=3)
    sample = sample_of(tree, margins, most=3000, stretch=300)
    assert len(sample.margins) == 3000
    assert not sample.exact
    for size in (2, 10, 30):
        found = forecast_batch(sample, strategy="cluster-margin", picked=600, candidates=2400, mean_cluster_size=size)
        run = really(tree, margins, 600, 4.0, size)[0]
        assert found is not None
        assert found.highest_margin == pytest.approx(run.highest_margin, rel=0.02)
        assert found.clusters == pytest.approx(run.clusters, rel=0.2)
        assert found.first_pass == pytest.approx(run.first_pass, abs=0.2)
        assert found.mean_margin == pytest.approx(run.mean_margin, abs=0.05)


@pytest.mark.parametrize("size", [1, 4, 40])
@pytest.mark.parametrize("picked", [1, 20, 200, 1200])
def test_as_many_candidates_as_it_takes(picked: int, size: float) -> None:
    tree, margins = pool(1200)
    factor = sufficient_factor(margins, tree.cut(mean_cluster_size=size), batch_size=picked)
    found = forecast_batch(
        sample_of(tree, margins), strategy="cluster-margin", picked=picked, candidates=None, mean_cluster_size=size
    )
    assert found is not None
    assert found.candidates == round(factor * picked)


def test_as_many_candidates_as_it_takes_are_estimated_from_a_sample() -> None:
    tree, margins = pool(9000, seed=3)
    sample = sample_of(tree, margins, most=3000, stretch=300)
    for size in (2, 10, 30):
        factor = sufficient_factor(margins, tree.cut(mean_cluster_size=size), batch_size=600)
        found = forecast_batch(sample, strategy="cluster-margin", picked=600, candidates=None, mean_cluster_size=size)
        assert found is not None
        assert found.candidates == pytest.approx(factor * 600, rel=0.25)


def test_other_strategies() -> None:
    tree, margins = pool(600)
    sample = sample_of(tree, margins)
    doubt = forecast_batch(sample, strategy="margin", picked=60, candidates=60, mean_cluster_size=10)
    assert doubt is not None
    assert doubt.mean_margin == pytest.approx(np.sort(margins)[:60].mean())
    assert doubt.first_pass is None
    anything = forecast_batch(sample, strategy="uniform", picked=60, candidates=600, mean_cluster_size=10)
    assert anything is not None
    assert anything.mean_margin == pytest.approx(margins.mean())
    assert forecast_batch(sample, strategy="something-else", picked=60, candidates=600, mean_cluster_size=10) is None
    assert forecast_batch(sample, strategy="margin", picked=0, candidates=0, mean_cluster_size=10) is None
    bare = draw_sample(margins, np.zeros(599, np.int64), leaves=0, version=1, batch=2, rng=np.random.default_rng(0))
    found = forecast_batch(bare, strategy="margin", picked=60, candidates=60, mean_cluster_size=10)
    assert found is not None
    assert (found.clusters, found.most) == (None, None)
    assert forecast_batch(bare, strategy="cluster-margin", picked=60, candidates=90, mean_cluster_size=10) is None


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_each_batch_leaves_a_sample_of_what_is_left(tmp_path: Path) -> None:
    project = digits_project(tmp_path, n=300)
    user = annotator(project)
    drain()
    assert stored.load(ProjectFiles(project).sample, Sample) is None, "no model yet"
    answer_batch(project, user)
    drain()
    sample = stored.load(ProjectFiles(project).sample, Sample)
    assert sample is not None
    batch = Batch.objects.get(number=2)
    margins = load_array(ProjectFiles(project).pool(batch.selected_by, "margins"))
    left = read_pool(project, 300)
    rows = left.rows[~left.reserved]
    assert (sample.open, sample.batch, sample.version, sample.leaves) == (len(rows), 2, 1, 300)
    assert np.sort(sample.margins).tolist() == np.sort(margins[rows]).tolist()
    clusters, _ = clusters_at(project, project.clustering, 10)
    found = forecast_batch(sample, strategy="cluster-margin", picked=20, candidates=60, mean_cluster_size=10)
    assert found is not None
    assert found.clusters == len(np.unique(clusters[rows[np.argsort(margins[rows], kind="stable")[:60]]]))


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_a_survey_gives_way_and_never_stops_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = digits_project(tmp_path, n=200)
    user = annotator(project)
    worker = Worker(run_step)
    while not Job.objects.waiting().filter(kind=Job.Kind.SURVEY).exists():
        worker.run_next()
    answer_batch(project, user)
    job = Job.objects.waiting().get(kind=Job.Kind.SURVEY)
    assert not job.urgent
    assert Job.objects.due(timezone.now()).first().kind == Job.Kind.TRAIN, "the loop comes first"
    while not Job.objects.filter(kind=Job.Kind.SURVEY, batch__number=2).exists():
        worker.run_next()
    answer_batch(project, user)  # training is due while the pool is being surveyed
    survey = Job.objects.get(kind=Job.Kind.SURVEY, batch__number=2)
    Job.objects.take(survey, worker.name, survey.run_after)
    run_step(Step(survey))
    survey.refresh_from_db()
    assert survey.state == Job.State.WAITING

    def fail(*args: object, **options: object) -> None:
        raise RuntimeError("The disk is full.")

    monkeypatch.setattr(surveying, "draw_sample", fail)
    while worker.run_next():
        pass
    survey.refresh_from_db()
    assert (survey.state, survey.reason) == (Job.State.FAILED, "RuntimeError: The disk is full.")
    assert Batch.objects.get(number=3).state == Batch.State.OPEN
