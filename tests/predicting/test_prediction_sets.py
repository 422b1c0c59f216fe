"""Test predictions that are handed in by the API, the page and the command: what they become, and what is refused."""

import io
from pathlib import Path

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from draining import drain
from factories import make_member
from handed import (
    CLASSES,
    answer_open_batch,
    given_project,
    hand_in,
    lines,
    npz,
    places_of,
    predictions,
    put_in,
    sure_of_right,
    vectors,
)
from rest_framework.test import APIClient
from snapshots import Snapshot

from labeling.models import Job, PredictionSet, Project, Upload, User
from labeling.projects.version_in_use import in_use
from labeling.steps.stored_files import files_of
from labeling.storage.arrays.files import ProjectFiles, load_array

pytestmark = pytest.mark.django_db(transaction=True)
SETS = "/api/v1/projects/p/prediction-sets/"


@pytest.fixture
def project(snapshot: Snapshot) -> Project:
    if not snapshot.lay():
        given_project(60, strategy="margin")
        snapshot.keep()
    return Project.objects.get()


def manager() -> APIClient:
    client = APIClient()
    client.force_authenticate(User.objects.get(username="mona"))
    return client


def test_predictions_through_the_api_become_a_version_that_picks_and_is_measured(project: Project) -> None:
    client = manager()
    sent = client.post(SETS, {"file": SimpleUploadedFile("mine.npz", predictions(project))}, format="multipart")
    assert sent.status_code == 202, sent.content
    assert (sent.json()["state"], sent.json()["version"]) == ("waiting", None)
    drain()
    body = client.get(sent.json()["url"]).json()
    assert (body["state"], body["reason"], body["items"], body["version"]) == ("done", "", 60, 1)
    assert [each["id"] for each in client.get(SETS).json()] == [body["id"]]
    answer_open_batch(project)
    version = client.get("/api/v1/projects/p/models/1/").json()
    assert (version["origin"], version["batch"], version["in_use"], version["labels"]) == ("given", None, True, 0)
    assert version["control_now"]["n"] == 4
    assert version["control_now"]["accuracy"] == 1
    task = project.batches.get(number=2).tasks.filter(is_control=False).first()
    assert task is not None
    assert task.predicted is not None
    missing = client.get("/api/v1/projects/p/models/1/artifact/")
    assert (missing.status_code, missing.json()["detail"]) == (
        404, "Version 1 is made of predictions from outside: it has no files.",
    )  # fmt: skip
    run = client.post("/api/v1/projects/p/models/1/predict/", [{"vector": [0, 0]}], format="json")
    assert run.status_code == 409
    assert "It has no model" in run.json()["detail"]


@pytest.mark.long
def test_rows_as_json_lines_are_taken_too_and_in_any_order(project: Project) -> None:
    ids, places = places_of(project)
    rows = [
        {"external_id": name, "probabilities": dict(zip(CLASSES, map(float, p), strict=True))}
        for name, p in zip(ids, sure_of_right(places), strict=True)
    ]
    np.random.default_rng(1).shuffle(rows)  # type: ignore[arg-type]
    sent = manager().post(SETS, lines(rows), content_type="application/x-ndjson")
    drain()
    handed = PredictionSet.objects.get(pk=sent.json()["id"])
    assert handed.version is not None, handed.reason
    answer_open_batch(project)
    best = load_array(ProjectFiles(project).pool(handed.version, "best"))
    np.testing.assert_array_equal(best, np.array(project.items.order_by("row").values_list("truth", flat=True)))


@pytest.mark.long
def test_margins_alone_pick_but_predict_no_answers(project: Project) -> None:
    ids, places = places_of(project)
    handed = hand_in(project, npz(ids=ids, margins=np.abs(places)))
    assert handed.version is not None, handed.reason
    answer_open_batch(project)
    batch = project.batches.get(number=2)
    picked = batch.tasks.filter(is_control=False).values_list("margin", "predicted")
    assert {predicted for _, predicted in picked} == {None}
    assert max(margin for margin, _ in picked) < 0.9
    body = manager().get("/api/v1/projects/p/models/1/").json()
    assert (body["control_now"], body["metrics"]["control"]) == (None, {"n": 0})
    assert Client().get("/").status_code == 302
    for page in ("", "models/", "models/1/", "batches/2/", "finish/", "progress/", "prediction-sets/"):
        assert page_of(page).status_code == 200, page


def page_of(path: str) -> object:
    client = Client()
    client.force_login(User.objects.get(username="mona"))
    return client.get(f"/p/p/{path}")


def test_wrong_items_are_refused_whole_and_leave_nothing(project: Project) -> None:
    ids, places = places_of(project)
    p = sure_of_right(places)
    for content, reason in (
        (npz(ids=[*ids[:-1], "x"], probabilities=p, classes=CLASSES), "row 60: the project has no item “x”."),
        (npz(ids=[*ids[:-1], ids[0]], probabilities=p, classes=CLASSES), f"the item “{ids[0]}” occurs twice."),
        (npz(ids=ids[1:], probabilities=p[1:], classes=CLASSES), f"1 item has no prediction, the first is “{ids[0]}”. "
         "Send one for each item, or exclude the items without one."),
        (npz(ids=ids, probabilities=2 * p, classes=CLASSES), "is not between 0 and 1."),
    ):  # fmt: skip
        handed = hand_in(project, content)
        assert (handed.state, handed.version) == ("failed", None)
        assert handed.reason.endswith(reason), handed.reason
    assert not project.versions.exists()
    assert not Upload.objects.exists()
    folder = ProjectFiles(project).root / "arrays"
    assert not folder.exists() or not list(folder.iterdir())


PART = (
    "20 items have no prediction, the first is “{}”. The pool has 60. Send one for each item, exclude the items "
    "without one, or say that the predictions are for a part of the pool (strict: false): then these items wait for "
    "newer predictions."
)


def test_predictions_for_a_part_of_the_pool_are_taken_only_by_choice_and_the_rest_is_counted(
    project: Project, tmp_path: Path
) -> None:
    place = dict(zip(*places_of(project), strict=True))
    covered, rest = (list(project.items.order_by("row").values_list("external_id", flat=True)[s]) for s in
                     (slice(40), slice(40, None)))  # fmt: skip
    content = npz(
        ids=covered, probabilities=sure_of_right(np.array([place[each] for each in covered])), classes=CLASSES
    )
    path = tmp_path / "part.npz"
    path.write_bytes(content)
    refused = hand_in(project, content)
    assert (refused.state, refused.reason) == ("failed", PART.format(rest[0]))
    with pytest.raises(CommandError, match="20 items have no prediction"):
        call_command("hand_in_predictions", "p", path)
    client = manager()
    file = {"file": SimpleUploadedFile("part.npz", content)}
    sent = client.post(SETS, {**file, "strict": "false"}, format="multipart")
    drain()
    body = client.get(sent.json()["url"]).json()
    assert (body["state"], body["strict"], body["items"], body["left_out"]) == ("done", False, 40, 20), body["reason"]
    assert client.get("/api/v1/projects/p/models/1/").json()["metrics"]["given"]["left_out"] == 20
    output = io.StringIO()
    call_command("hand_in_predictions", "p", path, "--no-strict", stdout=output)
    assert output.getvalue() == "part.npz: predictions for 40 items are version 2, 20 items left out\n"
    for path_of_page in ("", "models/"):
        page = str(page_of(path_of_page).content.decode())  # type: ignore[attr-defined]
        assert "Version 2 has no predictions for 20 items" in " ".join(page.split()), path_of_page
    pages = Client()
    pages.force_login(User.objects.get(username="mona"))
    for part, state in ({}, "failed"), ({"part": "on"}, "done"):
        pages.post("/p/p/prediction-sets/", {"file": SimpleUploadedFile("part.npz", content), **part})
        drain()
        assert project.prediction_sets.latest("pk").state == state
    assert "20 items left out" in str(pages.get("/p/p/prediction-sets/").content)
    hole = [covered[0], *covered[2:]]
    p = sure_of_right(np.array([place[each] for each in hole]))
    path.write_bytes(npz(ids=hole, probabilities=p, classes=CLASSES))
    with pytest.raises(CommandError, match=r"1 item has no prediction.*or exclude the items without one\.$"):
        call_command("hand_in_predictions", "p", path, "--no-strict")


def test_an_excluded_item_needs_no_prediction_and_later_items_wait_for_the_next_ones(project: Project) -> None:
    ids, places = places_of(project)
    last = project.items.order_by("-row").values_list("external_id", flat=True)[0]
    out = next(name for name in ids if name != last and not project.items.get(external_id=name).reserved)
    project.items.filter(external_id=out).update(excluded_at="2026-01-01T00:00Z")
    kept = [place for place, name in enumerate(ids) if name != out]
    p = sure_of_right(places)[kept]
    handed = hand_in(project, npz(ids=[ids[place] for place in kept], probabilities=p, classes=CLASSES))
    assert (handed.state, handed.items) == ("done", 59)
    put_in(project, User.objects.get(username="mona"), vectors(40, first=1000))
    for _ in range(3):
        answer_open_batch(project)
    picked_by = list(project.batches.order_by("number").values_list("selected_by__number", "pool_rows"))
    assert picked_by[1] == (1, 60), "the later items have no predictions yet"
    assert picked_by[-1][0] is None, "no predicted item is left: the others are drawn at random"
    assert not project.jobs.filter(state="failed").exists()


@pytest.mark.long
def test_the_gate_holds_worse_predictions_back(project: Project) -> None:
    Project.objects.filter(pk=project.pk).update(batch_size=60, control_share=0.9)
    hand_in(project, predictions(project))
    answer_open_batch(project)
    put_in(project, User.objects.get(username="mona"), vectors(60, first=1000))
    worse = hand_in(project, predictions(project, steep=-8))
    assert worse.version is not None
    assert worse.version.gate["lost"] == worse.version.gate["n"] > 0
    assert worse.version.held_back
    used = in_use(project)
    assert used is not None
    assert used.version.number == 1


def test_what_is_refused_at_once(project: Project) -> None:
    file = {"file": SimpleUploadedFile("p.txt", b"x")}
    refused = manager().post(SETS, file, format="multipart")
    assert refused.status_code == 400
    assert refused.json()["detail"].startswith("p.txt: predictions are read from files that end in .npz")
    client = APIClient()
    client.force_authenticate(make_member(project, "enzo", "engineer"))
    assert client.get(SETS).json() == []
    assert client.post(SETS, {"file": SimpleUploadedFile("p.npz", b"x")}, format="multipart").status_code == 403
    Project.objects.filter(pk=project.pk).update(privacy_epsilon=4)
    refused = manager().post(SETS, predictions(project), content_type="application/octet-stream",
                             headers={"Content-Disposition": "attachment; filename=p.npz"})  # fmt: skip
    assert refused.status_code == 409
    assert refused.json()["detail"].startswith("This project has a privacy budget")


def test_the_command_hands_in_and_leaves_the_file(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    path.write_bytes(predictions(project))
    output = io.StringIO()
    call_command("hand_in_predictions", "p", path, stdout=output)
    assert output.getvalue() == "mine.npz: predictions for 60 items are version 1\n"
    assert path.exists()
    path.write_bytes(b"x")
    with pytest.raises(CommandError, match="this is no"):
        call_command("hand_in_predictions", "p", path)
    with pytest.raises(CommandError, match="There is no file"):
        call_command("hand_in_predictions", "p", tmp_path / "none.npz")


def test_while_items_come_in_the_predictions_wait_and_damage_to_their_array_is_found(project: Project) -> None:
    job = Job.objects.enqueue(Job.Kind.ENCODE, project=project)
    Job.objects.filter(pk=job.pk).update(run_after="2100-01-01T00:00Z")
    handed = hand_in(project, predictions(project))
    assert handed.state == "waiting"
    Job.objects.all().update(run_after="2020-01-01T00:00Z")
    drain()
    handed.refresh_from_db()
    assert handed.state == "done"
    names = {file.name: file for file in files_of(project)}
    path = ProjectFiles(project).owned(handed)
    names[f"arrays/{handed.pk}.npy"].check()
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)
    with pytest.raises(Exception, match="checksum mismatch"):
        names[f"arrays/{handed.pk}.npy"].check()
