"""Test that a server with Label Studio's ML-backend protocol is asked for predictions, which then pick batches."""

import base64
import json
import socket
import subprocess
import venv
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.test import Client
from draining import drain
from factories import digit_png, make_member
from handed import answer_open_batch, given_project
from processes import wait_until
from receivers import Receiver, Request, receiver
from rest_framework.test import APIClient
from snapshots import Snapshot
from trained import CLASSES, text_rows

from labeling.intake import prediction_sets
from labeling.loop.step import Step
from labeling.models import Job, PredictionServer, PredictionSet, Project, User
from labeling.steps import prediction_server
from labeling.storage import media
from labeling.storage.db.sealed import unseal

pytestmark = pytest.mark.django_db(transaction=True)
API = "/api/v1/projects/p/prediction-server/"


@pytest.fixture(autouse=True)
def loopback(settings: Any) -> None:
    settings.OUTGOING_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]


@pytest.fixture
def project(snapshot: Snapshot) -> Project:
    if not snapshot.lay():
        given_project(kind="text", classes=CLASSES, rows=text_rows(), strategy="margin", pick_ahead=None)
        snapshot.keep()
    return Project.objects.get()


def choice(label: str, **more: Any) -> dict[str, Any]:
    part = {"from_name": "label", "to_name": "item", "type": "choices", "value": {"choices": [label]}}
    return {"result": [part], "score": 0.9, "model_version": "7", **more}


def good(task: dict[str, Any]) -> Any:
    return choice(
        "sport" if "ball" in task["data"]["text"] else "food", score=0.6 if "goal" in task["data"]["text"] else 0.9
    )


def backend(predict: Callable[[dict[str, Any]], Any] = good) -> Callable[[Request], bytes]:
    """Return the answers of a backend that predicts each task by this function."""

    def answering(request: Request) -> bytes:
        if request.path == "/health":
            return b'{"status": "UP"}'
        body = json.loads(request.body)
        if request.path == "/setup":
            return b'{"model_version": "7"}'
        assert request.path == "/predict"
        return json.dumps({"results": [predict(task) for task in body["tasks"]]}).encode()

    return answering


def ask(project: Project, url: str, **server: str) -> PredictionSet:
    """Enter the server's address, ask it, and run the workers."""
    prediction_sets.set_server(project=project, url=url.removesuffix("/hook"), **server)
    sent = prediction_sets.ask(project=project, user=None)
    drain()
    sent.refresh_from_db()
    return sent


def asked_about(server: Receiver) -> list[list[str]]:
    """Return the ids of the items of each request."""
    bodies = [json.loads(each.body) for each in server.got if each.path == "/predict"]
    return [[task["data"]["external_id"] for task in body["tasks"]] for body in bodies]


def test_a_server_is_asked_in_chunks_and_its_answers_pick_each_batch(project: Project) -> None:
    with receiver(status=200, answering=backend()) as server:
        handed = ask(project, server.url, username="owl", password="secret")
        assert (handed.state, handed.reason, handed.items) == ("done", "", 60)
        assert [each.path for each in server.got] == ["/health", "/setup", "/predict", "/predict"]
        assert [len(each) for each in asked_about(server)] == [50, 10]
        assert server.got[0].headers["Authorization"] == f"Basic {base64.b64encode(b'owl:secret').decode()}"
        config = json.loads(server.got[2].body)["label_config"]
        assert '<Text name="item" value="$text"/>' in config
        assert '<Choice value="sport"/>' in config
        assert not list(prediction_server.file_of(handed).parent.glob("*.jsonl"))
        batch = project.batches.get()
        assert batch.selected_by == handed.version
        margins = batch.tasks.filter(is_control=False).values_list("margin", flat=True)
        assert max(margins) == pytest.approx(0.2, abs=1e-5), "the doubtful ones: 0.6 of two classes"
        answer_open_batch(project)
        assert project.prediction_sets.count() == 2, "asked again after the batch"
    assert project.batches.get(number=2).selected_by == project.versions.get(number=2)
    assert not project.jobs.filter(kind="train").exists()


@pytest.mark.long
def test_a_batch_ends_while_the_server_cannot_be_asked(project: Project) -> None:
    with receiver(status=200, answering=backend()) as server:
        ask(project, server.url)
        user = User.objects.get(username="mona")
        for _ in range(prediction_sets.MOST_WAITING):
            prediction_sets.receive(project=project, user=user, name="p.csv", chunks=[b"id,margin\n"])
        Job.objects.filter(kind=Job.Kind.GIVEN).update(run_after="2100-01-01T00:00Z")
        with pytest.raises(prediction_sets.PredictionsRefused):
            prediction_sets.ask(project=project, user=None)
        answer_open_batch(project)
    assert project.batches.get(number=1).state == "done"
    project.prediction_sets.unfinished().filter(pk=project.prediction_sets.latest("pk").pk).update(path="")
    assert prediction_sets.ask(project=project, user=None) == project.prediction_sets.latest("pk")


@pytest.mark.long
def test_a_step_that_gives_way_goes_on_where_it_was(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction_server, "CHUNK", 7)
    monkeypatch.setattr(Step, "should_give_way", lambda self: True)
    with receiver(status=200, answering=backend()) as server:
        handed = ask(project, server.url)
        assert handed.version is not None, handed.reason
        ids = [name for chunk in asked_about(server) for name in chunk]
    assert len(ids) == len(set(ids)) == 60, "no item is asked twice"
    assert [each.path for each in server.got].count("/setup") == 1


def test_a_server_that_does_not_answer_is_asked_again_after_growing_pauses(project: Project) -> None:
    with receiver(status=200, statuses=[200, 200, 503], answering=backend()) as server:
        handed = ask(project, server.url)
        assert (handed.state, handed.failures) == ("running", 1)
        assert handed.reason.startswith("The server answered 503 to /predict")
        Job.objects.update(run_after="2020-01-01T00:00Z")
        drain()
    handed.refresh_from_db()
    assert (handed.state, handed.reason) == ("done", "")
    away = ask(project, server.url)  # it has ended
    for _ in range(8):
        assert away.state == "running"
        Job.objects.update(run_after="2020-01-01T00:00Z")
        drain()
        away.refresh_from_db()
    assert away.state == "failed"
    assert away.reason.startswith("The server cannot be reached: ")
    assert away.reason.endswith("Given up after 9 tries.")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"answering": lambda request: b"<html>"}, "The server's answer to /health is no JSON object."),
    ({"status": 401}, "The server answered 401 to /health. Check the name and the password."),
    (
        {"status": 302, "location": "http://127.0.0.1/"},
        "The server answered 302 to /health. Redirects are not followed",
    ),
    ({"answering": backend(lambda task: None)}, "The answer of the server for the item “t"),
    ({"answering": backend(lambda task: {"result": []})}, "has no choices."),
    ({"answering": backend(lambda task: choice("sport", score=None))}, "has no score from 0 to 1."),
    ({"answering": backend(lambda task: choice("sport", score=True))}, "has no score from 0 to 1."),
    ({"answering": backend(lambda task: choice("sport", score=7))}, "has no score from 0 to 1."),
    ({"answering": backend(lambda task: choice("war"))}, "the project has no class “war”"),
    (
        {"answering": lambda request: b'{"results": []}'},
        "The server was asked about 50 items, and answered with 0 results.",
    ),
    ({"answering": lambda request: b'{"results": 3}'}, "and answered with no results."),
    ({"answering": lambda request: b" " * (17 << 20)}, "is longer than 16 MiB."),
]


def test_a_wrong_answer_ends_the_set_with_one_line(project: Project) -> None:
    for answers, reason in WRONG:
        with receiver(**{"status": 200, **answers}) as server:
            handed = ask(project, server.url)
        assert (handed.state, handed.version) == ("failed", None), reason
        assert reason in handed.reason, handed.reason
    assert not project.versions.exists()


def test_the_page_saves_asks_and_removes_and_an_inner_network_is_refused(project: Project, settings: Any) -> None:
    client = Client()
    client.force_login(User.objects.get(username="mona"))
    page = "/p/p/prediction-server/"
    wrong = client.post(page, {"url": "ftp://x"})
    assert wrong.status_code == 400
    assert "The URL must begin with https:// or http://." in wrong.content.decode()
    with receiver(status=200, answering=backend()) as server:
        client.post(page, {"url": server.url.removesuffix("/hook"), "username": "", "password": ""})
        assert "Ask now" in client.get("/p/p/prediction-sets/").content.decode()
        client.post(f"{page}ask/")
        drain()
        assert project.prediction_sets.get().state == "done"
        settings.OUTGOING_ALLOWED_NETWORKS = []
        server.got.clear()
        handed = ask(project, server.url)
    assert handed.state == "failed"
    assert "127.0.0.1 is in a private network" in handed.reason
    assert not server.got
    program = APIClient()
    program.force_authenticate(User.objects.get(username="mona"))
    refused = program.put(API, {"url": "http://10.0.0.1"}, format="json")
    assert refused.status_code == 400
    assert "private network" in refused.json()["detail"]
    client.post(f"{page}remove/")
    assert not PredictionServer.objects.exists()


@pytest.mark.long
def test_images_are_sent_whole_and_vectors_have_no_such_server(tmp_path: Path) -> None:
    vectors = given_project(20)
    with receiver(status=200, answering=backend()) as server:
        handed = ask(vectors, server.url)
    assert handed.reason == "Such servers predict audio, image, text, not items of the kind vector."
    Project.objects.all().update(slug="vectors")
    image = f"data:image/png;base64,{base64.b64encode(digit_png(3)).decode()}"
    User.objects.all().delete()
    project = given_project(
        kind="image", classes=CLASSES, rows=[{"id": "a", "image": image}, {"id": "b", "image": image}]
    )
    with receiver(status=200, answering=backend(lambda task: choice("sport"))) as server:
        handed = ask(project, server.url)
        sent = json.loads(server.got[-1].body)["tasks"][0]["data"]["image"]
    assert handed.state == "done", handed.reason
    assert sent.startswith("data:image/png;base64,")


def test_a_lost_file_is_left_out_and_named(tmp_path: Path) -> None:
    rows = [
        {"id": f"i{n}", "image": f"data:image/png;base64,{base64.b64encode(digit_png(n)).decode()}"} for n in range(4)
    ]
    project = given_project(kind="image", classes=CLASSES, rows=rows, strategy="margin", pick_ahead=None)
    last = project.items.order_by("row").last()
    assert last is not None
    media.local(last.media).unlink()
    with receiver(status=200, answering=backend(lambda task: choice("sport"))) as server:
        handed = ask(project, server.url)
        assert handed.version is not None, handed.reason
        assert (handed.items, handed.rows) == (3, 4)
        assert handed.reason.startswith(f"1 file is lost, that of the item “{last.external_id}”.")
        for item in project.items.exclude(pk=last.pk):
            media.local(item.media).unlink()
        handed = ask(project, server.url)
        assert (handed.state, handed.version) == ("failed", None)
        assert handed.reason.startswith("None of the items' files can be read.")


def test_the_password_is_sealed_never_shown_and_goes_to_no_other_address(project: Project) -> None:
    client = APIClient()
    client.force_authenticate(User.objects.get(username="mona"))
    assert client.post(f"{API}ask/").json()["code"] == "conflict"
    assert client.get(API).status_code == client.delete(API).status_code == 404
    put = client.put(API, {"url": "https://ml.example.org", "username": "owl", "password": "secret"}, format="json")
    assert put.json() == {"url": "https://ml.example.org", "username": "owl"}
    server = PredictionServer.objects.get()
    assert "secret" not in server.password
    assert unseal(server.password) == "secret"
    client.put(API, {"url": "https://ml.example.org", "username": "owl"}, format="json")
    assert unseal(PredictionServer.objects.get().password) == "secret"
    client.put(API, {"url": "https://evil.example.org", "username": "owl"}, format="json")
    assert PredictionServer.objects.get().password == ""
    prediction_sets.set_server(project=project, url="http://127.0.0.1:9/predictor?key=s3cret")
    handed = prediction_sets.ask(project=project, user=None)
    client.force_authenticate(make_member(project, "ada", "auditor"))
    [shown] = client.get("/api/v1/projects/p/prediction-sets/").json()
    assert shown["name"] == handed.name == "127.0.0.1:9"


REAL = """
import sys
from label_studio_ml.api import init_app
from label_studio_ml.model import LabelStudioMLBase

class Words(LabelStudioMLBase):
    def predict(self, tasks, **more):
        return [self.one("sport" if "ball" in task["data"]["text"] else "food") for task in tasks]

    def one(self, label):
        part = {"from_name": "label", "to_name": "item", "type": "choices", "value": {"choices": [label]}}
        return {"result": [part], "score": 0.8}

init_app(Words).run(host="127.0.0.1", port=int(sys.argv[1]))
"""
PACKAGES = ["label-studio-ml==1.0.9", "rq", "redis", "attrs", "requests", "setuptools<80"]


@pytest.mark.long
def test_the_real_ml_backend_of_label_studio_is_asked(project: Project, tmp_path: Path) -> None:
    """It is installed from PyPI into var/label-studio-ml."""
    folder = Path(__file__).parents[2] / "var/label-studio-ml"
    python = folder / "bin/python"
    if not (folder / "installed").exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
        (folder / "installed").touch()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = tmp_path / "backend.py"
    script.write_text(REAL)
    with (tmp_path / "log").open("wb") as log:
        child = subprocess.Popen([python, script, str(port)], cwd=tmp_path, stdout=log, stderr=log)
        try:
            wait_until(lambda: _is_up(port))
            handed = ask(project, f"http://127.0.0.1:{port}")
        finally:
            child.kill()
            child.wait()
    assert (handed.state, handed.items) == ("done", 60), handed.reason
    answer_open_batch(project)
    assert handed.version is not None
    assert project.batches.get(number=1).selected_by == handed.version


def _is_up(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health").is_success
    except httpx.HTTPError:
        return False
