"""Test the ways by which a model is registered: the page, the API, the client and its command."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from draining import drain
from factories import make_member
from graphs import linear_graph, packed
from knox.models import AuthToken
from pages import errors_of, manager, text_of
from pytest_django.live_server_helper import LiveServer
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression
from trained import CENTRES, facts_of, vector_project

from labeling.intake import registering
from labeling.models import Project, Registration, Role
from marginalia_client import Failed, Marginalia, NotPermitted, running
from marginalia_client.__main__ import main

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = "/p/p/models/register/"


class Clock:
    """The client's clock: while the client sleeps, the worker runs."""

    def sleep(self, seconds: float) -> None:
        drain()


def test_the_page(tmp_path: Path) -> None:
    """In the end the project is private, and takes no model."""
    project = vector_project(tmp_path)
    client = manager(project)
    assert 'href="/p/p/models/register/"' in client.get("/p/p/models/").content.decode()
    page = text_of(client.get(PAGE))
    assert facts_of(project)["encoder"]["digest"] in page
    assert "None yet." in page
    assert errors_of(client.post(PAGE, {})) == {"file": "Choose a file."}
    content = packed(linear_graph(CENTRES.T), facts_of(project), description="From the lab <b>")
    page = text_of(client.post(PAGE, {"file": SimpleUploadedFile("lab.zip", content)}, follow=True))
    assert "lab.zip waiting" in page
    client.post(PAGE, {"file": SimpleUploadedFile("bad.zip", b"PK")})
    drain()
    page = text_of(client.get(PAGE))
    assert "lab.zip done 2 – mona" in page
    assert "bad.zip failed – The graph is no ONNX graph. mona" in page
    page = text_of(client.get("/p/p/models/2/"))
    assert "File lab.zip by mona, onnx" in page
    assert "From the lab <b>" in page
    assert "Training settings" not in page
    listed = text_of(client.get("/p/p/models/"))
    assert "registered" in listed
    for path in ("/p/p/", "/p/p/models/compare/?a=1&b=2", "/p/p/batches/", "/p/p/items/", "/p/p/settings/"):
        assert client.get(path).status_code == 200, path

    Project.objects.update(privacy_epsilon=3.0)
    project.refresh_from_db()
    with pytest.raises(registering.RegisterRefused, match="This project has a privacy budget"):
        registering.receive(project=project, user=None, name="m.zip", chunks=[b""])
    assert registering.PRIVATE in text_of(client.get(PAGE))


@pytest.mark.long
def test_api_and_client(tmp_path: Path, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "time", Clock())
    project = vector_project(tmp_path)
    token = AuthToken.objects.create(make_member(project, "mona", Role.MANAGER))[1]
    other = AuthToken.objects.create(make_member(project, "enzo", Role.ENGINEER))[1]
    good, bad = tmp_path / "model.zip", tmp_path / "bad.zip"
    rows = [json.loads(line) for line in (tmp_path / "v.jsonl").read_text().splitlines()]
    vectors = np.array([row["vector"] for row in rows], np.float32)
    classifier = LogisticRegression().fit(vectors, [row["truth"] for row in rows])
    graph = to_onnx(classifier, vectors[:1], options={"zipmap": False}).SerializeToString()
    good.write_bytes(packed(graph, facts_of(project), classes=list(classifier.classes_)))
    bad.write_bytes(packed(linear_graph(CENTRES.T), facts_of(project), format_version=9))
    with Marginalia(live_server.url, token) as server:
        version = server.project("p").models.register(good)
        assert (version.number, version.in_use, version.fields["origin"]) == (2, True, "registered")
        assert version.fields["batch"] is None
        assert version.fields["metrics"]["control"]["accuracy"] > 0.8
        assert project.batches.get(number=2).selected_by.number == 2
        with pytest.raises(Failed, match="format 9, and this release reads 1"):
            server.project("p").models.register(bad)
        copy = version.save(tmp_path / "copy.zip")
        assert server.project("p").models.register(copy).number == 3
        assert [each.number for each in server.project("p").models.list()] == [3, 2, 1]
    with Marginalia(live_server.url, other) as server, pytest.raises(NotPermitted):
        server.project("p").models.register(good)
    first = Registration.objects.earliest("pk")
    assert first.created_by is not None
    assert first.created_by.username == "mona"
    assert first.source["format"] == "onnx"


@pytest.mark.long
def test_a_folder_from_a_shell(
    tmp_path: Path, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(running, "time", Clock())
    project = vector_project(tmp_path)
    monkeypatch.setenv("MARGINALIA_URL", live_server.url)
    monkeypatch.setenv("MARGINALIA_TOKEN", AuthToken.objects.create(make_member(project, "mona", Role.MANAGER))[1])
    folder = tmp_path / "my model"
    (tmp_path / "m.zip").write_bytes(packed(linear_graph(CENTRES.T), facts_of(project)))
    with zipfile.ZipFile(tmp_path / "m.zip") as archive:
        archive.extractall(folder)
    send = ("POST", "projects/p/registrations/", "--wait", "--file", str(folder))
    assert main(send) == 0
    assert json.loads(capsys.readouterr().out)["version"] == 2
    (folder / "manifest.json").write_text("[")
    assert main(send) == 1
    assert json.loads(capsys.readouterr().out)["reason"] == "manifest.json is not JSON."
