"""Test that managers, and no other roles, create, list and withdraw invitations over the API."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from factories import make_member, make_project
from rest_framework.test import APIClient

from labeling.models import Invitation, Role

pytestmark = pytest.mark.django_db

URL = "/api/v1/projects/digits/invitations/"


def client_of(role: str) -> APIClient:
    client = APIClient()
    client.force_authenticate(make_member(make_project(), "mona", role))
    return client


def test_a_link_is_in_the_answer_that_makes_it_and_in_no_other_until_it_is_withdrawn() -> None:
    manager = client_of(Role.MANAGER)
    made = manager.post(URL, {"role": "engineer"}, format="json")
    assert (made.status_code, made["Cache-Control"]) == (201, "no-store")
    body = made.json()
    url = body.pop("url")
    assert url.startswith("http://testserver/invitation/")
    assert manager.get(URL).json() == [body]
    assert (body["role"], body["invited_by"]) == ("engineer", "mona")
    assert Client().get(url).status_code == 200
    assert manager.delete(f"{URL}{body['id']}/").status_code == 204
    assert manager.get(URL).json() == []
    assert Client().get(url).status_code == 404
    again = manager.delete(f"{URL}{body['id']}/")
    assert (again.status_code, again.json()["code"]) == (404, "not_found")


def test_too_many_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labeling.projects.people.invitations.MOST", 1)
    manager = client_of(Role.MANAGER)
    assert manager.post(URL, {"role": "annotator"}, format="json").status_code == 201
    refused = manager.post(URL, {"role": "annotator"}, format="json")
    assert refused.status_code == 409
    assert "in the last 7 days" in refused.json()["detail"]
    assert Invitation.objects.count() == 1


def test_a_link_for_many_until_a_day_and_one_for_a_name() -> None:
    manager = client_of(Role.MANAGER)
    assert manager.post(URL, {"role": "annotator", "name": " Ann Lee "}, format="json").status_code == 201
    assert [each["name"] for each in manager.get(URL).json()] == ["Ann Lee"]
    again = manager.post(URL, {"role": "annotator", "name": "Ann Lee"}, format="json")
    assert (again.status_code, again.json()["detail"].split(".")[0]) == (409, "Ann Lee has an open invitation")
    day = timezone.now().date() + timedelta(days=20)
    body = {"role": "annotator", "limit": 30, "last_day": str(day)}
    made = manager.post(URL, body, format="json").json()
    assert (made["limit"], made["used"], made["name"], made["to_account"]) == (30, 0, "", False)
    assert made["expires_at"] == f"{day + timedelta(days=1)}T00:00:00Z"
    assert "last_day" not in made


BAD: dict[str, list[dict[str, object]]] = {
    "role": [{"role": role} for role in ("king", None, ["annotator"])],
    "name": [{"name": name} for name in ("---", "ann\nbo", "ann, bo", "bo@")],
    "name ": [{"name": "a b", "to_account": True}, {"to_account": True}],
    "limit": [{"limit": 0}, {"limit": "5"}, {"limit": 1001}, {"limit": 2, "name": "ann"}],
    "last_day": [{"last_day": "2020-01-01"}, {"last_day": "soon"}],
    "to_account": [{"to_account": "yes"}],
}


def test_a_bad_field_is_named() -> None:
    client = client_of(Role.MANAGER)
    for field, bodies in BAD.items():
        for more in bodies:
            response = client.post(URL, {"role": "annotator", **more}, format="json")
            assert response.status_code == 400
            assert field.strip() in response.json()["fields"]
    assert "role" in client.post(URL, {}, format="json").json()["fields"]
    assert not Invitation.objects.exists()
