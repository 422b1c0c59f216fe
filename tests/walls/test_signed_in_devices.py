"""Test that people see in which browsers and programs they are signed in, and end that."""

import time
from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.test import Client
from django.utils import timezone
from factories import make_user
from knox.models import AuthToken
from pages import text_of
from rest_framework.test import APIClient

from labeling.models import LogEntry, LogKind, TokenUse, User
from labeling.web.gate import sessions

pytestmark = pytest.mark.django_db

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PHONE = "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Mobile Safari/537.36"


def browser(agent: str = FIREFOX, address: str = "198.51.100.7", name: str = "mona") -> Client:
    client = Client(REMOTE_ADDR=address, HTTP_USER_AGENT=agent)
    assert client.post("/login/", {"username": name, "password": f"{name}-password"}).status_code == 302
    return client


def is_in(client: Client) -> bool:
    return client.get("/account/").status_code == 200


def end(client: Client, pk: int) -> int:
    return client.post(f"/account/sessions/{pk}/end/").status_code


@pytest.fixture(autouse=True)
def mona() -> User:
    return make_user("mona")


def test_each_browser_is_listed_and_signed_out_by_a_click() -> None:
    here, phone = browser(), browser(PHONE, "203.0.113.9")
    page = text_of(here.get("/account/"))
    assert "Firefox on Linux this one" in page
    assert "Chrome on Android" in page
    assert "203.0.113.9" in page
    assert end(here, UserSession.objects.get(ip="203.0.113.9").pk) == 302
    assert not is_in(phone)
    assert is_in(here)
    assert "Chrome on Android" not in text_of(here.get("/account/"))
    assert LogEntry.objects.filter(kind=LogKind.SESSION_ENDED).count() == 1


def test_no_browser_of_another_person_and_none_of_an_earlier_password(mona: User) -> None:
    make_user("eve")
    eve, monas = browser(name="eve"), browser()
    assert end(eve, UserSession.objects.get(user__username="mona").pk) == 404
    assert is_in(monas)
    mona.set_password("set-by-an-administrator")
    mona.save()
    assert sessions.sessions_of(mona, None) == []


def test_signing_out_and_a_new_password_take_the_others_from_the_list() -> None:
    here, elsewhere, third = browser(), browser(PHONE), browser()
    third.post("/logout/")
    form = {"old_password": "mona-password", "new_password1": "quite-other-8", "new_password2": "quite-other-8"}
    assert here.post("/account/password/", form).status_code == 302
    assert not is_in(elsewhere)
    assert is_in(here)
    row = UserSession.objects.get()
    assert [each.is_this for each in sessions.sessions_of(row.user, row.session_key)] == [True]


def test_the_last_use_is_noted_every_five_minutes() -> None:
    client = browser()
    long_ago = timezone.now() - timedelta(days=1)
    UserSession.objects.update(last_seen_at=long_ago)
    assert is_in(client)
    assert UserSession.objects.get().last_seen_at == long_ago
    session = client.session
    session[sessions.SEEN] = int(time.time()) - sessions.EVERY_SECONDS
    session.save()
    client.defaults["REMOTE_ADDR"] = "203.0.113.9"
    assert is_in(client)
    row = UserSession.objects.get()
    assert row.last_seen_at > timezone.now() - timedelta(minutes=1)
    assert row.ip == "203.0.113.9"


def test_the_key_of_a_session_changes_at_sign_in() -> None:
    client = Client()
    session = client.session
    session["theirs"] = 1
    session.save()
    client.cookies["sessionid"] = fixed = session.session_key
    client.post("/login/", {"username": "mona", "password": "mona-password"})
    assert client.cookies["sessionid"].value != fixed
    assert not is_in_with(fixed)


def is_in_with(key: str) -> bool:
    client = Client()
    client.cookies["sessionid"] = key
    return is_in(client)


def test_the_use_of_a_token_is_noted_every_five_minutes(mona: User) -> None:
    _, token = AuthToken.objects.create(user=mona)
    client = browser()
    assert "never" in text_of(client.get("/account/"))
    program = APIClient(REMOTE_ADDR="203.0.113.9", HTTP_USER_AGENT="curl/8.5.0")
    program.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    assert program.get("/api/v1/projects/").status_code == 200
    page = text_of(client.get("/account/"))
    assert "203.0.113.9 curl/8.5.0" in page
    noted = TokenUse.objects.get().at
    program.get("/api/v1/projects/")
    assert TokenUse.objects.get().at == noted
    TokenUse.objects.update(at=noted - timedelta(minutes=5))
    program.get("/api/v1/projects/")
    assert TokenUse.objects.get().at > noted
