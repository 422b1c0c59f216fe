"""Test that batches go on after predictions of a part of the pool, and that the ways out of a failed batch lead out."""

import numpy as np
import pytest
from django.test import Client
from factories import make_project
from handed import CLASSES, answer_open_batch, given_project, npz, places_of, predictions, sure_of_right
from pages import manager as manager_of
from pages import text_of
from rest_framework.test import APIClient

from labeling.intake import prediction_sets
from labeling.loop import retrying
from labeling.models import Batch, Job, Project, User
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker
from tests.extent import some

pytestmark = pytest.mark.django_db(transaction=True)


def first(project: Project, n: int) -> bytes:
    """Return predictions for the items of the first `n` rows."""
    places = dict(zip(*places_of(project), strict=True))
    ids = list(project.items.order_by("row").values_list("external_id", flat=True)[:n])
    return npz(ids=ids, probabilities=sure_of_right(np.array([places[each] for each in ids])), classes=CLASSES)


def hand_in(project: Project, content: bytes, *, strict: bool = True) -> None:
    user = User.objects.get(username="mona")
    prediction_sets.receive(project=project, user=user, name="p.npz", chunks=[content], strict=strict)
    run()


def run() -> None:
    worker = Worker(run_step)
    while worker.run_next():
        pass


@pytest.mark.long
def test_a_set_of_a_part_after_a_whole_one_picks_on() -> None:
    project = given_project(120)
    hand_in(project, predictions(project))
    answer_open_batch(project)
    hand_in(project, first(project, 90), strict=False)
    answer_open_batch(project)
    batch = project.batches.latest("number")
    assert (batch.state, batch.selected_by.number, batch.pool_rows) == ("open", 2, 90)
    assert not project.jobs.filter(state="failed").exists()
    hand_in(project, predictions(project))
    answer_open_batch(project)
    batch = project.batches.latest("number")
    assert (batch.selected_by.number, batch.pool_rows) == (3, 120)


def fail(project: Project, kind: str) -> Batch:
    """Let the selection of the newest batch have failed in this step, for a reason that nothing repairs by itself."""
    batch = project.batches.latest("number")
    Batch.objects.filter(pk=batch.pk).update(state="failed", failed_in="selecting", reason="IndexError: index 300")
    batch.tasks.all().delete()
    batch.jobs.filter(kind=kind).update(state=Job.State.FAILED)
    batch.refresh_from_db()
    return batch


@pytest.mark.long
@pytest.mark.parametrize("way", some(["cluster", "draw", "again"], 2))
def test_a_failed_selection_begins_again_with_the_version_in_use(way: str) -> None:
    project = given_project(120, pick_ahead=None)
    hand_in(project, predictions(project))
    batch = fail(project, "cluster")
    hand_in(project, predictions(project, middle=0.2))
    client = APIClient()
    client.force_authenticate(User.objects.get(username="mona"))
    retry = f"/api/v1/projects/p/batches/{batch.number}/retry/"
    refused = client.post(retry, {"way": "skip"}, format="json").json()
    assert refused["detail"] == "Batch 1 cannot be continued this way."
    with_charset = "application/json; charset=utf-8"
    assert client.post(retry, '{"way": "jump"}', content_type=with_charset).status_code == 400
    assert client.post(retry, {"way": way}, format="json").status_code == 200
    assert client.post(retry, {"way": way}, format="json").status_code == 409
    run()
    batch.refresh_from_db()
    by = None if way == "draw" else 2
    assert (batch.state, batch.selected_by and batch.selected_by.number) == ("open", by)
    assert not project.jobs.filter(state="failed").exists()
    answer_open_batch(project)


def test_a_failed_training_can_be_left_out() -> None:
    project = given_project(60, model="network")
    answer_open_batch_but_no_training(project)
    batch = project.batches.get(number=1)
    assert [each.name for each in retrying.ways_out(batch)] == ["again", "skip"]
    retrying.retry(batch=batch, way="skip")
    run()
    assert list(project.batches.order_by("number").values_list("state", flat=True)) == ["done", "open"]


def answer_open_batch_but_no_training(project: Project) -> None:
    batch = project.batches.get()
    batch.tasks.update(free=0, outstanding=0)
    Batch.objects.filter(pk=batch.pk).update(state="failed", failed_in="training", reason="It has NaN.", remaining=0)
    Job.objects.create(project=project, batch=batch, kind=Job.Kind.TRAIN, state=Job.State.FAILED)


def test_pages_have_a_button_for_each_way() -> None:
    project = make_project()
    project.batches.create(number=1, state="failed", failed_in="selecting", reason="It broke.")
    client: Client = manager_of(project)
    for address in (f"/p/{project.slug}/", f"/p/{project.slug}/batches/1/"):
        page = text_of(client.get(address))
        assert "Try again Picks the batch again from the start" in page, page
        assert "Draw this batch at random" in page
        assert "Cluster again" not in page, "there is no clustering"
    assert "Batch 1 continues." in text_of(
        client.post(f"/p/{project.slug}/batches/1/retry/", {"way": "draw"}, follow=True)
    )
