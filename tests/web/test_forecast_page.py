"""Test that the settings page forecasts the next batch while a manager types, and names the basis of the forecast."""

from typing import Any

import numpy as np
import pytest
from factories import make_items, make_project
from pages import make_history, manager, text_of

from labeling.models import Project
from labeling.storage.arrays import stored
from labeling.storage.arrays.batch_forecast import Sample, draw_sample
from labeling.storage.arrays.files import ProjectFiles

pytestmark = pytest.mark.django_db


def surveyed(data_dir: Any, n: int = 400, **sizes: int) -> Project:
    """Create a pool of clusters of four, whose margins rise by one thousandth each."""
    project = make_project(batch_size=20, candidate_factor=5, mean_cluster_size=4, control_share=0)
    make_history(project, 2)
    make_items(project, n, first=100)
    joined_by = np.where(np.arange(1, n) % 4, 0, n)
    sample = draw_sample(
        np.arange(n) / 1000, joined_by, leaves=n, version=2, batch=3, rng=np.random.default_rng(0), **sizes
    )
    path = ProjectFiles(project).sample
    path.parent.mkdir(parents=True)
    stored.save(path, sample)
    return project


def test_the_page_tells_what_the_next_batch_holds_and_follows_what_is_typed(data_dir: Any) -> None:
    project = surveyed(data_dir)
    client = manager(project)
    rows = client.get("/p/digits/settings/consequence/", {"candidate_factor": "1"}).json()["rows"]
    assert (rows["highest-margin"]["was"], rows["highest-margin"]["now"]) == ("0.099", "0.019")
    assert (rows["clusters"]["was"], rows["clusters"]["now"]) == ("25", "5")
    assert rows["largest"]["now"] == "at most 4"
    assert rows["first-pass"]["now"].startswith("25")
    rows = client.get("/p/digits/settings/consequence/", {"mean_cluster_size": "1"}).json()["rows"]
    assert rows["clusters"]["now"] == "100"
    rows = client.get("/p/digits/settings/consequence/", {"strategy": "margin"}).json()["rows"]
    assert rows["first-pass"] == {"was": "100\u00a0%", "now": "–", "detail": "there are no passes"}
    rows = manager(project).get("/p/digits/settings/consequence/", {"candidate_factor": ""}).json()["rows"]
    # Twenty clusters of four: the twentieth begins at the 77th item.
    assert (rows["candidates"]["was"], rows["candidates"]["now"]) == ("100", "77")
    assert rows["first-pass"]["now"].startswith("100")
    Project.objects.update(candidate_factor=None)
    assert "77 that the model is least sure of" in text_of(manager(project).get("/p/digits/settings/batch/"))
    Project.objects.update(candidate_factor=5)
    page = text_of(manager(project).get("/p/digits/settings/batch/"))
    for said in (
        "0.099 of a candidate: 0 is undecided, 1 is sure",
        "25 that the candidates fall in",
        "at most 1 of the 4 candidates in it",
        "100 % of the picked items, each from another cluster",
    ):
        assert said in page
    assert "Based on the predictions of version 2 when batch 3 was picked." in page
    assert "class guard is not included" not in page
    Project.objects.update(class_guard=2)
    assert "The class guard is not included." in text_of(manager(project).get("/p/digits/settings/batch/"))


def test_an_estimate_says_so(data_dir: Any) -> None:
    project = surveyed(data_dir, most=200, stretch=20)
    page = text_of(manager(project).get("/p/digits/settings/batch/"))
    assert "estimated from a sample of 200 of 400" in page


def test_nothing_is_forecast_without_a_sample(data_dir: Any) -> None:
    project = make_project()
    make_items(project, 5)
    assert "forecast of what will be picked needs a model" in text_of(manager(project).get("/p/digits/settings/batch/"))
    make_history(project, 1, size=0)
    page = text_of(manager(project).get("/p/digits/settings/batch/"))
    assert "picked appears shortly after the next batch opens" in page
    assert "Highest margin" not in page
    path = ProjectFiles(project).sample
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PK damaged")
    assert stored.load(path, Sample) is None
    assert manager(project).get("/p/digits/settings/batch/").status_code == 200
