"""Test that managers, and no other roles, create, list and withdraw invitations over the API."""

from __future__ import annotations

import pytest
from django.test import Client
from factories import make_member, make_project
from rest_framework.test import APIClient

from labeling.models import Invitation, Role

pytestmark = pytest.mark.django_db

URL = "/api/v1/projects/digits/invitations/"


def client_of(role: str) -> APIClient:
    client = APIClient()
    client.force_authenticate(make_member(make_project(), "mona", role))
    return client


def test_a_link_is_in_the_answer_that_makes_it_and_in_no_other() -> None:
    manager = client_of(Role.MANAGER)
    made = manager.post(URL, {"role": "engineer"}, format="json")
    assert (made.status_code, made["Cache-Control"]) == (201, "no-store")
    body = made.json()
    url = body.pop("url")
    assert url.startswith("http://testserver/invitation/")
    assert manager.get(URL).json() == [body]
    assert (body["role"], body["invited_by"]) == ("engineer", "mona")
    assert Client().get(url).status_code == 200


@pytest.mark.parametrize("body", [{}, {"role": "king"}, {"role": None}, {"role": ["annotator"]}])
def test_a_role_that_is_none_is_told(body: object) -> None:
    response = client_of(Role.MANAGER).post(URL, body, format="json")
    assert response.status_code == 400
    assert "role" in response.json()["fields"]
    assert not Invitation.objects.exists()


def test_a_withdrawn_invitation_is_gone() -> None:
    manager = client_of(Role.MANAGER)
    made = manager.post(URL, {"role": "annotator"}, format="json").json()
    assert manager.delete(f"{URL}{made['id']}/").status_code == 204
    assert manager.get(URL).json() == []
    assert Client().get(made["url"]).status_code == 404
    again = manager.delete(f"{URL}{made['id']}/")
    assert (again.status_code, again.json()["code"]) == (404, "not_found")


def test_too_many_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labeling.projects.invitations.MOST", 1)
    manager = client_of(Role.MANAGER)
    assert manager.post(URL, {"role": "annotator"}, format="json").status_code == 201
    refused = manager.post(URL, {"role": "annotator"}, format="json")
    assert refused.status_code == 409
    assert "in the last 7 days" in refused.json()["detail"]
    assert Invitation.objects.count() == 1
