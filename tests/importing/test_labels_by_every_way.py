"""Test that labels are imported alike by page, API and command, by managers alone, and that pages mark them as
imported.
"""

import json
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from factories import make_member, make_project

pytestmark = pytest.mark.django_db

ROWS = [{"id": "a", "text": "one", "label": "cat"}, {"id": "b", "text": "two", "label": "cow"}]
LINES = "\n".join(map(json.dumps, ROWS)).encode()


@pytest.fixture
def project():
    return make_project("pets", classes=["cat", "dog"])


def signed_in(project, role) -> Client:
    client = Client()
    client.force_login(make_member(project, f"a-{role}", role))
    return client


def label(project):
    return project.items.get(external_id="a").task.annotations.get()


def test_by_the_page_which_says_what_follows(project):
    client = signed_in(project, "manager")
    url = reverse("project-import", args=["pets"])
    client.post(url, {"file": SimpleUploadedFile("l.jsonl", LINES)})
    assert not project.items.exists()  # a file with labels is looked at first
    looked_at = reverse("project-import-detail", args=["pets", project.imports.get().pk])
    page = client.post(
        looked_at, {"do": "import", "labels_as": "trusted", "unknown_labels": "unlabeled"}, follow=True
    ).content.decode()
    assert "1 label came in. The model trains on them once all items are encoded." in page
    assert label(project).user.username == "a-manager"
    detail = client.get(reverse("project-import-detail", args=["pets", project.imports.get().pk])).content.decode()
    assert "1 label came in" in detail


def test_by_the_api(project):
    client = signed_in(project, "manager")
    answer = client.post("/api/v1/projects/pets/items/", LINES, content_type="application/x-ndjson")
    assert answer.status_code == 201
    assert (answer.json()["accepted"], answer.json()["labeled"], answer.json()["rejected"]) == (1, 1, 1)
    assert label(project).value == 0


def test_by_the_command_it_is_nobodys(project, tmp_path: Path, capsys):
    (tmp_path / "l.jsonl").write_bytes(LINES)
    call_command("import_items", "pets", str(tmp_path / "l.jsonl"))
    assert "1 labels came in" in capsys.readouterr().out
    author = label(project).user
    assert (author.username, author.is_active) == ("imported", False)


def test_a_strict_import_with_a_bad_label_brings_nothing(project):
    client = signed_in(project, "manager")
    url = "/api/v1/projects/pets/items/?strict=true"
    assert client.post(url, LINES, content_type="application/x-ndjson").status_code == 400
    assert not project.items.exists()
    assert not project.batches.exists()


def test_the_item_and_the_batch_say_that_it_was_imported(project):
    client = signed_in(project, "manager")
    client.post("/api/v1/projects/pets/items/", LINES, content_type="application/x-ndjson")
    item = project.items.get()
    assert "Imported with its label" in client.get(reverse("project-item", args=["pets", item.pk])).content.decode()
    assert "imported" in client.get(reverse("project-batches", args=["pets"])).content.decode()
    assert client.get(reverse("project-batch", args=["pets", 1])).status_code == 200
    assert client.get(reverse("project", args=["pets"])).status_code == 200
    assert client.get("/api/v1/projects/pets/batches/1/").json()["state"] == "importing"
    assert client.get("/api/v1/projects/pets/progress/").json()["batch"] is None
