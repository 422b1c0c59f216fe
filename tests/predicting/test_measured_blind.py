"""Test predictions that are measured against people who did not see them: which items count, and who is told."""

from typing import Any

import numpy as np
import pytest
from django.test import Client
from factories import make_member
from handed import CLASSES, answer_open_batch, given_project, hand_in, npz, places_of, predictions, sure_of_right
from rest_framework.test import APIClient
from snapshots import Snapshot

from labeling.insight.measured_blind import MeasuredBlind, measured_blind
from labeling.labels import corrections
from labeling.models import Annotation, Project, Role, Task, User
from labeling.questions.base import Stored
from labeling.storage.arrays.files import ProjectFiles

pytestmark = pytest.mark.django_db(transaction=True)
ADDRESS = "/api/v1/projects/p/models/1/measured-blind/"


@pytest.fixture
def project(snapshot: Snapshot) -> Project:
    """Return a project with predictions that are right but for those of every third item, and two answered batches:
    one from before the predictions came.
    """
    if not snapshot.lay():
        project = given_project(80, strategy="margin")
        answer_open_batch(project)
        ids, places = places_of(project)
        p = sure_of_right(np.where(np.arange(len(places)) % 3 == 0, -places, places))
        assert hand_in(project, npz(ids=ids, probabilities=p, classes=CLASSES)).version is not None
        answer_open_batch(project)
        snapshot.keep()
    return Project.objects.get()


def measured(project: Project) -> MeasuredBlind:
    found = measured_blind(project, project.versions.get(number=1))
    assert found is not None
    return found


def slow(project: Project, **conditions: Any) -> tuple[int, int]:
    """Return how many of these labeled items the predictions got right, and their number, item by item."""
    ids = sorted(project.items.values_list("external_id", flat=True))
    right = n = 0
    for item in project.items.filter(label__isnull=False, **conditions):
        n += 1
        right += ids.index(item.external_id) % 3 != 0
    return right, n


def counts(share: Any) -> tuple[int, int]:
    return round((share.value or 0) * share.n), share.n


def test_the_figures_are_those_of_a_slow_count(project: Project) -> None:
    found = measured(project)
    came = project.prediction_sets.get().created_at
    assert counts(found.control.predictions) == slow(project, reserved=True)
    assert counts(found.blind.predictions) == slow(project)
    assert counts(found.later.predictions) == slow(project, labeled_at__gt=came)
    assert 0 < found.later.predictions.n < found.blind.predictions.n
    assert found.gold.predictions.n == 0
    assert found.blind.people.n == 0, "one person answers an item: nobody can judge"
    assert found.in_place_of_person.passes is None
    right, n = slow(project)
    assert sum(each.items for each in found.mistakes) == n - right
    assert sum(each.right.n for each in found.classes) == n
    assert {each.name for each in found.classes} == set(CLASSES)


def test_what_somebody_may_have_seen_does_not_count(project: Project) -> None:
    all_of_them = measured(project).blind.predictions.n
    shown, corrected = (
        Task.objects.filter(is_control=False, annotations__isnull=False).select_related("item").order_by("pk")[:2]
    )
    Task.objects.filter(pk=shown.pk).update(prompted=True)
    item = corrected.item
    assert item is not None
    corrections.correct(item=item, user=User.objects.get(username="mona"), value=Stored(item.label))
    assert measured(project).blind.predictions.n == all_of_them - 2
    project.items.filter(task__isnull=False, task__is_control=False).exclude(pk=item.pk).update(
        excluded_at="2026-01-01T00:00Z"
    )
    assert measured(project).blind.predictions.n == measured(project).control.predictions.n


def test_gold_items_count_by_their_known_answer(project: Project) -> None:
    before = measured(project)
    ids = sorted(project.items.values_list("external_id", flat=True))
    item = next(each for each in project.items.filter(label__isnull=False) if ids.index(each.external_id) % 3)
    project.items.filter(pk=item.pk).update(gold=1 - int(item.truth or 0))
    found = measured(project)
    assert counts(found.gold.predictions) == (0, 1), "what is known counts, and not the label"
    right, n = counts(before.blind.predictions)
    assert counts(found.blind.predictions) == (right - 1, n)


def test_people_stand_beside_it_where_others_can_judge(project: Project) -> None:
    for name in ("bo", "cem"):
        user = make_member(project, name)
        Annotation.objects.bulk_create(
            Annotation(task=task, user=user, value=task.item.truth)
            for task in Task.objects.filter(annotations__isnull=False).select_related("item").distinct()
            if task.item is not None
        )
    found = measured(project)
    assert counts(found.blind.people) == (3 * found.blind.predictions.n,) * 2
    test = found.in_place_of_person
    assert (test.passes, test.people, test.won) == (False, 3, 0)
    client = Client()
    client.force_login(User.objects.get(username="mona"))
    page = client.get("/p/p/models/1/").content.decode()
    assert "Measured blind" in page
    assert "They could not stand in for a person here." in page


def test_managers_engineers_and_auditors_are_told_and_nobody_else(project: Project) -> None:
    for role in Role:
        user = make_member(project, f"a-{role}", role)
        client, pages = APIClient(), Client()
        client.force_authenticate(user)
        pages.force_login(user)
        told = role in (Role.MANAGER, Role.ENGINEER, Role.AUDITOR)
        assert client.get(ADDRESS).status_code == (200 if told else 403), role
        assert client.post(ADDRESS, {}).status_code == 405
        page = pages.get("/p/p/models/1/")
        assert page.status_code == (200 if told else 403), role
        assert ("Measured blind" in page.content.decode()) == told
    assert Client().get(ADDRESS).status_code == 401


def test_what_there_are_no_figures_for(project: Project) -> None:
    client = APIClient()
    client.force_authenticate(User.objects.get(username="mona"))
    ids, places = places_of(project)
    hand_in(project, npz(ids=ids, margins=np.abs(places)))
    assert client.get(ADDRESS.replace("/1/", "/2/")).status_code == 404
    assert client.get(ADDRESS.replace("/1/", "/9/")).status_code == 404
    assert client.get(ADDRESS.replace("/1/", "/0/")).status_code == 404
    path = ProjectFiles(project).owned(project.prediction_sets.earliest("pk"))
    path.write_bytes(path.read_bytes()[:100])
    damaged = client.get(ADDRESS)
    assert damaged.status_code == 404
    assert "damaged" in damaged.json()["detail"]
    path.unlink()
    assert client.get(ADDRESS).status_code == 404


@pytest.mark.parametrize("question", ["verify", "score"])
def test_other_questions(question: str) -> None:
    classes = ["1", "2", "3"] if question == "score" else CLASSES
    rows: list[dict[str, Any]] = [
        {"id": f"i{n}", "vector": [float(n), 1.0], **(
            {"truth": n % 2 == 0, "class": CLASSES[0]} if question == "verify" else {"truth": n % 3 + 1}
        )}
        for n in range(40)
    ]  # fmt: skip
    project = given_project(question=question, classes=classes, rows=rows)
    answer_open_batch(project)
    ids = [row["id"] for row in rows]
    if question == "verify":
        content = npz(ids=ids, probabilities=np.array([0.9 if row["truth"] else 0.2 for row in rows]))
    else:
        # The median is right; the most probable point is not.
        p = np.array([[[0.6, 0.2, 0.2], [0.4, 0.25, 0.35], [0.2, 0.2, 0.6]][row["truth"] - 1] for row in rows])
        content = npz(ids=ids, probabilities=p, classes=classes)
    assert hand_in(project, content).version is not None
    found = measured(project)
    assert found.blind.predictions.n > 0
    assert found.blind.predictions.value == 1


def test_good_predictions_are_calibrated_within_their_interval(project: Project) -> None:
    hand_in(project, predictions(project))
    found = measured_blind(project, project.versions.get(number=2))
    assert found is not None
    assert found.calibration is not None
    assert found.blind.predictions.value == 1
    assert found.calibration.low <= found.calibration.error <= found.calibration.high
