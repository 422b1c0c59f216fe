"""Test the pages of webhooks: add, secret, test, deliveries, pause, remove."""

import re

import pytest
from django.test import Client
from factories import make_webhook
from pages import errors_of, manager, text_of
from receivers import Receiver
from standardwebhooks import Webhook as Verifier

from labeling.models import Delivery, Project, Webhook
from labeling.outside.webhooks import changing, delivering

pytestmark = pytest.mark.django_db

PAGE = "/p/digits/webhooks/"


@pytest.fixture
def mona(project: Project) -> Client:
    return manager(project)


def secret_on(content: bytes) -> str:
    return re.findall(r'<input id="secret" type="text" value="(whsec_[^"]+)" readonly>', content.decode())[0]


def test_a_webhook_is_added_tested_and_its_secret_shown_once(mona: Client, server: Receiver) -> None:
    response = mona.post(PAGE, {"url": server.url, "events": ["batch.done", "review.waiting"]})
    secret = secret_on(response.content)
    assert "no-store" in response["Cache-Control"]
    webhook = Webhook.objects.get()
    assert webhook.events == ["batch.done", "review.waiting"]
    page = f"{PAGE}{webhook.pk}/"
    assert secret not in mona.get(page).content.decode()
    assert "A worker is sending the test event" in text_of(mona.post(f"{page}test/", follow=True))
    delivering.deliver()
    [request] = server.got
    assert Verifier(secret).verify(request.body, request.headers)["type"] == "webhook.test"
    assert "webhook.test just now delivered 1 just now The receiver answered 204." in text_of(mona.get(page))
    new = secret_on(mona.post(f"{page}secret/").content)
    assert new != secret


def test_a_wrong_form_keeps_what_was_typed(mona: Client) -> None:
    response = mona.post(PAGE, {"url": "https://10.0.0.1/hook"})
    assert response.status_code == 400
    assert errors_of(response)["url"].startswith("10.0.0.1 is in a private network.")
    assert errors_of(response)["events"] == "Choose at least one event."
    assert 'value="https://10.0.0.1/hook"' in response.content.decode()


def test_a_dead_letter_is_shown_with_its_error_and_sent_again(mona: Client, project: Project) -> None:
    webhook = make_webhook(project, events=3)
    page = f"{PAGE}{webhook.pk}/"
    shown = text_of(mona.get(page))
    assert "dead letter 83 just now The receiver answered 500." in shown
    assert "Internal Server Error Internal" in shown
    assert "Next try in 5 min" in shown
    dead = webhook.deliveries.get(state=Delivery.State.DEAD)
    assert "A worker is sending the message" in text_of(mona.post(f"{page}deliveries/{dead.pk}/again/", follow=True))
    dead.refresh_from_db()
    assert (dead.state, dead.tries_left) == (Delivery.State.WAITING, 1)
    assert "is already queued" in text_of(mona.post(f"{page}deliveries/{dead.pk}/again/", follow=True))


def test_it_is_changed_paused_and_removed(mona: Client, project: Project) -> None:
    webhook = make_webhook(project)
    page = f"{PAGE}{webhook.pk}/"
    mona.post(page, {"url": "https://example.org/new", "events": ["batch.done"]})
    webhook.refresh_from_db()
    assert (webhook.url, webhook.events) == ("https://example.org/new", ["batch.done"])
    assert mona.post(page, {"url": "no", "events": ["batch.done"]}).status_code == 400
    assert "A manager paused it." in text_of(mona.post(f"{page}pause/", {"paused": "yes"}, follow=True))
    assert "paused" in text_of(mona.get(PAGE))
    assert "Let the webhook go on first" not in text_of(mona.get(page))
    assert "The webhook is resumed." in text_of(mona.post(f"{page}pause/", {"paused": "no"}, follow=True))
    assert "The webhook is removed." in text_of(mona.post(f"{page}remove/", follow=True))
    assert not Webhook.objects.exists()


def test_the_limit_is_said(mona: Client, project: Project) -> None:
    for _ in range(changing.MOST):
        make_webhook(project)
    response = mona.post(PAGE, {"url": "https://example.org/", "events": ["batch.done"]})
    assert response.status_code == 400
    assert "20 webhooks already" in text_of(response)
