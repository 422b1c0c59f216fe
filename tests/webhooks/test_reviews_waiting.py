"""Test that `review.waiting` comes once when items begin to wait, and again after a time without any."""

import pytest
from django.utils import timezone
from factories import make_items, make_open_batch
from receivers import Receiver

from labeling.models import Event, EventType, Item, Project, Task
from labeling.outside.webhooks import changing
from labeling.steps.running import sweeps as looking

pytestmark = pytest.mark.django_db


def told() -> list[str]:
    looking.tell_of_reviews(since=timezone.now())
    looking.tell_of_reviews(since=timezone.now())
    return list(Event.objects.values_list("type", flat=True))


def test_it_comes_once_each_time(project: Project, server: Receiver) -> None:
    for events in ([EventType.REVIEW_WAITING], [EventType.BATCH_DONE]):
        changing.add(project=project, url=server.url, events=events)
    first, second = make_items(project, 2)
    make_open_batch(project, [first, second])
    assert told() == []
    Task.objects.update(outstanding=0, free=0)
    Item.objects.filter(pk=first.pk).update(agreement=0.5)
    assert told() == ["review.waiting"]
    Item.objects.filter(pk=second.pk).update(agreement=0.5)
    assert told() == ["review.waiting"]
    Item.objects.update(label=1, agreement=1)
    assert told() == ["review.waiting"]
    Item.objects.update(label=None, agreement=0.5)
    assert told() == ["review.waiting"] * 2
    assert Event.objects.all()[0].payload["data"] == {"project": "digits", "url": "/p/digits/review/"}


def test_a_new_webhook_hears_of_items_that_wait_already(project: Project, server: Receiver) -> None:
    make_open_batch(project, make_items(project, 1))
    Task.objects.update(outstanding=0, free=0)
    Item.objects.update(agreement=0.5)
    changing.add(project=project, url=server.url, events=[EventType.REVIEW_WAITING])
    assert told() == ["review.waiting"]
    changing.add(project=project, url=server.url, events=[EventType.REVIEW_WAITING])
    assert told() == ["review.waiting"] * 2
    assert {event.deliveries.get().webhook_id for event in Event.objects.all()} == {
        webhook.pk for webhook in project.webhooks.all()
    }


def test_an_archived_project_causes_no_event(project: Project, server: Receiver) -> None:
    make_open_batch(project, make_items(project, 1))
    Task.objects.update(outstanding=0, free=0)
    Item.objects.update(agreement=0.5)
    changing.add(project=project, url=server.url, events=[EventType.REVIEW_WAITING])
    Project.objects.update(archived_at=project.created_at)
    assert told() == []
