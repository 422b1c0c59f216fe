"""Test that there is one sign-in page, which redirects to this site alone."""

import pytest
from django.test import Client
from factories import make_user
from pages import signed_in, text_of

pytestmark = pytest.mark.django_db

ADMIN_LOGIN = "/admin/login/?next=/admin/labeling/user/"


def test_the_admin_sends_to_the_sign_in_page() -> None:
    assert Client().get("/admin/labeling/user/")["Location"] == ADMIN_LOGIN
    assert Client().get(ADMIN_LOGIN)["Location"] == "/login/?next=/admin/labeling/user/"
    boss = make_user("boss", is_staff=True, is_superuser=True)
    client = Client()
    response = client.post(ADMIN_LOGIN, {"username": "boss", "password": "boss-password"})
    assert response.status_code == 405
    assert "sessionid" not in client.cookies
    mona = signed_in(make_user("mona"))
    assert mona.get("/admin/password_change/")["Location"] == "/account/password/"
    response = mona.get("/admin/", follow=True)
    assert response.status_code == 403
    assert "Only staff" in text_of(response)
    response = client.post("/login/?next=/admin/", {"username": "boss", "password": "boss-password", "next": "/admin/"})
    assert response["Location"] == "/admin/"
    assert signed_in(boss).get("/admin/labeling/signinfailure/").status_code == 200


TARGETS = [
    "https://evil.example/", "//evil.example/", "///evil.example/", "/\\evil.example/",
    "\\\\evil.example", "http:evil.example", "javascript:alert(1)", "data:text/html,x",
    "\t//evil.example", "/\t/evil.example", "https://testserver@evil.example/", "https://testserver.evil.example/",
]  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
def test_next_leads_nowhere_else(target: str) -> None:
    make_user("mona")
    data = {"username": "mona", "password": "mona-password", "next": target}
    assert Client().post("/login/", data)["Location"] == "/"
    client = Client()
    assert client.post("/login/", {**data, "next": ""}, query_params={"next": target})["Location"] == "/"
    assert client.get("/login/", {"next": target})["Location"] == "/"
    assert client.post("/logout/", {"next": target})["Location"] == "/login/"
    admin = Client().get("/admin/login/", {"next": target})["Location"]
    assert admin.startswith("/login/?next=")


def test_signing_out_needs_a_form_and_ends_the_session() -> None:
    client = signed_in(make_user("mona"))
    assert client.get("/logout/").status_code == 405
    kept = client.cookies["sessionid"].value
    client.post("/logout/")
    thief = Client()
    thief.cookies["sessionid"] = kept
    assert thief.get("/").status_code == 302
