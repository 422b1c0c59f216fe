"""Test that a new password ends the sessions and tokens of the old one, however it is set."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.core.management import call_command
from django.test import Client
from factories import make_project, make_user
from knox.models import AuthToken
from pages import signed_in, text_of

from labeling.models import User
from labeling.web.account import views as account

pytestmark = pytest.mark.django_db

NEW = "quite-other-8"


def token_of(user: User) -> str:
    return str(AuthToken.objects.create(user=user)[1])


def opens(token: str) -> bool:
    return Client().get("/api/v1/projects/", headers={"Authorization": f"Token {token}"}).status_code == 200


def on_the_account_page(user: User) -> None:
    form = {"old_password": f"{user}-password", "new_password1": NEW, "new_password2": NEW}
    assert signed_in(user).post("/account/password/", form).status_code == 302


def in_the_admin(user: User, **more: str) -> Any:
    boss = signed_in(make_user("boss", is_staff=True, is_superuser=True))
    form = {"usable_password": "true", "password1": NEW, "password2": NEW, "set-password": "Change", **more}
    page = boss.post(f"/admin/labeling/user/{user.pk}/password/", form, follow=True)
    assert page.redirect_chain
    return page


def switched_off_in_the_admin(user: User) -> None:
    in_the_admin(user, usable_password="false", password1="", password2="", **{"unset-password": "Disable"})
    assert not User.objects.get(pk=user.pk).has_usable_password()


def by_add_member(user: User) -> str:
    make_project()
    out = StringIO()
    call_command("add_member", "digits", user.username, "--role", "engineer", "--password", NEW, stdout=out)
    return out.getvalue()


def by_hash(user: User) -> None:
    user.password = make_password(NEW)
    user.save()


WAYS = [on_the_account_page, in_the_admin, switched_off_in_the_admin, by_add_member, by_hash]


@pytest.mark.parametrize("change", WAYS)
def test_tokens_and_sessions_end(change: Callable[[User], Any]) -> None:
    mona, annie = make_user("mona"), make_user("annie")
    tokens, others, session = [token_of(mona), token_of(mona)], token_of(annie), signed_in(mona)
    assert all(map(opens, tokens))
    change(User.objects.get(pk=mona.pk))
    assert not any(map(opens, tokens))
    assert session.get("/").status_code == 302
    assert opens(others)


def test_whatever_else_is_saved_ends_nothing(settings: Any) -> None:
    mona = make_user("mona")
    token, session = token_of(mona), signed_in(mona)
    mona.first_name = "Mona"
    mona.save()
    mona.save(update_fields=["first_name"])
    assert Client().post("/login/", {"username": "mona", "password": "mona-password"}).status_code == 302
    assert opens(token)
    assert session.get("/").status_code == 200
    # A stronger hash of the same password, as upgrades bring now and then.
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
        *settings.PASSWORD_HASHERS,
    ]
    assert Client().post("/login/", {"username": "mona", "password": "mona-password"}).status_code == 302
    assert User.objects.get(pk=mona.pk).password.startswith("pbkdf2")
    assert opens(token)


def test_pages_and_the_command_say_so_before_and_after() -> None:
    mona = make_user("mona")
    client = signed_in(mona)
    assert "API token" not in text_of(client.get("/account/password/"))
    token_of(mona)
    token_of(mona)
    assert "2 API tokens of yours will end" in text_of(client.get("/account/password/"))
    form = {"old_password": "mona-password", "new_password1": NEW, "new_password2": NEW}
    after = text_of(client.post("/account/password/", form, follow=True))
    assert "You are signed out everywhere else. 2 API tokens of yours ended with it" in after
    assert "You have no tokens." in after
    token_of(mona)
    boss = signed_in(make_user("chief", is_staff=True, is_superuser=True))
    before = text_of(boss.get(f"/admin/labeling/user/{mona.pk}/password/"))
    assert "signed out everywhere, and the API tokens of this account end: 1." in before
    assert "The sessions and API tokens of mona are ended." in text_of(in_the_admin(mona))
    token_of(mona)
    assert "1 API token of mona ended" in by_add_member(mona)


def test_no_token_is_made_with_a_session_whose_password_has_changed_meanwhile() -> None:
    """A thief's request for a token may be in progress while the password changes."""
    mona = make_user("mona")
    stale = User.objects.get(pk=mona.pk)
    on_the_account_page(mona)
    assert account._new_token(stale, None) == ""  # type: ignore[arg-type]
    assert not AuthToken.objects.exists()
