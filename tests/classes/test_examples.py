"""Test examples of classes: who can choose and see them, and that they do not reveal control tasks."""

from typing import Any

import pytest
from factories import make_items, make_member, make_open_batch, make_project
from pages import manager, member, text_of

from labeling.models import Batch, ClassExample, Item, Project, Role
from labeling.projects.classes import examples

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    """Create a finished batch, labeled “dog”, with every second item a control item, and an open batch."""
    project = make_project("pets", kind="image", classes=["cat", "dog", "fox"])
    items = make_items(project, 12)
    Item.objects.filter(pk__in=[item.pk for item in items[::2]]).update(reserved=True)
    for item in items:
        item.refresh_from_db()
    batch = make_open_batch(project, items[:8])
    batch.tasks.update(outstanding=0, free=0)
    Item.objects.filter(pk__in=[item.pk for item in items[:8]]).update(label=1)
    Batch.objects.filter(pk=batch.pk).update(state=Batch.State.DONE, remaining=0)
    make_open_batch(project, items[8:10], number=2)
    return project


def items_of(project: Project) -> list[Item]:
    return list(project.items.order_by("row"))


def shown_to_annotators(project: Project) -> list[dict[str, Any]]:
    details = member(project, Role.ANNOTATOR).get("/p/pets/label/classes/").json()["details"]
    return list(details.get("dog", {}).get("examples", []))


def test_six_items_are_chosen_shown_and_removed(project: Project) -> None:
    mona, items = manager(project), items_of(project)
    for item in items[:6]:
        page = mona.post(f"/p/pets/items/{item.pk}/example/", {"class": "1"}, follow=True)
        assert "is shown to annotators as an example" in text_of(page)
    page = mona.post(f"/p/pets/items/{items[6].pk}/example/", {"class": "1"}, follow=True)
    assert "has 6 examples already" in text_of(page)
    assert [each["external_id"] for each in shown_to_annotators(project)] == [each.external_id for each in items[:6]]
    listed = mona.get("/api/v1/projects/pets/classes/1/").json()["examples"]
    assert listed == [each.pk for each in items[:6]]
    mona.post(f"/p/pets/items/{items[0].pk}/example/", {"class": "1", "remove": "1", "back": "class"})
    assert len(shown_to_annotators(project)) == 5


def test_what_annotators_get_of_a_control_item_is_what_they_get_of_any(project: Project) -> None:
    mona = manager(project)
    control, other = items_of(project)[:2]
    assert (control.reserved, other.reserved) == (True, False)
    for item in (control, other):
        assert mona.put(f"/api/v1/projects/pets/classes/1/examples/{item.pk}/").status_code == 200
    first, second = shown_to_annotators(project)
    assert set(first) == set(second) == {"external_id", "data", "media_url"}


def test_an_item_that_somebody_may_be_asked_about_is_refused(project: Project) -> None:
    items, client = items_of(project), manager(project)
    for row, index, why in (*((row, 1, "no answer yet") for row in (8, 9, 10, 11)), (0, 0, "is not “cat”")):
        reply = client.put(f"/api/v1/projects/pets/classes/{index}/examples/{items[row].pk}/")
        assert (reply.status_code, why in reply.json()["detail"]) == (409, True), row
    assert not ClassExample.objects.exists()
    item = items[8]  # once answered, it waits for the end of its batch
    item.task.batch.tasks.filter(item=item).update(outstanding=0, free=0)
    Item.objects.filter(pk=item.pk).update(label=1)
    page = client.post(f"/p/pets/items/{item.pk}/example/", {"class": "1"}, follow=True)
    assert "batch is still open" in text_of(page)


def test_one_that_is_excluded_or_labeled_anew_is_shown_no_more(project: Project) -> None:
    mona = make_member(project, "mona", Role.MANAGER)
    items = items_of(project)
    for item in items[:3]:
        examples.choose(project=project, user=mona, index=1, item=item)
    Item.objects.filter(pk=items[0].pk).update(label=2)
    Item.objects.filter(pk=items[1].pk).update(excluded_at="2026-01-01T00:00Z")
    assert [each["external_id"] for each in shown_to_annotators(project)] == [items[2].external_id]
