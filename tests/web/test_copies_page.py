"""Test the figures about near-copies for managers and engineers."""

import uuid

import pytest
from django.urls import reverse
from factories import make_items, make_member, make_open_batch, make_project
from pages import manager, text_of
from rest_framework.test import APIClient

from labeling.insight.copy_figures import copy_figures
from labeling.models import Annotation, Batch, Copy, CopyAnswer, Item, Project, Role

pytestmark = pytest.mark.django_db


def answered(n: int = 30, wrong: int = 3) -> Project:
    """Create `n` items of class 1 with two near-copies each, one propagated and one checked; people labeled `wrong` of
    them as class 2.

    The copies of a last item were removed.
    """
    project = make_project(near_copies=2)
    sources = make_items(project, n + 1)
    batch = make_open_batch(project, sources)
    Batch.objects.update(copy_radius=0.25, copy_reach=0.5)
    ann = make_member(project, "ann")
    for number, source in enumerate(sources):
        annotation = Annotation.objects.create(id=uuid.uuid4(), task=source.task, user=ann, value=1)
        for is_check, item in enumerate(make_items(project, 2, first=100 + 2 * number)):
            copy = Copy.objects.create(of=source, item=item, batch=batch, height=0.2, is_check=bool(is_check))
            CopyAnswer.objects.create(copy=copy, annotation=annotation, same=number < n)
            if is_check and number < n:
                Item.objects.filter(pk=item.pk).update(label=2 if number < wrong else 1)
    Item.objects.filter(pk__in=[source.pk for source in sources]).update(label=1)
    return project


def test_figures_of_what_was_shown_kept_checked_and_propagated() -> None:
    project = answered()
    figures = copy_figures(project)
    assert (figures.shown, figures.answered, figures.same, figures.propagated, figures.due) == (62, 62, 60, 30, 0)
    assert (figures.right.right, figures.right.n) == (27, 30)
    assert (figures.radius, figures.reach) == (0.25, 0.5)
    [one] = figures.classes
    assert (one.name, one.propagated, one.right.right, one.right.n) == ("1", 30, 27, 30)
    client = manager(project)
    page = client.get(reverse("project-copies", args=[project.slug]))
    text = text_of(page)
    assert "30 items" in text
    assert "10.0 %" in text.replace("\xa0", " ")
    assert "3 of 30 checked; 10 % are tolerated" in text.replace("\xa0", " ")
    assert "Labels up to a distance of 0.25 shown up to 0.5" in text
    listed = client.get(reverse("project-items", args=[project.slug], query={"propagated": "true"}))
    assert "item-0100" in text_of(listed)
    assert "item-0101" not in text_of(listed), "a check has a label of its own"
    copy = Copy.objects.propagated().first()
    assert copy is not None
    item = text_of(client.get(reverse("project-item", args=[project.slug, copy.item_id])))
    assert "Labeled 1 as a near-copy of item-0000 ." in item
    client = APIClient()
    client.force_authenticate(make_member(project, "enzo", Role.ENGINEER))
    figures = client.get("/api/v1/projects/digits/near-copies/").json()
    assert {name: figures[name] for name in ("propagated", "due", "radius")} == {
        "propagated": 30, "due": 0, "radius": 0.25
    }  # fmt: skip
    assert figures["right"]["n"] == 30
    item = client.get(f"/api/v1/projects/digits/items/{copy.item_id}/").json()
    assert item["propagated"] == {"item": copy.of_id, "external_id": "item-0000", "label": "1", "height": 0.2}
    assert client.get(f"/api/v1/projects/digits/items/{copy.of_id}/").json()["propagated"] is None


def test_few_checks_give_no_share() -> None:
    project = answered(n=4, wrong=1)
    text = text_of(manager(project).get(reverse("project-copies", args=[project.slug])))
    assert "Not enough data yet to tell" in text
    assert "1 of 4 checked" in text


def test_a_project_without_says_so_and_has_no_way_there() -> None:
    project = make_project()
    client = manager(project)
    text = text_of(client.get(reverse("project-copies", args=[project.slug])))
    assert "Near-copies are not shown" in text
    assert "near-copies/" not in client.get(reverse("project-agreement", args=[project.slug])).content.decode()
    Project.objects.update(near_copies=2)
    assert "near-copies/" in client.get(reverse("project-agreement", args=[project.slug])).content.decode()
