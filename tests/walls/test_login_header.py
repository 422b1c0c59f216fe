"""Test sign-in by a header: only a trusted proxy's header counts, and it gives an account without a project."""

import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user
from django.http import HttpResponse
from django.test import Client
from factories import make_member, make_project, make_user
from knox.models import AuthToken
from pages import signed_in, text_of
from rest_framework.test import APIClient

from config.security import content_policy
from labeling.models import Membership, Project, SignInFailure, User
from labeling.web.account import first_account
from tests.extent import some

pytestmark = pytest.mark.django_db

PROXY, STRANGER = "10.0.0.1", "198.51.100.7"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def behind_a_proxy(settings: Any) -> User:
    """Enable the login header, in an installation with an account."""
    settings.LOGIN_HEADER = "X-Forwarded-User"
    settings.LOGIN_HEADER_CREATES_ACCOUNTS = True
    settings.TRUSTED_PROXIES = [ip_network("10.0.0.0/24")]
    return make_user("boss", is_staff=True, is_superuser=True)


def get(path: str = "/", name: str | None = None, *, client: Client | None = None, peer: str = PROXY) -> HttpResponse:
    headers = {} if name is None else {"HTTP_X_FORWARDED_USER": name}
    return (client or Client()).get(path, REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=STRANGER, **headers)


def test_only_the_header_of_the_proxy_signs_in(settings: Any) -> None:
    assert get(name="boss").status_code == 200
    assert get().status_code == 302
    for peer in (STRANGER, "127.0.0.1", "10.0.1.1", ""):
        assert get(name="boss", peer=peer).status_code == 302, peer
    spoofed = Client().get("/", REMOTE_ADDR=STRANGER, HTTP_X_FORWARDED_FOR=PROXY, HTTP_X_FORWARDED_USER="boss")
    assert spoofed.status_code == 302
    assert get("/api/v1/projects/", "boss", peer=STRANGER).status_code == 401
    for header in ("HTTP_REMOTE_USER", "REMOTE_USER", "HTTP_X_FORWARDED_EMAIL", "HTTP_X_REMOTE_USER"):
        assert Client().get("/", REMOTE_ADDR=PROXY, **{header: "boss"}).status_code == 302, header
    settings.LOGIN_HEADER = ""
    client = Client()
    for header in ("HTTP_X_FORWARDED_USER", "HTTP_REMOTE_USER", "HTTP_", "REMOTE_USER"):
        assert client.get("/", REMOTE_ADDR=PROXY, **{header: "boss"}).status_code == 302, header


def test_a_newcomer_gets_an_account_in_no_project() -> None:
    make_project()
    client = Client()
    assert "You are not in a project yet" in text_of(get(name="new.comer@example.org", client=client))
    user = User.objects.get(username="new.comer@example.org")
    assert (user.is_staff, user.is_superuser, user.has_usable_password()) == (False, False, False)
    assert not Membership.objects.filter(user=user).exists()
    assert get("/p/digits/", "new.comer@example.org", client=client).status_code == 404
    get(name="new.comer@example.org")
    assert User.objects.count() == 2


def test_newcomers_may_be_refused_and_are_not_counted_as_guessing(settings: Any) -> None:
    settings.LOGIN_HEADER_CREATES_ACCOUNTS = False
    response = Client().get(
        "/", REMOTE_ADDR=PROXY, HTTP_X_FORWARDED_USER="newcomer", HTTP_X_FORWARDED_FOR=STRANGER, follow=True
    )
    assert "signed in elsewhere as newcomer" in text_of(response)
    assert not User.objects.filter(username="newcomer").exists()
    assert get(name="boss").status_code == 200
    client = Client()
    for _ in range(60):
        assert get("/login/", "newcomer", client=client).status_code == 200
    assert not SignInFailure.objects.exists()
    User.objects.update(is_active=False)
    assert get(name="boss").status_code == 302
    assert "signed in elsewhere as boss" in text_of(get("/login/", name="boss"))


@pytest.mark.parametrize("name", ["a b", "x" * 151, "boss,mallory", "<script>", "a/b", "'", "a\x00b", "a;b"])
def test_a_name_that_no_account_can_have_makes_none(name: str) -> None:
    assert get(name=name).status_code == 302
    assert "<script>alert" not in get("/login/", name=name).content.decode()
    assert User.objects.count() == 1


@pytest.mark.parametrize("name", ["", " "])
def test_nobody_is_not_a_person(name: str) -> None:
    client = Client()
    get(name="boss", client=client)
    assert get(name=name, client=client).status_code == 302
    assert User.objects.count() == 1


def test_a_session_needs_the_header_on_every_request(settings: Any) -> None:
    client = Client()
    get(name="boss", client=client)
    assert get(client=client).status_code == 302
    get(name="boss", client=client)
    assert get(name="boss", client=client, peer=STRANGER).status_code == 302
    annie = make_user("annie")
    get(name="boss", client=client)
    before = client.cookies["sessionid"].value
    get(name="annie", client=client)
    assert get_user(client) == annie
    assert client.cookies["sessionid"].value != before
    settings.LOGOUT_REDIRECT_URL = "https://auth.example.org/logout?rd=/"
    get(name="boss", client=client)
    response = client.post("/logout/", REMOTE_ADDR=PROXY, HTTP_X_FORWARDED_USER="boss")
    assert response["Location"] == "https://auth.example.org/logout?rd=/"
    get(name="boss", client=client)
    settings.LOGIN_HEADER = ""
    assert get(client=client).status_code == 302


def test_other_ways_in_still_work_and_forms_need_their_token() -> None:
    client = signed_in(User.objects.get())
    assert get(client=client).status_code == 200
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {AuthToken.objects.create(user=User.objects.get())[1]}")
    assert client.get("/api/v1/projects/", REMOTE_ADDR=PROXY).status_code == 200
    client = Client(enforce_csrf_checks=True)
    headers = {"REMOTE_ADDR": PROXY, "HTTP_X_FORWARDED_USER": "boss"}
    assert client.post("/account/", {"days": "7"}, **headers).status_code == 403
    project: Project = make_project()
    make_member(project, "annie")
    assert get("/p/digits/label/", "annie").status_code == 200
    assert get("/p/digits/settings/", "annie").status_code == 403


def test_the_first_account_is_not_made_by_who_comes_first() -> None:
    User.objects.all().delete()
    client = Client()
    assert get("/", "newcomer", client=client).status_code == 302
    assert not User.objects.exists()
    page = get(first_account.link(), "newcomer", client=client).content.decode()
    assert 'value="newcomer"' in page
    client.post(
        first_account.link(),
        {"username": "newcomer", "password1": "long-and-odd-7", "password2": "long-and-odd-7"},
        REMOTE_ADDR=PROXY,
        HTTP_X_FORWARDED_USER="newcomer",
    )
    assert get(name="newcomer", client=client).status_code == 200
    assert User.objects.get().is_superuser


def test_the_policy_lets_signing_out_lead_there_and_nowhere_else() -> None:
    assert content_policy("/sign_out")["form-action"] == content_policy("")["form-action"] == ["'self'"]
    elsewhere = content_policy("https://auth.example.org/logout?rd=/")
    assert elsewhere["form-action"] == ["'self'", "https://auth.example.org"]


@pytest.mark.parametrize(
    ("wrong", "told"),
    some(
        [
            ({"LOGIN_HEADER": "X-Forwarded-User"}, "LOGIN_HEADER needs TRUSTED_PROXIES"),
            ({"LOGIN_HEADER": "X Forwarded", "TRUSTED_PROXIES": "10.0.0.1"}, "LOGIN_HEADER"),
            ({"TRUSTED_PROXIES": "10.0.0.1, proxy.example.org"}, "TRUSTED_PROXIES: 'proxy.example.org'"),
            ({"TRUSTED_PROXIES": "10.0.0.1/33"}, "TRUSTED_PROXIES: '10.0.0.1/33'"),
            ({"METRICS_FROM": "everybody"}, "METRICS_FROM: 'everybody'"),
            ({"SIGN_OUT_URL": "//evil.example/"}, "SIGN_OUT_URL"),
            ({"SIGN_OUT_URL": "javascript:alert(1)"}, "SIGN_OUT_URL"),
            ({"LOGIN_ATTEMPTS": "0"}, "LOGIN_ATTEMPTS"),
        ],
        3,
    ),
)
def test_settings_that_cannot_be_meant_end_the_program(wrong: dict[str, str], told: str, tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "DATA_DIR": str(tmp_path), **wrong}
    command = [sys.executable, "manage.py", "check"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode != 0
    assert told in done.stderr.strip().splitlines()[-1]
