"""Test the pages of batches and of their selection."""

import datetime
import uuid

import pytest
from django.urls import reverse
from factories import make_items, make_member, make_open_batch, make_project
from pages import make_history, make_version, manager, member, text_of

from labeling.models import Batch, Project, Role
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer

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


def test_a_batch_that_is_being_picked() -> None:
    project = make_project()
    Batch.objects.create(project=project, number=1)
    page = text_of(manager(project).get(address(project, 1)))
    assert "It is still being picked." in page
    assert "There are none yet." in page


def test_who_answered_and_what_came_of_it() -> None:
    project = make_project()
    batch = make_open_batch(project, make_items(project, 4), overlap=1)
    annie = make_member(project, "annie")
    for task, value in zip(queue.claim(project=project, user=annie, count=4).tasks, (1, 1, 7, None), strict=True):
        skip = "unclear" if value is None else ""
        given = Answer(uuid.uuid4(), task.pk, value=value, skip_reason=skip, seconds=9)
        submitting.submit(project=project, user=annie, answers=[given])
    page = text_of(manager(project).get(address(project, 1)))
    assert "3 answered 1 skipped" in page
    assert "Who answered Annotator Answered Skipped Last answer annie 3 1 just now" in page
    assert "“1” is the most frequent label: 66.7 % of 3 labeled items" in page
    assert "annie" not in text_of(member(project, Role.ANNOTATOR).get(address(project, 1)))
    control = {"accuracy": 0.9, "low": 0.8, "high": 0.95, "n": 40}
    make_version(batch, 1, metrics={"control": control})
    assert "36 s 90.0 % 80.0 % to 95.0 %" in text_of(manager(project).get("/p/digits/batches/"))


def test_a_batch_of_imported_labels_or_that_ended_early_says_so() -> None:
    project = make_project()
    batch = make_open_batch(project, make_items(project, 4))
    Batch.objects.filter(pk=batch.pk).update(strategy="imported", state=Batch.State.DONE)
    page = text_of(manager(project).get(address(project, 1)))
    assert "4 imported" in page
    assert "left out" not in page
    assert "picked imported" not in page
    now = datetime.datetime(2026, 3, 2, 9, 30, tzinfo=datetime.UTC)
    Batch.objects.filter(pk=batch.pk).update(
        strategy="seed", state=Batch.State.OPEN, dropped=3, deadline_at=now, complete_share=0.5, seed=1
    )
    page = text_of(manager(project).get(address(project, 1)))
    assert "3 left out" in page
    assert "Deadline 2026-03-02 09:30 UTC ends it once 50 % of the answers are there" in page
    assert "3 left out" in text_of(manager(project).get("/p/digits/batches/"))


def test_seeds_and_hashes_stand_in_a_fold_below_the_tasks() -> None:
    project = make_project()
    make_history(project, 1)
    page = manager(project).get(address(project, 2)).content.decode()
    assert page.index('id="tasks"') < page.index('<details class="fold" id="how">') < page.index("<dt>Seed</dt>")
    client = manager(project)
    assert '<details class="fold" id="tasks">' in client.get(address(project, 2)).content.decode()
    assert '<details class="fold" id="tasks" open>' in client.get(address(project, 2) + "?part=").content.decode()
