"""Test that guessing passwords is slow, and only for the client that guesses."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from factories import make_user
from pages import signed_in, text_of

from labeling.models import LogEntry, LogKind, SignInFailure

pytestmark = pytest.mark.django_db

LOGIN = "/login/"
HERE, ELSEWHERE = "198.51.100.7", "203.0.113.9"


@pytest.fixture(autouse=True)
def limits(settings: Any) -> None:
    settings.LOGIN_ATTEMPTS = 5
    settings.LOGIN_COOL_OFF_MINUTES = 15


def sign_in(name: str, password: str, address: str = HERE, **more: Any) -> HttpResponse:
    return Client(REMOTE_ADDR=address, **more).post(LOGIN, {"username": name, "password": password})


def fail(times: int, name: str = "mona", address: str = HERE, **more: Any) -> list[int]:
    return [sign_in(name, f"wrong-{number}", address, **more).status_code for number in range(times)]


def may_sign_in(name: str = "mona", address: str = HERE) -> bool:
    return sign_in(name, f"{name}-password", address).status_code == 302


def test_after_five_failures_the_right_password_has_to_wait() -> None:
    make_user("mona")
    assert fail(5) == [200, 200, 200, 200, 429]
    response = sign_in("mona", "mona-password")
    assert response.status_code == 429
    assert 0 < int(response["Retry-After"]) <= 15 * 60
    assert response["Cache-Control"] == "no-store"
    assert "Try again in 15 minutes" in text_of(response)
    assert "sessionid" not in response.cookies
    make_user("annie")
    assert may_sign_in("annie")
    assert may_sign_in("mona", ELSEWHERE)
    SignInFailure.objects.update(at=timezone.now() - timedelta(minutes=14, seconds=30))
    response = sign_in("mona", "mona-password")
    assert response.status_code == 429
    assert "Try again in 1 minute." in text_of(response)
    assert int(response["Retry-After"]) <= 30
    SignInFailure.objects.update(at=timezone.now() - timedelta(minutes=15, seconds=1))
    assert may_sign_in()


def test_another_browser_and_forged_headers_make_no_new_client() -> None:
    make_user("mona")
    for number in range(5):
        fail(1, HTTP_USER_AGENT=f"browser {number}")
    assert not may_sign_in()
    for number in range(5):
        fail(1, HTTP_X_FORWARDED_FOR=f"192.0.2.{number}", HTTP_X_REAL_IP=f"192.0.2.{number}")
    assert not may_sign_in()


def test_many_names_from_one_address_end_too() -> None:
    make_user("mona")
    rows = [SignInFailure(name_hash=str(number), client=HERE) for number in range(47)]
    SignInFailure.objects.bulk_create(rows)
    statuses = [sign_in(f"name-{number}", "spring-2025").status_code for number in range(3)]
    assert statuses == [200, 200, 429]
    assert not may_sign_in()
    assert may_sign_in(address=ELSEWHERE)


def test_a_success_forgets_ones_own_failures_alone() -> None:
    make_user("mona")
    make_user("mallory")
    fail(4)
    assert may_sign_in("mallory")
    assert fail(1) == [429]
    SignInFailure.objects.all().delete()
    fail(4)
    assert may_sign_in()
    assert fail(4) == [200] * 4


def test_behind_a_trusted_proxy_each_client_is_one(settings: Any) -> None:
    settings.TRUSTED_PROXIES = [ip_network("127.0.0.1")]
    make_user("mona")
    for number in range(5):
        fail(1, address="127.0.0.1", HTTP_X_FORWARDED_FOR=f"192.0.2.{number}, {HERE}")
    post = {"username": "mona", "password": "mona-password"}
    proxied = Client(REMOTE_ADDR="127.0.0.1")
    assert proxied.post(LOGIN, post, HTTP_X_FORWARDED_FOR=HERE).status_code == 429
    assert proxied.post(LOGIN, post, HTTP_X_FORWARDED_FOR=ELSEWHERE).status_code == 302


def test_a_browser_that_is_signed_in_has_no_endless_guesses_at_the_old_password() -> None:
    mona = make_user("mona")
    client = signed_in(mona)
    form = {"old_password": "wrong", "new_password1": "quite-other-8", "new_password2": "quite-other-8"}
    assert [client.post(reverse("password"), form).status_code for _ in range(5)] == [200] * 4 + [429]
    response = client.post(reverse("password"), {**form, "old_password": "mona-password"})
    assert response.status_code == 429
    assert "You are still signed in" in text_of(response)
    mona.refresh_from_db()
    assert mona.check_password("mona-password")


def test_nothing_is_kept_beyond_the_cool_off() -> None:
    make_user("mona")
    annie = make_user("annie")
    fail(3)
    SignInFailure.objects.update(at=timezone.now() - timedelta(minutes=16))
    sign_in("annie", "wrong")
    assert SignInFailure.objects.get().user == annie
    assert may_sign_in()


def test_a_command_lets_people_in_again() -> None:
    mona = make_user("mona")
    make_user("annie")
    fail(5)
    fail(5, "annie")
    call_command("unlock", "mona")
    assert may_sign_in()
    assert not may_sign_in("annie")
    call_command("unlock")
    assert may_sign_in("annie")
    entries = LogEntry.objects.filter(kind=LogKind.UNLOCKED).order_by("number")
    assert [(entry.whom, entry.subject) for entry in entries] == [(mona.pk, ""), (None, "everybody")]
    with pytest.raises(CommandError, match="no account"):
        call_command("unlock", "nobody")


def test_neither_passwords_nor_typed_names_are_kept(caplog: pytest.LogCaptureFixture) -> None:
    for name in ("", " ", "a" * 151, "x\x00y", "ﬁ", "' OR 1=1 --"):
        assert sign_in(name, "x").status_code == 200, name
    sign_in("mona", "nearly-right-password")
    sign_in("password-typed-as-name", "x")
    kept = str(list(SignInFailure.objects.values()))
    assert "nearly-right" not in kept
    assert "typed-as-name" not in kept
    fail(5, "my-secret-password")
    assert HERE in caplog.text
    assert "my-secret-password" not in caplog.text


@pytest.mark.django_db(transaction=True)
def test_failures_of_many_at_once_are_all_counted() -> None:
    make_user("mona")

    def one(number: int) -> int:
        try:
            return sign_in("mona", f"wrong-{number}").status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(one, range(24)))
    assert set(statuses) == {200, 429}
    assert statuses.count(200) < 5 + 8  # as many as were under way when the limit was reached
    assert not may_sign_in()
