"""Test the map on the batch page: its contents, its readers, and the page without a map."""

from typing import Any

import numpy as np
import pytest
from factories import make_project
from pages import make_history, manager, member, text_of

from labeling.models import Batch, Job, Project, Role
from labeling.storage.arrays import stored
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.arrays.stored import CONTROL, LABELED, PICKED, REST, PoolMap
from labeling.web.charts.pool_map import pool_map

KINDS = np.array([PICKED, PICKED, REST, LABELED, CONTROL, REST, REST, PICKED], np.uint8)
CLUSTERS = np.array([7, 7, 7, 7, 3, 3, 12, 5])
MAP = PoolMap(np.random.default_rng(0).random((8, 2)).astype(np.float32), KINDS, CLUSTERS)


def address(name: int) -> str:
    return f"/items/?cluster=2:{name}"


def test_it_says_where_the_picked_items_lie() -> None:
    figure = pool_map(MAP, address)
    assert figure is not None
    assert figure.finding == "3 picked items here lie in 2 of 4 clusters"
    titles = [group.title for group in figure.drawing.groups]
    assert titles == [
        "",
        "Cluster 3: 0 picked, 0 labeled before, 1 for control, 1 others here",
        "Cluster 5: 1 picked, 0 labeled before, 0 others here",
        "Cluster 7: 2 picked, 1 labeled before, 1 others here",
    ], "clusters that gave most lie on top; of a lone item there is nothing to tell"
    assert [[str(cell) for cell in row] for row in figure.rows] == [
        ["7", "2", "0", "1", "1"],
        ["5", "1", "0", "0", "0"],
    ]
    opened = ["", "", address(5), address(7)]
    assert [group.url for group in figure.drawing.groups] == opened, "nothing was picked out of the others"
    assert [group.stop for group in figure.drawing.groups] == [False, False, True, True]
    assert [text.text for text in figure.drawing.texts] == ["7", "5"]


def test_a_cluster_is_brought_out() -> None:
    figure = pool_map(MAP, address, 3)
    assert figure is not None
    assert figure.finding == "Cluster 3: 0 picked, 0 labeled before, 1 for control, 1 others here"
    assert figure.drawing.kind == "map narrowed"
    assert [group.kind for group in figure.drawing.groups][-1] == "chosen"
    unknown = pool_map(MAP, address, 99)
    assert unknown is not None
    assert unknown.drawing.kind == "map"


@pytest.mark.parametrize("clusters", [1, 60, 2000])
def test_its_size_is_bounded(clusters: int) -> None:
    rng = np.random.default_rng(1)
    kinds = rng.choice(4, 2000, p=[0.45, 0.25, 0.05, 0.25])
    figure = pool_map(PoolMap(rng.random((2000, 2)), kinds, rng.integers(0, clusters, 2000)), address)
    assert figure is not None
    size = sum(
        len(group.title) + 60 + sum(len(dots.path) + 40 for dots in group.dots) for group in figure.drawing.groups
    )
    assert size < 250_000
    dots = sum(
        dots.path.count("M")
        for group in figure.drawing.groups
        for dots in group.dots
        if dots.kind not in ("hole", "target")
    )
    assert dots == 2000
    assert len(figure.rows) <= 20


def test_an_empty_map_is_none() -> None:
    assert pool_map(PoolMap(np.empty((0, 2)), np.empty(0, int), np.empty(0, int)), address) is None


def clustered_batch() -> Project:
    project = make_project()
    make_history(project, 1)
    Batch.objects.filter(number=2).update(clusters=12, seed=1)
    return project


def survey(project: Project, **fields: Any) -> None:
    job = Job.objects.enqueue(Job.Kind.SURVEY, project=project, batch=project.batches.get(number=2))
    Job.objects.filter(pk=job.pk).update(**fields)


@pytest.mark.django_db
def test_what_stands_there_until_it_is_drawn() -> None:
    project = clustered_batch()
    client = manager(project)
    assert "Map of the pool" not in text_of(client.get("/p/digits/batches/2/"))
    survey(project)
    assert "Map of the pool The map is being drawn" in text_of(client.get("/p/digits/batches/2/"))
    Job.objects.filter(kind="survey").update(state="failed", reason="The disk is full.")
    assert "It could not be drawn: The disk is full." in text_of(client.get("/p/digits/batches/2/"))
    Job.objects.filter(kind="survey").update(state="done")
    assert "Map of the pool" not in text_of(client.get("/p/digits/batches/2/"))
    stored.save(ProjectFiles(project).map(2), MAP)
    page = client.get("/p/digits/batches/2/")
    assert "3 picked items here lie in 2 of 4 clusters" in text_of(page)
    assert page.content.count(b"<title>Cluster") == 3
    assert page.content.count(b'<a href="/p/digits/items/?cluster=2:7">') == 2, "in the drawing and in the table"
    project.batches.get(number=2).tasks.filter(rank=0).update(cluster=7)
    opened = text_of(client.get("/p/digits/items/?cluster=2:7"))
    assert "1 item matches cluster 7 of batch 2 : remove this filter" in opened
    assert "Cluster 7: 2 picked" in text_of(client.get("/p/digits/batches/2/?cluster=7"))
    ProjectFiles(project).map(2).write_bytes(b"damaged")
    assert client.get("/p/digits/batches/2/").status_code == 200


@pytest.mark.django_db
def test_who_sees_it_and_nobody_waits_for_it(django_assert_num_queries: Any) -> None:
    project = clustered_batch()
    stored.save(ProjectFiles(project).map(2), MAP)
    assert "picked items here" in text_of(member(project, Role.ENGINEER).get("/p/digits/batches/2/"))
    annotator = member(project, Role.ANNOTATOR)
    with django_assert_num_queries(8):
        assert "picked items here" not in text_of(annotator.get("/p/digits/batches/2/"))
    survey(project, state="running", phase="drawing the map of the pool", share=0.5)
    found = manager(project).get("/api/v1/projects/digits/progress/").json()
    assert found["phase"] == ""
