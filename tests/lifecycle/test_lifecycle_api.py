"""Test archiving, copying, deleting, restoring and transferring projects over the API."""

from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from factories import make_items, make_member, make_project
from pages import manager, member

from labeling.models import Project, Role

pytestmark = pytest.mark.django_db


def call(client: Client, method: str, name: str, project: Project | None = None, body: Any = None) -> HttpResponse:
    address = reverse(f"api:{name}", args=[project.slug] if project else [])
    options = {"data": body, "content_type": "application/json"} if body is not None else {}
    response: HttpResponse = getattr(client, method)(address, **options)
    return response


def test_archive_and_unarchive() -> None:
    project = make_project()
    client = manager(project)
    assert call(client, "post", "project-archive", project).json()["archived_at"]
    assert call(client, "post", "project-archive", project).status_code == 200  # twice is once
    assert call(client, "patch", "project", project, {"batch_size": 3}).status_code == 403
    assert call(client, "delete", "project-archive", project).json()["archived_at"] is None
    assert call(client, "patch", "project", project, {"batch_size": 3}).status_code == 200


def test_delete_and_restore() -> None:
    project = make_project(name="Digits")
    make_items(project, 3)
    client = manager(project)
    contents = call(client, "get", "project-deletion", project).json()
    assert contents == {"items": 3, "labels": 0, "annotations": 0, "models": 0, "members": 1, "bytes": 0}
    assert call(client, "post", "project-deletion", project, {"name": "digit"}).status_code == 409
    for body in ({}, {"name": 5}, {"name": None}, []):
        assert call(client, "post", "project-deletion", project, body).status_code == 400
    gone = call(client, "post", "project-deletion", project, {"name": "Digits"}).json()
    assert gone["deleted_by"] == "mona"
    assert call(client, "get", "project", project).status_code == 404
    assert call(client, "get", "deleted-projects").json() == [gone]
    assert call(client, "post", "deleted-projects", body={"slug": "nothing"}).status_code == 404
    assert call(client, "post", "deleted-projects", body={"slug": project.slug}).json()["slug"] == project.slug
    assert call(client, "get", "project", project).status_code == 200
    assert call(client, "get", "deleted-projects").json() == []


def test_duplicate() -> None:
    project = make_project()
    Project.objects.update(guidelines="Look at ![the owl](owl.png) and ![](face.png).")
    answer = call(manager(project), "post", "project-duplicate", project, {"slug": "again", "name": "Again"})
    assert answer.status_code == 201
    assert answer.json()["slug"].startswith("again-")
    assert answer.json()["missing_images"] == ["face.png", "owl.png"]
    assert answer.json()["classes"] == call(manager(project), "get", "project", project).json()["classes"]
    bad = call(manager(project), "post", "project-duplicate", project, {"slug": "No", "name": "Again"})
    assert bad.status_code == 400


def test_transfer() -> None:
    project = make_project()
    client = manager(project)
    make_member(project, "ann")
    for body, status in (
        ({"username": "nobody", "role": "engineer"}, 404),
        ({"username": "mona", "role": "engineer"}, 409),
        ({"username": "ann", "role": "manager"}, 409),
        ({"username": "ann", "role": "king"}, 400),
    ):
        assert call(client, "post", "project-transfer", project, body).status_code == status, body
    answer = call(client, "post", "project-transfer", project, {"username": "ann", "role": "engineer"})
    assert answer.json().items() >= {"username": "ann", "role": "manager"}.items()
    assert call(client, "get", "members", project).status_code == 403
    assert call(member(project, Role.MANAGER, "ann"), "get", "members", project).status_code == 200
