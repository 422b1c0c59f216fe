"""Test that new text projects get the sentence model that an installed package ships, and others the plain encoder."""

from __future__ import annotations

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
from labeling.projects.encoder_settings import settled_choice
from models_store.encoders.options import Option

pytestmark = pytest.mark.django_db
SENTENCES = {"name": "sentence-transformers", "options": {"folder": "all-MiniLM-L6-v2"}}


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
    _, options = settled_choice("text", SENTENCES)
    assert options["folder"] == MINILM


def test_texts_without_the_package_and_images_get_the_plain_encoder(without_package: None) -> None:
    assert create_each_way("text") == {"command": {}, "page": {}, "api": {}}


@pytest.mark.parametrize(("kind", "encoder"), [("image", {}), ("vector", {"name": "table", "options": {}})])
def test_images_get_the_plain_encoder_and_vectors_that_of_tables(kind: str, encoder: Any) -> None:
    assert create_each_way(kind) == {"command": encoder, "page": encoder, "api": encoder}


def test_the_pages_say_which_and_why() -> None:
    project = make_project(encoder=SENTENCES)
    client = manager(project)
    why = "New projects get sentence-transformers with all-MiniLM-L6-v2 by default, because an installed package ships"
    for name in ("project-import", "project-encoder"):
        assert why in text_of(client.get(reverse(name, args=[project.slug])))
    table = make_project("table", kind="vector", encoder={"name": "table", "options": {}})
    make_member(table, "mona", Role.MANAGER)
    page = text_of(client.get(reverse("project-import", args=[table.slug])))
    assert "New projects get table by default. Columns in different units are brought to one scale" in page


def test_an_earlier_project_keeps_its_words() -> None:
    page = text_of(manager(make_project()).get("/p/digits/import/"))
    assert "installed package" not in page


def test_weights_of_a_package_can_no_longer_be_chosen_once_it_is_gone(without_package: None) -> None:
    project = make_project()
    form = {"name": "sentence-transformers", "sentence-transformers-folder": "all-MiniLM-L6-v2"}
    page = manager(project).post(reverse("project-encoder", args=[project.slug]), form)
    assert page.status_code == 400
    assert Project.objects.get().encoder == {}
