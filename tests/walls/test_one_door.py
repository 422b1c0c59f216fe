"""Test that there is one sign-in page, which redirects to this site alone."""

from typing import Any

import pytest
from django.test import Client
from factories import make_user
from pages import signed_in, text_of

pytestmark = pytest.mark.django_db

ADMIN_LOGIN = "/admin/login/?next=/admin/labeling/user/"


def test_the_admin_sends_to_the_sign_in_page() -> None:
    first = Client().get("/admin/labeling/user/")
    assert first["Location"] == ADMIN_LOGIN
    second = Client().get(ADMIN_LOGIN)
    assert second["Location"] == "/login/?next=/admin/labeling/user/"


def test_the_admin_takes_no_password_itself() -> None:
    make_user("boss", is_staff=True, is_superuser=True)
    client = Client()
    response = client.post(ADMIN_LOGIN, {"username": "boss", "password": "boss-password"})
    assert response.status_code == 405
    assert "sessionid" not in client.cookies
    assert signed_in(make_user("mona")).get("/admin/password_change/")["Location"] == "/account/password/"


def test_who_may_not_see_the_admin_is_told_so_and_not_sent_round() -> None:
    response = signed_in(make_user("mona")).get("/admin/", follow=True)
    assert response.status_code == 403
    assert "Only staff" in text_of(response)


def test_staff_come_in() -> None:
    boss = make_user("boss", is_staff=True, is_superuser=True)
    client = Client()
    path = "/login/?next=/admin/"
    response = client.post(path, {"username": "boss", "password": "boss-password", "next": "/admin/"})
    assert response["Location"] == "/admin/"
    assert signed_in(boss).get("/admin/labeling/signinfailure/").status_code == 200


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "http:evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "\t//evil.example",
        "/\t/evil.example",
        "https://testserver@evil.example/",
        "https://testserver.evil.example/",
    ],
)
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


def test_the_session_that_signs_in_is_not_the_one_before() -> None:
    """An attacker who planted a session in a browser does not share the session after the sign-in."""
    make_user("mona")
    client = Client()
    session = client.session
    session["planted"] = True
    session.save()
    planted = session.session_key
    client.post("/login/", {"username": "mona", "password": "mona-password"})
    assert client.cookies["sessionid"].value not in ("", planted)
    thief = Client()
    thief.cookies["sessionid"] = planted
    assert thief.get("/").status_code == 302


def test_signing_out_needs_a_form_and_ends_the_session() -> None:
    client = signed_in(make_user("mona"))
    assert client.get("/logout/").status_code == 405
    kept = client.cookies["sessionid"].value
    client.post("/logout/")
    thief = Client()
    thief.cookies["sessionid"] = kept
    assert thief.get("/").status_code == 302


def test_a_new_password_ends_the_other_sessions() -> None:
    mona = make_user("mona")
    here, elsewhere = signed_in(mona), signed_in(mona)
    data = {"old_password": "mona-password", "new_password1": "quite-other-8", "new_password2": "quite-other-8"}
    assert here.post("/account/password/", data).status_code == 302
    assert here.get("/").status_code == 200
    assert elsewhere.get("/").status_code == 302


def test_cookies_are_out_of_reach(settings: Any) -> None:
    make_user("mona")
    client = Client()
    client.get("/login/")
    client.post("/login/", {"username": "mona", "password": "mona-password"})
    session, csrf = client.cookies["sessionid"], client.cookies["csrftoken"]
    assert session["httponly"]
    assert session["samesite"] == csrf["samesite"] == "Lax"
    assert session["path"] == "/"
    assert not session["domain"]
