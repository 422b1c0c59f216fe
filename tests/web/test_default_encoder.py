"""Test which encoder new projects get, that of an installed package or the plain one, and that pages say why."""

from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from factories import make_member, make_project, make_user
from pages import manager, text_of
from rest_framework.test import APIClient
from sentence_model import MINILM

from labeling.models import Project, Role
from labeling.projects.encoders.encoder_settings import encoder_with_options
from models_store.encoders.options import Option

pytestmark = pytest.mark.django_db
SENTENCES = {"name": "sentence-transformers", "options": {"folder": "all-MiniLM-L6-v2"}, "by": "default"}
PHOTOS = {"name": "backbone", "options": {"weights": "efficientnet-lite0"}, "by": "default"}
SOUNDS = {"name": "silero", "options": {"weights": "silero-vad-16k"}, "by": "default"}
TABLES = {"name": "table", "options": {}, "by": "default"}


@pytest.fixture
def without_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Option, "packaged", lambda self: {})


def create_each_way(kind: str) -> dict[str, Any]:
    """Create a project by command, page and API; return the encoder of each."""
    staff = make_user("boss", is_staff=True)
    call_command("create_project", "command", "--kind", kind, "--classes", "a,b")
    browser, client = Client(), APIClient()
    browser.force_login(staff)
    client.force_authenticate(staff)
    form = {"name": "Page", "slug": "page", "kind": kind, "question": "single", "classes": "a\nb", "batch_size": "10"}
    browser.post("/new/", form)
    client.post("/api/v1/projects/", {"slug": "api", "kind": kind, "classes": ["a", "b"]}, format="json")
    return dict(Project.objects.values_list("slug", "encoder"))


def test_texts_get_the_sentence_model_of_an_installed_package() -> None:
    assert create_each_way("text") == {"command": SENTENCES, "page": SENTENCES, "api": SENTENCES}
    _, options = encoder_with_options("text", SENTENCES)
    assert options["folder"] == MINILM


@pytest.mark.parametrize(
    ("kind", "encoder"),
    [("text", {"name": "universal-sentence-encoder", "options": {}, "by": "default"}), ("image", {})],
)
def test_without_the_packages_they_get_what_needs_none(kind: str, encoder: Any, without_package: None) -> None:
    assert create_each_way(kind) == {"command": encoder, "page": encoder, "api": encoder}


@pytest.mark.parametrize(("kind", "encoder"), [("image", PHOTOS), ("vector", TABLES), ("audio", SOUNDS)])
def test_images_and_recordings_get_networks_that_know_the_world_and_vectors_that_of_tables(
    kind: str, encoder: Any
) -> None:
    assert create_each_way(kind) == {"command": encoder, "page": encoder, "api": encoder}


def said(project: Project, *pages: str) -> list[str]:
    client = manager(project)
    return [text_of(client.get(reverse(page, args=[project.slug]))) for page in pages]


def test_the_pages_say_which_and_why() -> None:
    why = "New projects get backbone with efficientnet-lite0 by default. The first items can change that."
    project = make_project(kind="image", encoder=PHOTOS)
    assert all(why in page for page in said(project, "project-import", "project-encoder", "project-models"))
    table = make_project("table", kind="vector", encoder=TABLES)
    make_member(table, "mona", Role.MANAGER)
    page = said(table, "project-import")[0]
    assert "New projects get table by default. Columns in different units are brought to one scale" in page


def test_the_pages_say_what_the_first_items_decided() -> None:
    project = make_project(
        kind="image", encoder={"name": "pixels", "options": {}, "by": "items"}, features_generation=1
    )
    why = "It was chosen because most of the first images are grey and have less than 64 pixels on a side"
    assert all(why in page for page in said(project, "project-encoder", "project-models"))
    assert manager(project).get("/api/v1/projects/digits/encoder/").json()["why"].startswith(why)


def test_a_project_of_an_earlier_release_keeps_its_encoder_and_claims_no_reason() -> None:
    project = make_project(kind="image", encoder={})
    assert all("by default" not in page for page in said(project, "project-encoder", "project-models"))
    assert manager(project).get("/api/v1/projects/digits/encoder/").json()["why"] == ""


def test_a_choice_of_a_person_cannot_pretend_to_be_the_servers() -> None:
    project = make_project(kind="image")
    body = {"name": "pixels", "options": {}, "by": "items"}
    client = APIClient()
    client.force_authenticate(make_member(project, "mona", Role.MANAGER))
    assert client.put("/api/v1/projects/digits/encoder/", body, format="json").status_code in (200, 400)
    assert "by" not in Project.objects.get().encoder


def test_weights_of_a_package_can_no_longer_be_chosen_once_it_is_gone(without_package: None) -> None:
    project = make_project()
    form = {"name": "sentence-transformers", "sentence-transformers-folder": "all-MiniLM-L6-v2"}
    page = manager(project).post(reverse("project-encoder", args=[project.slug]), form)
    assert page.status_code == 400
    assert Project.objects.get().encoder == {}
