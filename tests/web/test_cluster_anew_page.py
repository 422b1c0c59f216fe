"""Test that pages and API show the fit of the clustering, and accept a manager's request to rebuild it."""

from typing import Any

import pytest
from django.test import Client
from factories import make_project
from pages import make_history, manager, member, text_of

from labeling.models import Batch, Clustering, Project, Role

pytestmark = pytest.mark.django_db

PAGES = ["/p/digits/", "/p/digits/batches/3/", "/p/digits/settings/batch/"]
ASK = "Cluster again before the next batch"


def clustered(**fields: Any) -> Project:
    project = make_project()
    make_history(project, 2)
    versions = list(project.versions.order_by("number"))
    Clustering.objects.create(
        project=project, embedded_by=versions[0], measured_by=versions[1], seconds=1, digest="d" * 64,
        **{"rows": 900, "joined_rows": 1000, "described_then": 0.9, "described_now": 0.85, **fields},
    )  # fmt: skip
    Batch.objects.filter(number=3).update(clusters=90, dendrogram_hash="d" * 64, seed=1)
    return project


def test_all_is_well() -> None:
    client = manager(clustered())
    for path in PAGES[:2]:
        assert ASK not in text_of(client.get(path))
    page = text_of(client.get(PAGES[2]))
    assert "Built from 900 items, by version 1’s embeddings" in page
    assert "Joined later 100 (10 %)" in page
    assert "Separation kept 94 % of their first separation, by version 2" in page
    assert ASK in page


@pytest.mark.parametrize(
    ("fields", "warning"),
    [
        ({"rows": 600}, "40 % of the items were imported after the pool was clustered."),
        ({"described_now": 0.5}, "The clusters keep 56 % of their first separation"),
    ],
)
def test_drift_is_told_with_what_to_do(fields: dict[str, Any], warning: str) -> None:
    project = clustered(**fields)
    for path in PAGES:
        page = text_of(manager(project).get(path))
        assert warning in page
        assert ASK in page
    for path in PAGES[:2]:
        engineer = text_of(member(project, Role.ENGINEER).get(path))
        assert warning in engineer
        assert "A manager can start a new clustering." in engineer
        assert ASK not in engineer
        assert warning not in text_of(member(project, Role.ANNOTATOR).get(path))


def test_a_batch_of_an_earlier_clustering_does_not_warn_of_the_present_one() -> None:
    project = clustered(rows=100)
    Batch.objects.filter(number=3).update(dendrogram_hash="e" * 64)
    assert "were imported after the pool was clustered" not in text_of(manager(project).get(PAGES[1]))


def test_asking_and_withdrawing_on_the_pages() -> None:
    project = clustered(rows=100)
    client = manager(project)
    page = client.post("/p/digits/clustering/anew/", {"back": "settings"}, follow=True)
    assert page.redirect_chain[-1][0] == "/p/digits/settings/batch/"
    assert "The pool will be clustered again before the next batch" in text_of(page)
    assert Clustering.objects.get().anew_at is not None
    assert "Keep the present clustering" in text_of(client.get("/p/digits/"))
    page = client.post("/p/digits/clustering/anew/", {"keep": "yes"}, follow=True)
    assert page.redirect_chain[-1][0] == "/p/digits/"
    assert Clustering.objects.get().anew_at is None


def test_without_a_clustering() -> None:
    client = manager(make_project())
    assert "The clustering" not in text_of(client.get("/p/digits/settings/batch/"))
    assert "not clustered yet" in text_of(client.post("/p/digits/clustering/anew/", follow=True))
    api: Client = client
    assert api.get("/api/v1/projects/digits/clustering/").status_code == 404
    answer = api.post("/api/v1/projects/digits/clustering/anew/")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert api.delete("/api/v1/projects/digits/clustering/anew/").status_code == 404


def test_the_api_tells_of_drift_and_takes_the_wish() -> None:
    project = clustered(described_now=0.45)
    client = manager(project)
    found = client.get("/api/v1/projects/digits/clustering/").json()
    assert (found["joined_share"], found["kept_share"], found["drifted"]) == (pytest.approx(0.1), 0.5, True)
    assert (found["embedded_by"], found["measured_by"], found["anew_at"]) == (1, 2, None)
    assert client.post("/api/v1/projects/digits/clustering/anew/").json()["anew_at"] is not None
    assert client.delete("/api/v1/projects/digits/clustering/anew/").json()["anew_at"] is None
