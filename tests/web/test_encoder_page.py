"""Test the page of the encoder: the choices, invalid choices, and the end of the choice."""

from pathlib import Path

import pytest
from django.urls import reverse
from factories import make_project
from pages import errors_of, manager, text_of

from labeling.models import Project
from models_store.encoders.options import Option

pytestmark = pytest.mark.django_db


@pytest.fixture
def weights(data_dir: Path) -> Path:
    folder = data_dir / "weights"
    folder.mkdir()
    (folder / "resnet50.pth").touch()
    return folder


def address(project: Project) -> str:
    return reverse("project-encoder", args=[project.slug])


CHOSEN = {
    "name": "backbone",
    "backbone-architecture": "torchvision/resnet50",
    "backbone-weights": "resnet50.pth",
    "backbone-size": "",
}


def test_a_choice_is_saved_and_shown(weights: Path) -> None:
    project = make_project(kind="image")
    client = manager(project)
    page = client.post(address(project), CHOSEN, follow=True)
    assert "Items are encoded by backbone." in text_of(page)
    options = {"architecture": "torchvision/resnet50", "weights": "resnet50.pth"}
    assert Project.objects.get().encoder == {"name": "backbone", "options": options}
    shown = client.get(address(project)).content.decode()
    assert 'value="torchvision/resnet50"' in shown
    assert '<option value="resnet50.pth" selected>' in shown
    client.post(address(project), {**CHOSEN, "name": "pixels"})
    assert Project.objects.get().encoder == {"name": "pixels", "options": {}}


def test_what_is_wrong_stands_beside_its_field(weights: Path) -> None:
    project = make_project(kind="image")
    client = manager(project)
    for field, text, said in (
        ("name", "", "This field is required."),
        ("name", "tfidf-svd", "tfidf-svd is not one of the available choices"),
        ("backbone-architecture", "resnet50", "is no such name. The network by its library"),
        ("backbone-weights", "", "weights is missing"),
        ("backbone-weights", "../secret_key", "is not one of the available choices"),
        ("backbone-size", "big", "Enter a whole number from 0 to 512"),
        ("backbone-size", "513", "size must be a whole number from 0 to 512, not 513"),
    ):
        page = client.post(address(project), {**CHOSEN, field: text})
        assert page.status_code == 400, (field, text)
        assert said in errors_of(page)[field]
    assert Project.objects.get().encoder == {}


def test_without_weights_the_page_says_where_they_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Option, "packaged", lambda self: {})
    project = make_project(kind="image")
    assert "The server has no weights yet." in text_of(manager(project).get(address(project)))


def test_once_items_are_encoded_it_is_told_and_stays(weights: Path) -> None:
    project = make_project(kind="image", encoder={"name": "pixels", "options": {}})
    Project.objects.update(features_generation=1)
    client = manager(project)
    assert "<form class" not in client.get(address(project)).content.decode()
    page = client.post(address(project), CHOSEN, follow=True)
    assert "already encoded" in text_of(page)
    assert Project.objects.get().encoder == {"name": "pixels", "options": {}}


def test_settings_and_an_empty_import_lead_there_and_a_missing_encoder_is_named() -> None:
    project = make_project()
    client = manager(project)
    for page in ("project-settings", "project-import"):
        assert f'href="{address(project)}"' in client.get(reverse(page, args=[project.slug])).content.decode()
    Project.objects.update(encoder={"name": "letters", "options": {"depth": 3}}, features_generation=1)
    assert "letters Depth 3" in text_of(manager(project).get(address(project)))
