"""Test that `add_member` creates accounts, roles and tokens."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from knox.models import AuthToken

from labeling.models import Assignment, Membership, User
from tests.factories import make_items, make_open_batch, make_project

pytestmark = pytest.mark.django_db


def add(*arguments: str) -> list[str]:
    out = StringIO()
    call_command("add_member", *arguments, stdout=out)
    return out.getvalue().splitlines()


@pytest.mark.parametrize("role", ["annotator", "manager", "engineer"])
def test_a_new_account_gets_the_role(role: str) -> None:
    make_project()
    assert add("digits", "ann", "--role", role) == [f"ann (new account) is now {role} of digits."]
    membership = Membership.objects.get()
    assert (membership.user.username, membership.role) == ("ann", role)
    assert not membership.user.has_usable_password()


def test_the_password_opens_the_door() -> None:
    make_project()
    add("digits", "ann", "--role", "annotator", "--password", "a long secret")
    assert Client().login(username="ann", password="a long secret")


def test_the_token_stands_alone_on_the_last_line_and_works() -> None:
    make_project()
    token = add("digits", "enzo", "--role", "engineer", "--token")[-1]
    response = Client().get("/api/v1/projects/digits/models/", headers={"Authorization": f"Token {token}"})
    assert response.status_code == 200
    assert token not in {t.digest for t in AuthToken.objects.all()}, "only its hash is stored"


@pytest.mark.parametrize(("options", "days"), [([], 365), (["--token-days", "7"], 7)])
def test_the_token_expires(options: list[str], days: int) -> None:
    make_project()
    token = add("digits", "enzo", "--role", "engineer", "--token", *options)[-1]
    left = AuthToken.objects.get().expiry - timezone.now()
    assert timedelta(days=days, minutes=-1) < left <= timedelta(days=days)
    AuthToken.objects.update(expiry=timezone.now())
    response = Client().get("/api/v1/projects/digits/models/", headers={"Authorization": f"Token {token}"})
    assert (response.status_code, response.json()["code"]) == (401, "authentication_failed")


@pytest.mark.parametrize("options", [["--token-days", "7"], ["--token", "--token-days", "0"]])
def test_days_that_cannot_be_are_told(options: list[str]) -> None:
    make_project()
    with pytest.raises(CommandError, match=r"^token-days: "):
        call_command("add_member", "digits", "ann", "--role", "annotator", *options)
    assert not User.objects.exists()


def test_a_second_call_changes_the_role_and_keeps_the_password() -> None:
    project = make_project()
    add("digits", "ann", "--role", "annotator", "--password", "a long secret")
    make_open_batch(project, make_items(project, 3))
    client = Client()
    client.login(username="ann", password="a long secret")
    client.post("/api/v1/projects/digits/claim/", {"count": 3}, content_type="application/json")
    assert Assignment.objects.count() == 3
    assert add("digits", "ann", "--role", "engineer") == ["ann (existing account) is now engineer of digits."]
    assert Membership.objects.get().role == "engineer"
    assert Client().login(username="ann", password="a long secret")
    assert not Assignment.objects.pending().exists(), "an engineer holds no tasks"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing", "ann", "--role", "annotator"], r"no project 'nothing'"),
        (["digits", "no spaces", "--role", "annotator"], r"^username: "),
        (["digits", "x" * 200, "--role", "annotator"], r"^username: "),
        (["digits", "ann", "--role", "boss"], r"invalid choice: 'boss'"),
        (["digits", "ann"], r"required: --role"),
    ],
)
def test_a_fault_is_told_and_nothing_is_made(arguments: list[str], message: str) -> None:
    make_project()
    with pytest.raises(CommandError, match=message) as error:
        call_command("add_member", *arguments, "--token")
    assert "\n" not in str(error.value)
    assert not User.objects.exists()
    assert not AuthToken.objects.exists()
