"""Test the account page: tokens that are shown once, and the password."""

import datetime
import re

import pytest
from django.contrib.auth import authenticate
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from factories import make_user
from knox.models import AuthToken
from pages import errors_of, signed_in, text_of
from rest_framework.test import APIClient

pytestmark = pytest.mark.django_db

ACCOUNT = "/account/"


def token_on(page: str) -> str:
    return re.findall(r'<code id="secret">(\w+)</code>', page)[0]


def may_use(token: str) -> bool:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    return client.get("/api/v1/projects/").status_code == 200


def test_a_token_of_an_offered_term_is_shown_once_works_expires_and_is_revoked() -> None:
    client = signed_in(make_user("enzo"))
    for days in ("", "0", "9999", "x"):
        response = client.post(ACCOUNT, {"days": days})
        assert (response.status_code, "days" in errors_of(response)) == (400, True), days
    assert not AuthToken.objects.exists()
    response = client.post(ACCOUNT, {"days": "7"})
    token = token_on(response.content.decode())
    assert may_use(token)
    assert "no-store" in response["Cache-Control"]
    again = client.get(ACCOUNT).content.decode()
    assert token not in again
    assert token[:8] in again
    page = client.post(reverse("token-revoke", args=[AuthToken.objects.get().token_key]), follow=True)
    assert "is revoked" in text_of(page)
    assert not may_use(token)
    token = token_on(client.post(ACCOUNT, {"days": "7"}).content.decode())
    left = AuthToken.objects.get().expiry - timezone.now()
    assert datetime.timedelta(days=6, hours=23) < left <= datetime.timedelta(days=7)
    AuthToken.objects.update(expiry=timezone.now() - datetime.timedelta(seconds=1))
    assert "expired" in text_of(client.get(ACCOUNT))
    assert not may_use(token)


def test_nobody_revokes_anothers_token() -> None:
    AuthToken.objects.create(user=make_user("enzo"))
    key = AuthToken.objects.get().token_key
    other = signed_in(make_user("mallory"))
    assert other.post(reverse("token-revoke", args=[key])).status_code == 404
    assert key[:8] not in text_of(other.get(ACCOUNT))
    assert AuthToken.objects.exists()


def test_wrong_methods_and_nobody() -> None:
    client = signed_in(make_user("enzo"))
    assert client.get(reverse("token-revoke", args=["x"])).status_code == 405
    assert client.put(ACCOUNT).status_code == 405
    for path in (ACCOUNT, reverse("password")):
        assert Client().get(path)["Location"].startswith("/login/")
    assert Client().post(reverse("token-revoke", args=["x"]))["Location"].startswith("/login/")


def test_the_password_is_changed_if_the_old_one_is_right() -> None:
    client = signed_in(make_user("enzo"))
    data = {"old_password": "wrong", "new_password1": "quite-other-8", "new_password2": "quite-other-8"}
    assert set(errors_of(client.post(reverse("password"), data))) == {"old_password"}
    assert authenticate(username="enzo", password="enzo-password")
    data["old_password"] = "enzo-password"
    assert "Your password is changed." in text_of(client.post(reverse("password"), data, follow=True))
    assert authenticate(username="enzo", password="quite-other-8")
    assert client.get(ACCOUNT).status_code == 200


def root_of(page: str) -> str:
    """Return the start tag of the root element."""
    return page[page.index("<html") : page.index("<head>")]


def test_the_pages_have_the_chosen_colours_until_the_choice_is_undone() -> None:
    client = signed_in(make_user("annie"))
    for chosen in ("light", "dark"):
        client.post("/account/theme/", {"theme": chosen})
        for path in ("/", "/account/"):
            assert f'data-theme="{chosen}"' in root_of(client.get(path).text)
        client.post("/account/theme/", {"theme": ""})
        assert "data-theme" not in root_of(client.get("/").text)
    for hostile in ('"><script>alert(1)</script>', "dark light", "DARK"):
        client.post("/account/theme/", {"theme": hostile})
        assert not client.cookies["theme"].value, hostile
        client.cookies["theme"] = hostile
        assert "data-theme" not in root_of(client.get("/").text), hostile


def test_after_a_wrong_password_it_is_typed_again_at_once() -> None:
    make_user("ann")
    page = Client().post(reverse("login"), {"username": "ann", "password": "wrong"}).content.decode()
    [focused] = re.findall(r"<input[^>]*autofocus[^>]*>", page)
    assert 'name="password"' in focused
