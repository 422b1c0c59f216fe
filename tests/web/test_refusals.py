"""Test that pages refuse in the person's language, and that the API and what is stored stay in English."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from factories import make_member, make_project
from pages import signed_in, text_of

from labeling.kinds.text import Text
from labeling.models import Project, Role

pytestmark = pytest.mark.django_db
PAGE, API = "/p/digits/import/", "/api/v1/projects/digits/items/"


@pytest.fixture
def project() -> Project:
    return make_project(classes=["Kater", "Katze"])


@pytest.fixture
def german(project: Project) -> Client:
    """Return the browser of a manager of the project who reads German."""
    user = make_member(project, "gerda", Role.MANAGER)
    user.language = "de"
    user.save()
    return signed_in(user)


def test_pages_refuse_in_german_and_the_api_in_english(german: Client, settings: Any, project: Project) -> None:
    settings.PROJECT_STORAGE_MB = 1
    content = b"id,text\n" + b"x" * (2 << 20)
    page = german.post(PAGE, {"file": SimpleUploadedFile("a.csv", content)})
    said = "Dieses Projekt darf 1,0 MB belegen, und für weitere 2,0 MB ist kein Platz"
    assert (page.status_code, said in text_of(page)) == (400, True)
    answer = german.post(API, {"file": SimpleUploadedFile("a.csv", content)})
    assert "This project may take 1.0 MB, and there is no room for 2.0 MB more" in answer.json()["detail"]
    page = text_of(german.get("/p/digits/items/", {"label": "Kat"}))
    assert "Dieses Projekt hat keine Klasse „Kat“. Meinten Sie Kater oder Katze?" in page
    settings.MAX_PROJECTS_PER_PERSON = 1
    Project.objects.update(created_by=project.memberships.get().user)
    form = {"name": "owls", "slug": "owls", "kind": "text", "question": "single", "classes": "a\nb", "batch_size": "10"}
    page = german.post("/new/", form)
    assert "Die Höchstzahl der Projekte je Person ist 1, und Sie haben 1 angelegt." in text_of(page)


def test_what_an_import_stores_is_english(
    german: Client, project: Project, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PROJECT_ITEMS = 2
    monkeypatch.setattr(Text, "chunk", 1)
    monkeypatch.setattr(Text, "chunks_at_once", 1)
    german.post(PAGE, {"file": SimpleUploadedFile("a.csv", b"id,text\n1,one\n2,two\n3,three\n")})
    assert "This project may have 2 items, and has 2" in project.imports.get().reason
