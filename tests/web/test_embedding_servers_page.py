"""Test the servers for embeddings on the page Encoder and over the API."""

import json

import pytest
from django.test import Client
from factories import make_items, make_member, make_project
from rest_framework.test import APIClient

from labeling.models import EmbeddingServer, LogEntry, Project, User
from labeling.storage.db.sealed import unseal

pytestmark = pytest.mark.django_db
ADDRESS = "https://ml.example.org/v1/embeddings"
API = "/api/v1/projects/p/encoder/"
PAGE = "/p/p/encoder/"
CHOICE = {"name": "endpoint", "options": {"address": ADDRESS, "model": "m"}}


@pytest.fixture
def project() -> Project:
    project = make_project("p", kind="text", currency="EUR")
    make_member(project, "mona", "manager")
    make_items(project, 3, row=None)
    for item in project.items.all():
        item.data = {"text": "x" * 4000}
        item.save()
    return project


@pytest.fixture
def api(project: Project) -> APIClient:
    client = APIClient()
    client.force_authenticate(User.objects.get(username="mona"))
    return client


def test_a_server_is_entered_and_then_chosen(project: Project, api: APIClient) -> None:
    refused = api.put(API, CHOICE, format="json")
    assert refused.status_code == 400
    assert "no server for embeddings at https://ml.example.org" in str(refused.json())
    put = api.put(f"{API}servers/", {"address": ADDRESS, "key": "sk-secret", "price": 20}, format="json").json()
    assert put == {
        "id": EmbeddingServer.objects.get().pk,
        "address": ADDRESS,
        "has_key": True,
        "price": 20.0,
        "tokens": 0,
        "cost": 0.0,
        "tokens_of_all": 3000,
    }
    assert api.get(f"{API}servers/").json() == [put]
    assert api.put(API, CHOICE, format="json").json()["options"] == CHOICE["options"]
    assert api.delete(f"{API}servers/{put['id']}/").status_code == 204
    assert api.get(f"{API}servers/").json() == []


def test_a_wrong_server_is_refused(project: Project, api: APIClient) -> None:
    addresses = ("http://10.0.0.1/v1", "https://10.0.0.1/v1", "https://name:word@example.org/v1")
    prices = ({"address": ADDRESS, "price": price} for price in (-1, "nan"))
    for wrong in ({}, *({"address": address} for address in addresses), *prices):
        assert api.put(f"{API}servers/", wrong, format="json").status_code == 400, wrong
    assert not EmbeddingServer.objects.exists()


def test_the_key_is_sealed_never_shown_and_of_one_address(project: Project, api: APIClient) -> None:
    client = Client()
    client.force_login(User.objects.get(username="mona"))
    client.post(f"{PAGE}server/", {"address": ADDRESS, "key": "sk-secret", "price": "20"})
    entered = EmbeddingServer.objects.get()
    assert "sk-secret" not in entered.key
    client.post(f"{PAGE}server/", {"address": ADDRESS, "key": "", "price": ""})
    entered.refresh_from_db()
    assert (unseal(entered.key), entered.price) == ("sk-secret", None)
    api.put(f"{API}servers/", {"address": "https://evil.example.org/v1"}, format="json")
    assert EmbeddingServer.objects.get(address="https://evil.example.org/v1").key == ""
    shown = client.get(PAGE).content.decode() + json.dumps(api.get(f"{API}servers/").json())
    logged = json.dumps([[entry.before, entry.after] for entry in LogEntry.objects.all()])
    assert "sk-secret" not in shown + logged
    assert entered.key not in shown + logged


def test_the_page_enters_estimates_chooses_and_removes(project: Project) -> None:
    client = Client()
    client.force_login(User.objects.get(username="mona"))
    wrong = client.post(f"{PAGE}server/", {"address": "ftp://x"})
    assert wrong.status_code == 400
    assert "The URL must begin with https:// or http://." in wrong.content.decode()
    form = {"name": "endpoint", "endpoint-address": ADDRESS, "endpoint-model": "m"}
    unknown = client.post(PAGE, form)
    assert unknown.status_code == 400
    assert "no server for embeddings at https://ml.example.org" in unknown.content.decode()
    client.post(f"{PAGE}server/", {"address": ADDRESS, "key": "sk-secret", "price": "20"})
    page = client.get(PAGE).content.decode()
    assert "3,000 tokens" in page
    assert "EUR\xa00.06" in page
    assert client.post(PAGE, form).status_code == 302
    project.refresh_from_db()
    assert project.encoder == CHOICE
    client.post(f"{PAGE}server/{EmbeddingServer.objects.get().pk}/remove/")
    assert not EmbeddingServer.objects.exists()


def test_a_private_project_is_refused(project: Project, api: APIClient) -> None:
    api.put(f"{API}servers/", {"address": ADDRESS}, format="json")
    Project.objects.filter(pk=project.pk).update(privacy_epsilon=3.0)
    refused = api.put(API, CHOICE, format="json")
    assert refused.status_code == 400
    assert "not sent to an external server" in str(refused.json())


def test_other_kinds_have_no_such_servers_on_their_page() -> None:
    project = make_project("pictures", kind="image")
    make_member(project, "mona", "manager")
    client = Client()
    client.force_login(User.objects.get(username="mona"))
    assert "Servers for embeddings" not in client.get("/p/pictures/encoder/").content.decode()
