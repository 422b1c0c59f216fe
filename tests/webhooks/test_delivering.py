"""Test deliveries to a real receiver that fails in all the ways receivers fail."""

import datetime
import itertools
import json
import socket
import threading
import time
from contextlib import suppress
from typing import Any

import httpx
import pytest
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from factories import make_project, make_user
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from receivers import Receiver, receiver
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from labeling.models import Delivery, Event, EventType, Project, Webhook
from labeling.models.webhooks import TRIES
from labeling.outside.outbound import validate_address
from labeling.outside.webhooks import changing, delivering
from labeling.projects import lifecycle
from labeling.steps.running import sweeps as looking

pytestmark = pytest.mark.django_db

OPENED, DONE = EventType.BATCH_OPENED, EventType.BATCH_DONE
States = Delivery.State


def add(project: Project, server: Receiver, *events: EventType) -> tuple[Webhook, str]:
    return changing.add(project=project, url=server.url, events=events or [OPENED, DONE])


def announce(project: Project, *numbers: int, event_type: EventType = OPENED) -> None:
    for number in numbers:
        with transaction.atomic():
            Event.objects.announce(event_type, project, number=number)


def make_due() -> None:
    """Let the time of the next tries come."""
    Delivery.objects.waiting().update(next_at=timezone.now())


def numbers(server: Receiver) -> list[int]:
    return [json.loads(request.body)["data"]["number"] for request in server.got]


def test_a_message_is_signed_thin_and_sent_once(project: Project, server: Receiver) -> None:
    _, secret = add(project, server)
    announce(project, 7)
    delivering.deliver()
    delivering.deliver()
    [request] = server.got
    body = Verifier(secret).verify(request.body, request.headers)
    assert body["data"] == {"project": "digits", "number": 7, "url": "/api/v1/projects/digits/batches/7/"}
    assert (body["type"], set(body)) == ("batch.opened", {"type", "timestamp", "data"})
    assert datetime.datetime.fromisoformat(body["timestamp"]).tzinfo is not None
    assert request.headers["content-type"] == "application/json"
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.status, delivery.error, delivery.attempts) == (States.DELIVERED, 204, "", 1)


def test_only_events_that_a_webhook_asks_for_are_stored(project: Project, server: Receiver) -> None:
    announce(project, 1)
    assert not Event.objects.exists()
    add(project, server, DONE)
    announce(project, 2)
    assert not Event.objects.exists()
    add(project, server, OPENED)
    announce(project, 3)
    assert Delivery.objects.count() == 1
    with transaction.atomic():
        Event.objects.announce(OPENED, project, number=1)
        transaction.set_rollback(True)
    assert Event.objects.count() == 1


def test_a_receiver_that_was_down_gets_all_in_order(project: Project) -> None:
    with receiver() as before:
        url, port = before.url, before.port
    changing.add(project=project, url=url, events=[OPENED, DONE])
    announce(project, 1, 2)
    delivering.deliver()
    first = Delivery.objects.order_by("pk")[0]
    assert first.state == States.WAITING
    assert "connect" in first.error.lower()
    assert 5 <= (first.next_at - timezone.now()).total_seconds() + 1 <= 8
    announce(project, 3)
    delivering.deliver()  # nothing is due
    assert [each.attempts for each in Delivery.objects.order_by("pk")] == [1, 0, 0]
    for _ in range(4):  # the day
        make_due()
        delivering.deliver()
    announce(project, 4)
    with receiver(port) as after:
        make_due()
        delivering.deliver()
        assert numbers(after) == [1, 2, 3, 4]
    assert set(Delivery.objects.values_list("state", flat=True)) == {States.DELIVERED}


def test_a_failed_message_keeps_later_ones_back_and_its_id(project: Project, server: Receiver) -> None:
    add(project, server)
    announce(project, 1, 2)
    server.statuses, server.body = [500, 429], b"Out of\0 order. " + b"x" * 1000
    delivering.deliver()
    assert numbers(server) == [1]
    delivery = Delivery.objects.order_by("pk")[0]
    assert (delivery.status, delivery.error) == (500, "The receiver answered 500.")
    assert delivery.response.startswith("Out of order. xxx")
    assert len(delivery.response) == 500
    make_due()
    delivering.deliver()
    make_due()
    delivering.deliver()
    assert numbers(server) == [1, 1, 1, 2]
    ids = [request.headers["webhook-id"] for request in server.got]
    assert ids[0] == ids[1] == ids[2] != ids[3]
    delivery.refresh_from_db()
    assert (delivery.state, delivery.error, delivery.response) == (States.DELIVERED, "", "")


def tries(result: str) -> float:
    return REGISTRY.get_sample_value("marginalia_webhook_tries_total", {"result": result}) or 0


def test_a_dead_letter_lets_later_messages_go_and_is_sent_again(project: Project, server: Receiver) -> None:
    add(project, server)
    announce(project, 1, 2)
    server.status = 500
    failed, dead = tries("failed"), tries("dead")
    first = Delivery.objects.order_by("pk")[0]
    for left in (TRIES - 1, TRIES - 2, 1):
        if left == 1:  # the days pass
            Delivery.objects.filter(pk=first.pk).update(tries_left=2, attempts=TRIES - 2)
        make_due()
        delivering._deliver_some(timezone.now())
        first.refresh_from_db()
        assert (first.state, first.attempts, first.tries_left) == (States.WAITING, TRIES - left, left)
    assert len(server.got) == 3
    make_due()
    delivering._deliver_some(timezone.now())
    first.refresh_from_db()
    assert (first.state, first.status, first.error) == (States.DEAD, 500, "The receiver answered 500.")
    assert (tries("failed") - failed, tries("dead") - dead) == (3, 1)
    server.got.clear()
    server.status = 200
    delivering.deliver()
    assert numbers(server) == [2]
    changing.send_again(delivery=first)
    with pytest.raises(changing.WebhookRefused, match="is already queued"):
        changing.send_again(delivery=first)
    announce(project, 3)
    server.statuses = [503]
    delivering.deliver()
    assert numbers(server) == [2, 1, 3]  # it is tried once, and keeps no other back
    first.refresh_from_db()
    assert first.state == States.DEAD
    changing.send_again(delivery=first)
    delivering.deliver()
    first.refresh_from_db()
    assert (first.state, numbers(server)[-1]) == (States.DELIVERED, 1)


def test_the_pauses_grow_and_take_three_days() -> None:
    pauses = [delivering.PAUSES.after(tries) for tries in range(1, TRIES)]
    assert datetime.timedelta(days=3) <= sum(pauses, datetime.timedelta()) < datetime.timedelta(days=4)
    assert all(later > 1.5 * sooner for sooner, later in itertools.pairwise(pauses[:9]))
    assert max(pauses) <= datetime.timedelta(seconds=4500)


def test_redirects_are_not_followed(project: Project, server: Receiver) -> None:
    add(project, server)
    announce(project, 1)
    server.status, server.location = 307, "/elsewhere"
    delivering.deliver()
    assert len(server.got) == 1
    assert Delivery.objects.get().error == (
        "The receiver answered 307. Redirects are not followed: enter the new address."
    )


def test_a_paused_webhook_keeps_what_happens_meanwhile(project: Project, server: Receiver) -> None:
    webhook, _ = add(project, server)
    announce(project, 1, 2)
    server.statuses = [410]
    delivering.deliver()
    make_due()
    delivering.deliver()
    webhook.refresh_from_db()
    assert (len(server.got), webhook.pause_reason) == (1, "The receiver answered 410 Gone.")
    changing.change(webhook=webhook, paused=False)
    delivering.deliver()
    assert numbers(server) == [1, 1, 2]
    changing.change(webhook=webhook, paused=True)
    announce(project, 3, 4)
    delivering.deliver()
    assert numbers(server) == [1, 1, 2]
    changing.change(webhook=webhook, paused=False)
    delivering.deliver()
    assert numbers(server) == [1, 1, 2, 3, 4]


@pytest.mark.parametrize("drip", [False, True], ids=["silent", "drip"])
def test_a_slow_receiver_is_left_and_holds_up_no_other(
    project: Project, server: Receiver, monkeypatch: pytest.MonkeyPatch, drip: bool
) -> None:
    monkeypatch.setattr(delivering, "SECONDS", 0.6)
    add(project, server)
    server.drip, server.seconds = drip, 0 if drip else 30
    with receiver() as other:
        add(project, other)
        announce(project, 1)
        before = time.monotonic()
        delivering._deliver_some(timezone.now())
        assert time.monotonic() - before < 10
        assert len(other.got) == 1
    slow = Delivery.objects.waiting().get()
    assert (slow.status, slow.error) == (None, "The receiver did not answer within 0.6 seconds.")


def test_the_webhooks_of_one_persons_projects_leave_places_to_others(
    project: Project, server: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "AT_ONCE_OF_OWNER", 2)
    mona, own = make_user("mona"), [make_project(f"own-{n}") for n in range(3)]
    Project.objects.filter(pk__in=[each.pk for each in own]).update(created_by=mona)
    for each in (*own, project):
        add(each, server)
        announce(each, 1)
    chosen = [each.project for each in delivering._chosen(timezone.now())]
    assert (len(chosen), project in chosen) == (3, True)


def test_a_slow_look_up_is_left_and_others_get_their_messages_meanwhile(
    project: Project, server: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "SECONDS", 1.5)
    resolve, over, delivered = socket.getaddrinfo, threading.Event(), []

    def lookup(host: Any, *args: Any, **more: Any) -> Any:
        if host != "slow.example":
            return resolve(host, *args, **more)
        over.wait(60)
        raise OSError

    def record(delivery: Delivery, *args: Any) -> None:
        store(delivery, *args)
        delivered.append(Delivery.objects.filter(state=States.DELIVERED).count())

    store = delivering._record
    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    monkeypatch.setattr(delivering, "_record", record)
    changing.add(project=project, url="https://slow.example/hook", events=[OPENED])
    add(project, server)
    announce(project, 1, 2, 3)
    before = time.monotonic()
    delivering._deliver_some(timezone.now(), until=before + 1.5)
    assert time.monotonic() - before < 30
    over.set()
    assert numbers(server) == [1, 2, 3]
    assert delivered == [1, 2, 3, 3]  # stored one by one, before the slow one ended
    assert Delivery.objects.get(attempts=1, state=States.WAITING).error == (
        "The receiver did not answer within 1.5 seconds."
    )


def test_three_dead_letters_in_a_row_pause_the_webhook(project: Project, server: Receiver) -> None:
    webhook, _ = add(project, server)
    server.status = 500

    def let_die() -> None:
        Delivery.objects.waiting().update(tries_left=1, attempts=TRIES - 1, next_at=timezone.now())
        delivering._deliver_some(timezone.now())
        webhook.refresh_from_db()

    announce(project, 0, 1)
    let_die()
    let_die()
    changing.send_test(webhook=webhook)
    delivering._deliver_some(timezone.now())
    webhook.refresh_from_db()
    assert not webhook.paused  # a test event that fails does not count
    announce(project, *range(2, 8))
    server.statuses = [204]
    let_die()  # it is delivered: the next one begins a new row
    let_die()
    let_die()
    assert not webhook.paused
    let_die()
    assert (webhook.paused, webhook.pause_reason) == (True, "3 messages in a row failed, each for three days.")
    server.got.clear()
    delivering.deliver()
    assert (server.got, Delivery.objects.waiting().count()) == ([], 2)
    server.status = 204
    changing.change(webhook=webhook, paused=False)
    delivering.deliver()
    assert numbers(server) == [6, 7]


def test_a_defect_holds_up_no_other_webhook(
    project: Project, server: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, _ = add(project, server)
    add(project, server)
    announce(project, 1)
    post = delivering.post

    async def broken(url: str, body: bytes, headers: dict[str, str]) -> delivering.Answer:
        if url.endswith("broken"):
            raise ValueError
        return await post(url, body, headers)

    changing.change(webhook=first, url=f"{server.url}/broken")
    monkeypatch.setattr(delivering, "post", broken)
    delivering.deliver()
    assert len(server.got) == 1
    assert first.deliveries.get().error == "The message could not be sent: ValueError."
    assert "ValueError" in caplog.text


def test_inner_addresses_get_nothing(project: Project, server: Receiver, settings: Any) -> None:
    add(project, server)
    settings.OUTGOING_ALLOWED_NETWORKS = []
    announce(project, 1)
    delivering.deliver()
    assert not server.got
    assert "OUTGOING_ALLOWED_NETWORKS" in Delivery.objects.get().error


def test_a_new_secret_signs_beside_the_old_one_for_a_day(project: Project, server: Receiver) -> None:
    webhook, old = add(project, server)
    new = changing.rotate(webhook=webhook)
    announce(project, 1)
    delivering.deliver()
    [request] = server.got
    for secret in (old, new):
        Verifier(secret).verify(request.body, request.headers)
    webhook.refresh_from_db()
    assert old not in json.dumps(webhook.secrets)
    end = datetime.datetime.fromisoformat(webhook.secrets[1][1])
    assert datetime.timedelta(hours=23) < end - timezone.now() <= datetime.timedelta(hours=24)
    webhook.secrets[1][1] = timezone.now().isoformat()
    webhook.save()
    announce(project, 2)
    delivering.deliver()
    request = server.got[1]
    Verifier(new).verify(request.body, request.headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(old).verify(request.body, request.headers)


def test_a_changed_key_is_a_failure_that_says_what_to_do(project: Project, server: Receiver, settings: Any) -> None:
    webhook, _ = add(project, server)
    announce(project, 1)
    settings.SECRET_KEY = "another"
    delivering.deliver()
    assert "SECRET_KEY has changed" in Delivery.objects.get().error
    secret = changing.rotate(webhook=webhook)
    make_due()
    delivering.deliver()
    [request] = server.got
    Verifier(secret).verify(request.body, request.headers)


def test_a_worker_that_dies_in_mid_delivery_loses_nothing(project: Project, server: Receiver) -> None:
    webhook, _ = add(project, server)
    announce(project, 1)
    now = timezone.now()
    assert delivering._take(webhook, now) is not None  # and then it is killed
    delivering.deliver()
    assert not server.got
    Webhook.objects.update(held_until=now)
    delivering.deliver()
    assert numbers(server) == [1]


def test_a_worker_that_was_overtaken_stores_nothing(project: Project, server: Receiver) -> None:
    webhook, _ = add(project, server)
    announce(project, 1)
    late = delivering._take(webhook, timezone.now())
    assert late is not None
    Webhook.objects.update(held_until=timezone.now())
    delivering.deliver()
    delivering._record(late, delivering.Answer(error="Late."), timezone.now())
    assert Delivery.objects.get().state == States.DELIVERED


def test_a_test_event_makes_what_waits_due(project: Project, server: Receiver) -> None:
    webhook, secret = add(project, server)
    announce(project, 1)
    server.statuses = [500]
    delivering.deliver()
    changing.send_test(webhook=webhook)
    with pytest.raises(changing.WebhookRefused, match="is already queued"):
        changing.send_test(webhook=webhook)
    delivering.deliver()
    last = Verifier(secret).verify(server.got[-1].body, server.got[-1].headers)
    assert (len(server.got), last["type"], last["data"]) == (3, "webhook.test", {"project": "digits"})
    server.status = 500
    delivery = changing.send_test(webhook=webhook)
    delivering.deliver()
    delivery.refresh_from_db()
    assert delivery.state == States.DEAD  # tried once
    changing.change(webhook=webhook, paused=True)
    with pytest.raises(changing.WebhookRefused, match="paused"):
        changing.send_test(webhook=webhook)


def test_deleted_projects_send_nothing_and_archived_ones_what_waits(project: Project, server: Receiver) -> None:
    add(project, server)
    announce(project, 1)
    user = project.memberships.model._meta.get_field("user").related_model.objects.create(username="mona")
    lifecycle.delete(project=project, user=user, name=project.name)
    delivering.deliver()
    assert not server.got
    lifecycle.restore(project=project)
    lifecycle.archive(project=project)
    delivering.deliver()
    assert numbers(server) == [1]


def test_a_webhook_goes_with_its_deliveries_and_old_events_go(project: Project, server: Receiver) -> None:
    webhook, _ = add(project, server)
    add(project, server)
    announce(project, 1, 2)
    changing.remove_webhook(webhook=webhook)
    assert Delivery.objects.count() == 2
    server.statuses = [204, 500]
    delivering.deliver()
    Event.objects.update(created_at=timezone.now() - looking.KEPT - datetime.timedelta(days=1))
    looking.remove_old(timezone.now())
    assert [each.payload["data"]["number"] for each in Event.objects.all()] == [2]  # it waits


def test_addresses_that_are_refused_at_once() -> None:
    for url, reason in (
        ("", "not a URL"),
        ("example.org/hook", "https://"),
        ("ftp://example.org/", "https://"),
        ("https://", "not a URL"),
        ("https://exa mple.org/", "not a URL"),
        ("https://ann:secret@example.org/", "name and the password"),
        ("https://10.0.0.1/", "private network"),
        ("https://[::1]:8000/", "private network"),
        ("http://9.9.9.9/", "Use https"),
        ("https://example.org:99999/", "not a URL"),
    ):
        with pytest.raises(ValidationError, match=reason):
            validate_address(url)


@given(st.one_of(st.text(), st.text().map("https://{}/".format), st.text().map("https://9.9.9.9/{}".format)))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    with suppress(ValidationError):
        validate_address(text)
        httpx.Request("POST", text, headers={"a": "b"}, content="c")


def test_no_more_than_twenty(project: Project, server: Receiver) -> None:
    for _ in range(changing.MOST):
        add(project, server)
    with pytest.raises(changing.WebhookRefused, match="20 webhooks"):
        add(project, server)
