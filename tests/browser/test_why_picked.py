"""Test that a manager sees why a batch was picked, weighs settings, and has the clustering rebuilt."""

import re
from typing import Any

import numpy as np
import pytest
from factories import make_items, make_member, make_project
from pages import make_history
from playwright.sync_api import Page, expect

from labeling.models import Batch, Clustering, Project, Role, Task
from labeling.storage.arrays import stored
from labeling.storage.arrays.batch_forecast import draw_sample
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.arrays.stored import CONTROL, LABELED, PICKED, REST, PoolMap

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def surveyed_project() -> Project:
    """Create a project with two finished batches and an open one picked by clusters, with its map, a sample and much
    drift.
    """
    project = make_project(
        "digits", kind="image", name="Handwritten digits", batch_size=24, candidate_factor=5, mean_cluster_size=4
    )
    make_history(project, 2, size=24)
    make_items(project, 200, first=100)
    first, second = project.versions.order_by("number")
    Batch.objects.filter(number=3).update(clusters=60, candidates=120, mean_cluster_size=4, dendrogram_hash="0c" * 32)
    rng = np.random.default_rng(4)
    for task in Task.objects.filter(batch__number=3):
        task.is_control = task.rank % 8 == 3
        task.margin, task.confidence, task.predicted = rng.random() / 3, 0.5 + rng.random() / 2, task.item.truth
        task.cluster = int(rng.integers(0, 12))
        if not task.is_control:
            task.cluster_size, task.draw_pass = int(rng.integers(1, 9)), task.rank % 2
        task.save()
    Clustering.objects.create(
        project=project, embedded_by=first, measured_by=second, rows=150, joined_rows=272, seconds=3, digest="0c" * 32,
        described_then=0.9, described_now=0.6,
    )  # fmt: skip
    files = ProjectFiles(project)
    clusters = rng.integers(0, 60, 1200)
    places = rng.random((60, 2))[clusters] * 0.9 + 0.05 * rng.random((1200, 2))
    kinds = rng.choice([REST, LABELED, CONTROL, PICKED], 1200, p=[0.8, 0.12, 0.02, 0.06])
    stored.save(files.map(3), PoolMap(places, kinds, clusters))
    joined_by = np.where(np.arange(1, 400) % 4, 0, 400)
    sample = draw_sample(np.arange(400) / 1000, joined_by, leaves=400, version=2, batch=3, rng=rng)
    stored.save(files.sample, sample)
    return project


@pytest.mark.long
def test_settings_typed_before_the_script_is_there_are_forecast_too(open_page: Any) -> None:
    page: Page = open_page(make_member(surveyed_project(), "mona", Role.MANAGER), "/p/digits/")
    held: list[Any] = []
    page.route("**/settings.js", lambda route: held.append(route))
    page.goto("/p/digits/settings/", wait_until="commit")
    page.get_by_label("Batch size").fill("40")
    expect(page.get_by_label("Batch size")).to_have_value("40")
    assert len(held) == 1
    with page.expect_response(lambda response: "batch_size=40" in response.url):
        held[0].continue_()


def test_settings_forecast_while_they_are_typed(open_page: Any) -> None:
    page: Page = open_page(make_member(surveyed_project(), "mona", Role.MANAGER), "/p/digits/settings/batch/")
    clusters = page.locator("[data-row=clusters]")
    before = clusters.locator(".now").text_content()
    page.get_by_label("Mean cluster size").fill("1")
    expect(clusters.locator(".was")).to_be_visible()
    expect(clusters.locator(".now")).not_to_have_text(before or "")
    expect(page.locator("#consequence")).to_contain_text("Clusters:")
    page.get_by_role("radio", name=re.compile("^Margin: what the model is least sure of")).check()
    expect(page.locator("[data-row=first-pass]")).to_contain_text("there are no passes")
