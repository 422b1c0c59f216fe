"""Test that lists and pages show certified labels as what they are, and that a person's label takes their place."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from factories import certify, make_items, make_open_batch, make_project
from pages import make_version, member, text_of

from labeling.models import Batch, Certificate, Item, Project, Role

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    """Create a project with a done batch of two items, and certified labels "owl" of two others."""
    project = make_project(classes=["cat", "dog", "owl"])
    items = make_items(project, 4)
    batch = make_open_batch(project, items[:2])
    batch.tasks.update(free=0, outstanding=0)
    Batch.objects.update(state=Batch.State.DONE, remaining=0)
    certify(project, dict.fromkeys(items[2:], 2), version=make_version(batch, 1))
    return project


def item_of(project: Project, number: int = 2) -> Item:
    item: Item = project.items.get(external_id=f"item-000{number}")
    return item


def page_of(client: Client, item: Item) -> str:
    return text_of(client.get(reverse("project-item", args=[item.project.slug, item.pk])))


def test_list_page_and_api_show_the_label_and_its_certificate_while_that_stands(project: Project) -> None:
    client = member(project, Role.ENGINEER)
    address = reverse("project-items", args=[project.slug])
    assert "owl certificate 1 item-0002" in text_of(client.get(address))
    found = text_of(client.get(address, {"origin": "certified"}))
    assert "2 items match" in found
    assert "certified : remove this filter" in found
    assert "item-0000" not in found
    refused = text_of(client.get(address, {"origin": "x"}))
    assert "Choose one of person, corrected, copy, imported, certified." in refused
    shown = page_of(client, item_of(project))
    assert "item-0002 owl" in shown
    said = "Labeled by version 1 with a probability of 97 %. Certificate 1 covers the label: no person was asked."
    assert said in shown
    address = f"/api/v1/projects/{project.slug}/items/"
    body = client.get(f"{address}{item_of(project).pk}/").json()
    assert body["certified"] == {"label": "owl", "probability": 0.97, "certificate": 1, "version": 1}
    assert (body["label"], body["correctable"]) == (None, True)
    assert client.get(f"{address}{item_of(project, 0).pk}/").json()["certified"] is None
    listed = client.get(address, {"origin": "certified"}).json()
    assert [each["external_id"] for each in listed["results"]] == ["item-0002", "item-0003"]
    Item.objects.filter(pk=item_of(project, 3).pk).update(excluded_at=timezone.now())
    assert "owl" not in page_of(client, item_of(project, 3))
    Certificate.objects.update(suspended_at=timezone.now(), suspended_for="Classes were merged.")
    assert "owl" not in page_of(client, item_of(project))


def correct(client: Client, item: Item, value: str) -> Any:
    address = reverse("project-item-correct", args=[item.project.slug, item.pk])
    return client.post(address, {"value": value, "note": ""}, follow=True)


def test_a_correction_takes_its_place_until_it_is_withdrawn(project: Project) -> None:
    client, item = member(project, Role.MANAGER, "mona"), item_of(project)
    assert "Certificate 1 covers" in page_of(client, item)
    shown = text_of(correct(client, item, "dog"))
    assert "item-0002 dog Settled by mona." in shown
    assert "Certificate" not in shown
    assert "A manager corrected its certified label." in shown
    assert "dog settled item-0002 batch 1" in text_of(client.get(reverse("project-items", args=[project.slug])))
    client.post(reverse("project-item-withdraw", args=[project.slug, item.pk]))
    assert "Certificate 1 covers" in page_of(client, item)


def test_many_certified_labels_are_corrected_at_once(project: Project) -> None:
    client = member(project, Role.MANAGER, "mona")
    items = list(project.items.filter(row__gte=2).values_list("pk", flat=True))
    body = {"action": "relabel", "items": items, "value": "cat"}
    response = client.post(f"/api/v1/projects/{project.slug}/items/changes/", body, content_type="application/json")
    assert response.json()["items"] == 2
    assert set(project.items.filter(pk__in=items).values_list("label", flat=True)) == {0}
