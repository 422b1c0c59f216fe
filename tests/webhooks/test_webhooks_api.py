"""Test the API of webhooks from the first call to the last."""

from typing import Any

import pytest
from django.test import Client
from django.urls import resolve
from pages import manager
from receivers import Receiver
from standardwebhooks import Webhook as Verifier

from labeling.models import EventType, Project
from labeling.outside.webhooks import delivering

pytestmark = pytest.mark.django_db

URL = "/api/v1/projects/digits/webhooks/"


@pytest.fixture
def mona(project: Project) -> Client:
    return manager(project)


def send(client: Client, method: str, path: str, body: Any = None) -> Any:
    csrf = client.get("/account/").cookies["csrftoken"].value if "csrftoken" not in client.cookies else ""
    headers = {"X-CSRFToken": csrf or client.cookies["csrftoken"].value}
    return getattr(client, method)(f"{URL}{path}", body, content_type="application/json", headers=headers)


def test_from_the_first_call_to_the_last(mona: Client, server: Receiver) -> None:
    made = send(mona, "post", "", {"url": server.url, "events": ["review.waiting", "batch.done", "batch.done"]})
    assert (made.status_code, made["Cache-Control"]) == (201, "no-store")
    body = made.json()
    secret, one = body.pop("secret"), f"{body['id']}/"
    assert body["events"] == ["batch.done", "review.waiting"]
    assert mona.get(URL).json() == [body]
    assert mona.get(f"{URL}{one}").json() == body
    test = send(mona, "post", f"{one}test/")
    assert (test.status_code, test.json()["state"]) == (202, "waiting")
    assert send(mona, "post", f"{one}test/").status_code == 409
    server.status, server.body = 500, b"No."
    delivering.deliver()
    [dead] = mona.get(f"{URL}{one}deliveries/").json()["results"]
    assert (dead["state"], dead["status"], dead["response"], dead["event"]) == ("dead", 500, "No.", "webhook.test")
    server.status = 200
    again = f"{one}deliveries/{dead['id']}/again/"
    assert send(mona, "post", again).status_code == 202
    assert send(mona, "post", again).status_code == 409
    new = send(mona, "post", f"{one}secret/").json()["secret"]
    delivering.deliver()
    assert server.got[-1].headers["webhook-id"] == dead["message_id"]
    for each in (secret, new):
        assert Verifier(each).verify(server.got[-1].body, server.got[-1].headers) == dead["payload"]
    paused = send(mona, "patch", one, {"paused": True, "url": "https://example.org/new"}).json()
    assert (paused["paused"], paused["pause_reason"], paused["url"]) == (
        True,
        "A manager paused it.",
        "https://example.org/new",
    )
    assert send(mona, "patch", one, {"paused": False}).json()["paused"] is False
    assert send(mona, "delete", one).status_code == 204
    assert mona.get(URL).json() == []


def test_what_is_refused(mona: Client) -> None:
    for body, field in (
        ({"events": ["batch.done"]}, "url"),
        ({"url": "https://10.0.0.1/", "events": ["batch.done"]}, "url"),
        ({"url": "https://example.org/", "events": []}, "events"),
        ({"url": "https://example.org/", "events": ["batch.eaten"]}, "events.0"),
        ({"url": "https://example.org/"}, "events"),
    ):
        response = send(mona, "post", "", body)
        assert response.status_code == 400
        assert list(response.json()["fields"]) == [field]


def test_the_addresses_in_messages_exist() -> None:
    for event_type in set(EventType):
        resolve(event_type.address.format(project="owls", number=3))
