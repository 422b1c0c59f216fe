"""Test that only a person who reads the terminal can create the first account in the browser, once."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth import get_user
from django.db import connection
from django.test import Client
from factories import make_user
from pages import errors_of, text_of

from config import gunicorn
from labeling.models import User
from labeling.web.account import first_account

pytestmark = pytest.mark.django_db

FORM = {"username": "mona", "password1": "long-and-odd-7", "password2": "long-and-odd-7"}


def test_every_page_leads_to_what_is_to_be_done(client: Client) -> None:
    for path in ("/", "/new/", "/account/", "/p/digits/", "/p/digits/label/", "/admin/", "/login/"):
        response = client.get(path, follow=True)
        assert (response.redirect_chain[-1][0], response.status_code) == ("/setup/", 403), path
        assert "There is no account yet" in text_of(response)
        assert "<form" not in response.content.decode()


def test_with_the_key_an_account_is_made_that_may_do_everything(client: Client) -> None:
    assert client.get(first_account.link()).status_code == 200
    response = client.post(first_account.link(), FORM, follow=True)
    assert response.redirect_chain == [("/new/", 302)]
    assert "Now create your first project" in text_of(response)
    mona = User.objects.get()
    assert get_user(client) == mona
    assert mona.is_staff
    assert mona.is_superuser
    assert mona.check_password("long-and-odd-7")
    assert "Create your first project" in text_of(client.get("/"))


def test_without_the_key_nothing_is_made(client: Client) -> None:
    for query in ({}, *({"key": key} for key in ("", "x", "0" * 40, "é", "\x00"))):
        for response in (client.get("/setup/", query), client.post("/setup/", FORM, query_params=query)):
            assert response.status_code == 403, query
            assert first_account.key() not in response.content.decode()
    assert client.post("/setup/", {**FORM, "key": first_account.key()}).status_code == 403
    assert not User.objects.exists()


def test_the_key_is_that_of_this_installation(settings: Any) -> None:
    here = first_account.key()
    settings.SECRET_KEY = "another"
    assert first_account.key() != here


def test_it_is_over_once_there_is_an_account(client: Client) -> None:
    make_user("annie")
    for response in (client.get(first_account.link()), client.post(first_account.link(), FORM)):
        assert (response.status_code, response["Location"]) == (302, "/")
    assert User.objects.count() == 1
    assert client.get("/login/").status_code == 200


def test_what_is_wrong_stands_beside_the_field(client: Client) -> None:
    for change, field in (
        *(({"username": name}, "username") for name in ("", "a b", "x" * 151)),
        ({"password2": "other-and-odd-7"}, "password2"),
        *(({"password1": text, "password2": text}, "password2") for text in ("12345678", "password")),
        ({"password1": "", "password2": ""}, "password1"),
    ):
        response = client.post(first_account.link(), {**FORM, **change})
        assert response.status_code == 400, change
        assert field in errors_of(response)
        name = change.get("username", "mona")
        assert f'value="{name}"' in response.content.decode() or not name
    assert not User.objects.exists()


def test_a_form_of_another_site_makes_none() -> None:
    client = Client(enforce_csrf_checks=True)
    assert client.post(first_account.link(), FORM).status_code == 403
    assert not User.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_wins() -> None:
    def one(name: str) -> str:
        try:
            return Client().post(first_account.link(), {**FORM, "username": name})["Location"]
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        led_to = list(pool.map(one, [f"claimant-{number}" for number in range(6)]))
    assert User.objects.count() == 1
    assert led_to.count("/new/") == 1
    assert set(led_to) <= {"/new/", "/login/", "/"}


def test_the_log_tells_the_link_only_while_it_is_wanted(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "close", lambda: None)  # the test's own
    settings.HTTPS = False
    assert gunicorn.first_account_link() == f"http://{gunicorn.bind}{first_account.link()}"
    settings.HTTPS, settings.ALLOWED_HOSTS = True, ["localhost", "labels.example.org", "127.0.0.1"]
    assert gunicorn.first_account_link() == f"https://labels.example.org{first_account.link()}"
    settings.ALLOWED_HOSTS = ["*"]
    assert str(gunicorn.first_account_link()).startswith("https://YOUR-HOST/setup/")
    make_user("mona")
    assert gunicorn.first_account_link() is None
