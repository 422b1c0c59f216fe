"""The history of batches, and how one was selected."""

from __future__ import annotations

import pytest
from django.urls import reverse
from factories import make_items, make_open_batch, make_project
from pages import make_history, manager, member, text_of

from labeling.models import Batch, Project, Role, Task

pytestmark = pytest.mark.django_db


def address(project: Project, number: int) -> str:
    return reverse("project-batch", args=[project.slug, number])


def test_before_the_first_batch() -> None:
    page = text_of(manager(make_project()).get("/p/digits/batches/"))
    assert "No batch yet" in page
    assert "Import items" in page


def test_all_batches_the_newest_first_in_pages() -> None:
    project = make_project()
    for number in range(1, 31):
        Batch.objects.create(project=project, number=number, state="done", size=2, strategy="seed")
    client = manager(project)
    page = client.get("/p/digits/batches/").content.decode()
    assert page.index(address(project, 30)) < page.index(address(project, 6))
    assert address(project, 5) not in page
    assert 'href="?page=2"' in page
    assert address(project, 5) in client.get("/p/digits/batches/?page=2").content.decode()
    assert client.get("/p/digits/batches/?page=nonsense").status_code == 200


def test_a_batch_tells_how_it_was_selected() -> None:
    project = make_project()
    make_history(project, 1)
    Batch.objects.filter(number=2).update(
        batch_size=3, candidate_factor=5, candidates=15, mean_cluster_size=10, cut_height=0.125, clusters=7,
        control_tasks=1, pool_size=900, pool_rows=1000, features_hash="f" * 64, margins_hash="a" * 64,
        dendrogram_hash="d" * 64, select_seconds=1.25,
    )  # fmt: skip
    page = text_of(manager(project).get(address(project, 2)))
    for fact in ("Seed 2 ", "Candidates 15 ", "Clusters 7 ", "Cut height 0.125", "Control tasks 1 (10", "Pool 900 "):
        assert fact in page, fact
    for fact in ("by cluster-margin, version 1", "f" * 64, "a" * 64, "d" * 64):
        assert fact in page, fact


def test_its_tasks_are_there_for_those_who_may_export() -> None:
    project = make_project()
    batch = make_open_batch(project, make_items(project, 3))
    Task.objects.filter(batch=batch, rank=1).update(
        margin=0.25, cluster=4, cluster_size=2, draw_pass=0, is_control=True, outstanding=0, free=0
    )
    Task.objects.filter(batch=batch, rank=2).update(outstanding=0, free=0)
    project.items.filter(task__rank=1).update(label=3)
    for role in (Role.MANAGER, Role.ENGINEER):
        page = text_of(member(project, role).get(address(project, 1)))
        assert "0 item-0000 open – – – – 1 item-0001 3 0.2500 4 2 0 control 2 item-0002 skipped" in page
    page = text_of(member(project, Role.ANNOTATOR).get(address(project, 1)))
    assert "item-0001" not in page
    assert "control" not in page


@pytest.mark.parametrize(
    ("question", "label", "shown"),
    [("multi", [0, 2], "0, 2"), ("multi", [], "none applies"), ("verify", True, "yes"), ("verify", False, "no")],
)
def test_every_kind_of_label_is_shown(question: str, label: object, shown: str) -> None:
    project = make_project(question=question)
    make_open_batch(project, make_items(project, 1))
    project.items.update(label=label)
    assert f"0 item-0000 {shown} –" in text_of(manager(project).get(address(project, 1)))


def test_tasks_come_in_pages() -> None:
    project = make_project()
    make_open_batch(project, make_items(project, 60))
    client = manager(project)
    assert "Page 1 of 2" in text_of(client.get(address(project, 1)))
    assert "item-0059" not in text_of(client.get(address(project, 1)))
    assert "item-0059" in text_of(client.get(f"{address(project, 1)}?page=2"))


def test_a_batch_that_is_being_picked() -> None:
    project = make_project()
    Batch.objects.create(project=project, number=1)
    page = text_of(manager(project).get(address(project, 1)))
    assert "It is still being picked." in page
    assert "There are none yet." in page
