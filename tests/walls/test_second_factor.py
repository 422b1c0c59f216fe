"""Test second factors: codes of an app, recovery codes, who must have one, and their removal."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client
from factories import make_member, make_project, make_user
from knox.models import AuthToken
from pages import signed_in, text_of
from rest_framework.test import APIClient

from labeling.models import LogEntry, Role, User
from labeling.projects.people import second_factors

pytestmark = pytest.mark.django_db

INDEX = "/account/second-factor/"
CODE = "/login/second-factor/"


@pytest.fixture
def mona() -> User:
    return make_member(make_project(), "mona", Role.MANAGER)


def code(secret: str, steps: int = 0) -> str:
    """Return the app's code, of the present half minute or some before or after it."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps))


def confirmed(user: User) -> Client:
    """Return a browser in which the user has just entered the password again."""
    client = signed_in(user)
    form = {"password": f"{user.username}-password"}
    assert client.post(f"/account/confirm/?next={INDEX}", form).status_code == 302
    return client


def set_up(user: User) -> tuple[str, list[str]]:
    """Set up an app; return its key and the recovery codes."""
    client = confirmed(user)
    secret = client.get(f"{INDEX}app/add/").context["form"].secret
    page = client.post(f"{INDEX}app/add/", {"code": code(secret, -1)}, follow=True)
    assert page.status_code == 200
    return secret, page.context["unused_codes"]


def password_given(name: str = "mona", **more: Any) -> Client:
    client = Client(**more)
    response = client.post("/login/", {"username": name, "password": f"{name}-password", "next": "/new/"})
    assert response["Location"] == CODE
    assert client.get("/account/").status_code == 302, "not signed in yet"
    return client


def kinds(user: User) -> list[str]:
    return list(LogEntry.objects.filter(whom=user.pk).order_by("pk").values_list("kind", flat=True))


def test_a_code_counts_once(mona: User) -> None:
    secret, codes = set_up(mona)
    client, thief = password_given(), password_given()
    assert client.post(CODE, {"code": "000000"}).status_code == 200
    now = code(secret)
    assert client.post(CODE, {"code": now})["Location"] == "/new/"
    assert client.get("/account/").status_code == 200
    assert "used before" in text_of(thief.post(CODE, {"code": now}))
    assert thief.get("/account/").status_code == 302
    assert kinds(mona).count("account.sign_in_failed") == 2
    assert len(codes) == 10
    assert password_given().post(CODE, {"code": codes[3]}).status_code == 302
    assert password_given().post(CODE, {"code": codes[3]}).status_code == 200
    assert "9 of your recovery codes" in text_of(signed_in(mona).get(INDEX))
    stored = json.dumps(list(Authenticator.objects.values_list("data", flat=True)))
    assert secret not in stored
    for each in Authenticator.objects.all():
        assert all(str(value).startswith("gAAAA") for key, value in each.data.items() if key in ("secret", "seed"))


def test_the_code_that_sets_up_an_app_counts_once_too(mona: User) -> None:
    client = confirmed(mona)
    secret = client.get(f"{INDEX}app/add/").context["form"].secret
    first = code(secret)
    client.post(f"{INDEX}app/add/", {"code": f"{first[:3]} {first[3:]}"})
    assert second_factors.has_one(mona)
    for text in (first, f"{first[:3]}-{first[3:]}", f" {first} "):
        assert "used before" in text_of(password_given().post(CODE, {"code": text}))
    assert password_given().post(CODE, {"code": code(secret, 1)})["Location"] == "/new/"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["app", "recovery"])
def test_of_sign_ins_at_once_with_the_same_code_one_succeeds(mona: User, kind: str) -> None:
    secret, codes = set_up(mona)
    text = code(secret) if kind == "app" else codes[0]
    browsers = [password_given() for _ in range(6)]
    ready = Barrier(len(browsers))

    def send(client: Client) -> int:
        try:
            ready.wait()
            return client.post(CODE, {"code": text}).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(browsers)) as pool:
        answers = list(pool.map(send, browsers))
    assert sorted(answers) == [200] * 5 + [302]


@pytest.mark.django_db(transaction=True)
def test_changes_are_recorded_once_they_are_stored(mona: User) -> None:
    set_up(mona)
    client = confirmed(mona)
    client.post(f"{INDEX}codes/new/")
    client.post(f"{INDEX}app/remove/")
    recorded = ["account.factor_added", "account.recovery_codes", "account.factor_removed"]
    assert [kind for kind in kinds(mona) if kind in recorded] == recorded


def test_the_code_page_takes_the_codes_of_who_gave_the_password(mona: User, settings: Any) -> None:
    secret, _ = set_up(mona)
    client = Client()
    assert client.get(CODE)["Location"] == "/login/"
    assert client.post(CODE, {"code": code(secret)})["Location"] == "/login/"
    wrong = Client()
    wrong.post("/login/", {"username": "mona", "password": "wrong"})
    assert wrong.get(CODE)["Location"] == "/login/"
    other, codes = set_up(make_user("eve"))
    client = password_given()
    for text in (code(other), codes[0]):
        assert client.post(CODE, {"code": text}).status_code == 200, "of another account"
    for number in range(settings.LOGIN_ATTEMPTS - 2):
        # From wherever: who has come so far knows the password.
        assert password_given(REMOTE_ADDR=f"203.0.113.{number}").post(CODE, {"code": "000000"}).status_code == 200
    page = password_given().post(CODE, {"code": code(secret)})
    assert page.status_code == 200
    assert "Too many" in text_of(page)


@pytest.mark.parametrize("path", ["app/add/", "app/remove/", "passkeys/add/", "codes/", "codes/new/"])
def test_changes_take_the_password_again(mona: User, path: str) -> None:
    set_up(mona)
    client = signed_in(mona)
    for method in (client.get, client.post):
        response = method(f"{INDEX}{path}")
        assert response.status_code in (302, 405)
        if response.status_code == 302 and path != "app/add/":
            assert response["Location"].startswith("/account/confirm/")
    assert client.post(f"/account/confirm/?next={INDEX}", {"password": "wrong"}).status_code == 200
    away = client.post("/account/confirm/?next=https://evil.example", {"password": "mona-password"})
    assert away["Location"] == "/"


def test_removed_ones_are_no_longer_asked_for(mona: User) -> None:
    set_up(mona)
    client = confirmed(mona)
    assert client.post(f"{INDEX}app/remove/").status_code == 302
    assert not Authenticator.objects.exists(), "recovery codes end with it"
    assert Client().post("/login/", {"username": "mona", "password": "mona-password"})["Location"] == "/"
    assert kinds(mona)[-1] == "account.factor_removed"


WHO: list[tuple[str, Callable[[], User], bool]] = [
    ("none", lambda: make_user("boss", is_staff=True), False),
    ("staff", lambda: make_user("boss", is_staff=True), True),
    ("staff", lambda: make_member(make_project(), "boss", Role.MANAGER), False),
    ("managers", lambda: make_member(make_project(), "boss", Role.MANAGER), True),
    ("managers", lambda: make_member(make_project(), "boss", Role.ANNOTATOR), False),
    ("managers", lambda: make_user("boss", is_staff=True), True),
    ("all", lambda: make_user("boss"), True),
]


@pytest.mark.parametrize(("setting", "make", "must"), WHO)
def test_who_must_have_one_is_led_to_it(setting: str, make: Callable[[], User], must: bool, settings: Any) -> None:
    settings.SECOND_FACTOR = setting
    user = make()
    client = signed_in(user)
    if not must:
        assert client.get("/").status_code == 200
        return
    for path in ("/", "/account/", "/admin/", "/account/notices/", "/account/password/"):
        assert client.get(path)["Location"] == INDEX, path
    answer = client.get("/api/v1/projects/")
    assert (answer.status_code, answer.json()["code"]) == (403, "second_factor_required")
    assert "second factor" in answer.json()["detail"]
    page = client.get(INDEX)
    assert "Set one up to continue" in text_of(page)
    client = confirmed(user)
    secret = client.get(f"{INDEX}app/add/").context["form"].secret
    client.post(f"{INDEX}app/add/", {"code": code(secret)})
    assert client.get("/").status_code == 200
    refused = client.post(f"{INDEX}app/remove/")
    assert "add another one first" in text_of(refused)
    assert second_factors.has_one(user)


def test_programs_with_a_token_go_on(mona: User, settings: Any) -> None:
    settings.SECOND_FACTOR = "all"
    program = APIClient()
    program.credentials(HTTP_AUTHORIZATION=f"Token {AuthToken.objects.create(user=mona)[1]}")
    assert program.get("/api/v1/projects/").status_code == 200


def test_an_administrator_removes_lost_ones(mona: User) -> None:
    set_up(mona)
    client = signed_in(mona)
    call_command("remove_second_factor", "mona")
    assert client.get("/account/").status_code == 302
    assert not Authenticator.objects.exists()
    with pytest.raises(CommandError, match="no second factor"):
        call_command("remove_second_factor", "mona")
    with pytest.raises(CommandError, match="no account"):
        call_command("remove_second_factor", "nobody")
    set_up(mona)
    boss = signed_in(make_user("boss", is_staff=True, is_superuser=True))
    form = {"action": "remove_second_factor", "_selected_action": [str(mona.pk)]}
    assert "Second factors removed: mona" in text_of(boss.post("/admin/labeling/user/", form, follow=True))
    assert not Authenticator.objects.exists()
    assert kinds(mona).count("account.factor_removed") == 2
