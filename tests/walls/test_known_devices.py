"""Test that guesses of others do not lock out a browser in which the user has signed in before."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from factories import make_user
from pages import text_of

from labeling.models import SignInFailure
from labeling.web.gate import sessions

pytestmark = pytest.mark.django_db

OFFICE, ELSEWHERE = "198.51.100.7", "203.0.113.9"
NEW = "quite-other-8"


@pytest.fixture(autouse=True)
def limits(settings: Any) -> None:
    settings.LOGIN_ATTEMPTS = 5
    settings.LOGIN_COOL_OFF_MINUTES = 15


def browser(cookie: str = "", address: str = OFFICE) -> Client:
    """Return a signed-out browser with the cookie of an earlier sign-in."""
    client = Client(REMOTE_ADDR=address)
    if cookie:
        client.cookies[sessions.COOKIE] = cookie
    return client


def sign_in(client: Client, name: str = "annie", password: str | None = None) -> int:
    client.cookies.pop("sessionid", None)
    data = {"username": name, "password": password or f"{name}-password"}
    return client.post("/login/", data).status_code


def known(name: str = "annie", client: Client | None = None) -> Client:
    """Return a browser in which the user signed in and out."""
    client = client or browser()
    assert sign_in(client, name) == 302
    client.post("/logout/")
    return client


def guess(times: int, name: str = "annie", *, cookie: str = "", address: str = OFFICE) -> list[int]:
    return [sign_in(browser(cookie, address), name, f"wrong-{n}") for n in range(times)]


def fill_the_office(failures: int) -> None:
    """Count failed sign-ins with other names from the office; fifty are its limit."""
    rows = [SignInFailure(name_hash=str(number), client=OFFICE) for number in range(failures)]
    SignInFailure.objects.bulk_create(rows)


def cookie_of(client: Client) -> str:
    return client.cookies[sessions.COOKIE].value


def test_guesses_at_the_office_keep_strangers_out_alone() -> None:
    make_user("annie")
    make_user("mona")
    annie = known()
    fill_the_office(49)
    assert sign_in(browser(), "name", "spring-2025") == 429
    assert sign_in(browser(), "mona") == 429
    assert sign_in(browser(), "annie") == 429
    assert sign_in(annie) == 302
    SignInFailure.objects.all().delete()
    assert guess(20)[-1] == 429
    assert sign_in(annie) == 302
    # Nor does her success give whoever guesses new tries.
    assert guess(1) == [429]


def test_the_device_has_the_usual_number_of_tries_from_wherever() -> None:
    make_user("annie")
    cookie = cookie_of(known())
    assert [guess(1, cookie=cookie, address=f"203.0.113.{n}")[0] for n in range(5)] == [200] * 4 + [429]
    response = browser(cookie).post("/login/", {"username": "annie", "password": "annie-password"})
    assert response.status_code == 429
    assert "Try again in 15 minutes" in text_of(response)
    # Whoever has no such cookie is counted as ever.
    assert sign_in(browser(address=ELSEWHERE)) == 302


def test_a_stolen_cookie_is_of_use_for_one_account_alone() -> None:
    for name in ("annie", "mona", "mallory"):
        make_user(name)
    cookie = cookie_of(known("mallory"))
    assert guess(5, "annie", cookie=cookie) == [200] * 4 + [429]
    fill_the_office(44)
    assert sign_in(browser(cookie), "mona", "wrong") == 429
    assert sign_in(browser(cookie), "mallory") == 302


def test_a_new_password_makes_it_void_but_where_it_was_changed() -> None:
    make_user("annie")
    elsewhere, here = known(), browser()
    assert sign_in(here) == 302
    form = {"old_password": "annie-password", "new_password1": NEW, "new_password2": NEW}
    assert here.post("/account/password/", form).status_code == 302
    guess(5)
    assert sign_in(elsewhere, password=NEW) == 429
    assert sign_in(here, password=NEW) == 302


def test_only_our_cookie_counts_for_a_year() -> None:
    annie = make_user("annie")
    signer = sessions._signer(annie)
    signer.timestamp = lambda: "1AAAAA"  # type: ignore[method-assign]  # in 1998
    guess(5)
    assert sign_in(browser(signer.sign("device"))) == 429
    assert sign_in(browser(sessions._signer(annie).sign("device"))) == 302
    for cookie in ("x", "x:y:z", "...", "annie", ":::", "é", "0" * 8000, "a.b.c.d.e.f.g.h"):
        assert sign_in(browser(cookie)) == 429, cookie
        assert sign_in(browser(cookie, ELSEWHERE)) == 302, cookie


def test_it_does_not_tell_whose_it_is_and_no_script_reads_it(settings: Any) -> None:
    annie = make_user("annie")
    client = known()
    cookie = client.cookies[sessions.COOKIE]
    assert "annie" not in cookie.value
    assert cookie.value.split(":")[0] != str(annie.pk)
    assert cookie["httponly"]
    assert (cookie["samesite"], cookie["path"], cookie["domain"]) == ("Strict", "/", "")
    assert cookie["max-age"] == 365 * 24 * 3600
    assert not cookie["secure"]
    settings.SESSION_COOKIE_SECURE = True
    assert known().cookies[sessions.COOKIE]["secure"]


def test_people_who_share_a_browser_are_each_known_up_to_five() -> None:
    names = [f"person-{n}" for n in range(6)]
    shared = browser()
    for name in names:
        make_user(name)
        known(name, shared)
    known(names[-1], shared)
    cookie = cookie_of(shared)
    fill_the_office(50)
    assert [sign_in(browser(cookie), name) for name in names] == [429, 302, 302, 302, 302, 302]


def test_the_password_page_counts_by_device_too() -> None:
    make_user("annie")
    client = browser()
    sign_in(client)
    guess(20)
    form = {"old_password": "annie-password", "new_password1": NEW, "new_password2": NEW}
    assert client.post("/account/password/", {**form, "old_password": "wrong"}).status_code == 200
    assert client.post("/account/password/", form).status_code == 302


def test_a_browser_that_calls_itself_a_device_is_none() -> None:
    """A browser that claims a device's name is not known, and its failures count for the address."""
    make_user("annie")
    name = cookie_of(known()).partition(":")[0]
    fill_the_office(49)
    Client(REMOTE_ADDR=OFFICE, HTTP_USER_AGENT=name).post("/login/", {"username": "n", "password": "x"})
    assert sign_in(browser()) == 429
    assert set(SignInFailure.objects.values_list("device", flat=True)) == {""}


def test_it_ends_by_itself() -> None:
    make_user("annie")
    cookie = cookie_of(known())
    guess(5, cookie=cookie)
    SignInFailure.objects.update(at=timezone.now() - timedelta(minutes=15, seconds=1))
    assert sign_in(browser(cookie)) == 302


@pytest.mark.django_db(transaction=True)
def test_failures_of_a_device_are_all_counted_when_many_come_at_once() -> None:
    make_user("annie")
    cookie = cookie_of(known())

    def one(number: int) -> int:
        try:
            return guess(1, cookie=cookie, address=f"203.0.113.{number}")[0]
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(one, range(24)))
    assert set(statuses) <= {200, 429}  # where eight are counted before the first is answered, all are refused
    assert statuses.count(200) < 5 + 8
    assert sign_in(browser(cookie)) == 429
