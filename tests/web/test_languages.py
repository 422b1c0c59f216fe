"""Test that pages are in the language of the account, or else of the browser; the API and other pages in English."""

import datetime
import json
import re
from typing import Any

import pytest
from django.test import Client
from django.test.signals import template_rendered
from django.urls import NoReverseMatch, reverse
from django.utils import timezone, translation
from factories import make_items, make_member, make_open_batch, make_project

from labeling.models import Project, Role, User
from labeling.web.gate.languages import is_translated
from labeling.web.shared.words import distance, number
from labeling.web.urls import urlpatterns

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    project = make_project()
    make_open_batch(project, make_items(project, 3))
    return project


@pytest.fixture
def annie(project: Project) -> User:
    return make_member(project, "annie")


@pytest.fixture
def browser(annie: User, client: Client) -> Client:
    client.force_login(annie)
    return client


def root_of(page: str) -> str:
    found = re.search(r"<html[^>]*>", page)
    assert found
    return found[0]


def test_the_browsers_language(client: Client, annie: User) -> None:
    for accepted, language, direction, word in (
        ("de-AT,de;q=0.9,en;q=0.5", "de", "ltr", "Anmelden"),
        ("ar-EG", "ar", "rtl", "تسجيل الدخول"),
        ("fr,en;q=0.5", "en", "ltr", "Sign in"),
        ("", "en", "ltr", "Sign in"),
    ):
        page = client.get(reverse("login"), headers={"Accept-Language": accepted})
        assert f'lang="{language}" dir="{direction}"' in root_of(page.text)
        assert word in page.text
        assert page["Content-Language"] == language
        assert "Accept-Language" in page["Vary"]


def test_the_accounts_language_comes_first(browser: Client, annie: User) -> None:
    browser.post(reverse("language"), {"language": "ar"})
    page = browser.get(reverse("account"), headers={"Accept-Language": "de"})
    assert 'lang="ar" dir="rtl"' in root_of(page.text)
    browser.post(reverse("language"), {"language": "tlh"})
    annie.refresh_from_db()
    assert annie.language == "ar"
    browser.post(reverse("language"), {"language": ""})
    assert "Ihr Konto" in browser.get(reverse("account"), headers={"Accept-Language": "de"}).text


def test_pages_that_are_not_translated_and_the_api_are_in_english(browser: Client, project: Project) -> None:
    page = browser.get(reverse("api-docs"), headers={"Accept-Language": "ar"})
    assert 'lang="en" dir="ltr"' in root_of(page.text)
    assert "Sign out" in page.text
    german = browser.get("/api/v1/projects/none/", headers={"Accept-Language": "de"})
    assert german.json() == browser.get("/api/v1/projects/none/").json()
    assert "Content-Language" not in german


def test_mails_are_in_the_language_of_the_browser_that_signed_in(annie: User) -> None:
    secret = {"username": annie.username, "password": f"{annie.username}-password"}
    for accepted, kept in (("ar-EG,ar;q=0.9", "ar"), ("de", "de"), ("tlh", "en"), ("de", "de"), ("", "en")):
        assert Client().post(reverse("login"), secret, headers={"Accept-Language": accepted}).status_code == 302
        annie.refresh_from_db()
        assert annie.mail_language == kept
    annie.language = "de"
    assert annie.mail_language == "de"


def test_pages_about_faults(client: Client, annie: User) -> None:
    page = client.get("/no/such/page/", headers={"Accept-Language": "de"})
    assert page.status_code == 404
    assert "Seite nicht gefunden" in page.text
    refused = Client(enforce_csrf_checks=True).post(reverse("login"), headers={"Accept-Language": "de"})
    assert refused.status_code == 403
    assert "Das Formular war veraltet" in refused.text


def test_the_words_of_the_label_screens_scripts(browser: Client, project: Project) -> None:
    def texts(language: str) -> Any:
        page = browser.get(reverse("label", args=[project.slug]), headers={"Accept-Language": language})
        found = re.search(r'<script id="texts" type="application/json">(.*?)</script>', page.text)
        assert found
        return json.loads(found[1])

    assert texts("en") == {"language": "en", "texts": {}}
    german = texts("de")
    assert german["texts"]["No connection"] == "Keine Verbindung"
    assert len(texts("ar")["texts"]["{n} class"]) == 6


def test_translated_pages_use_translated_templates_only(browser: Client, annie: User, project: Project) -> None:
    """Pages in English use templates of their own."""
    names: set[str] = set()

    def note(template: Any, **_: Any) -> None:
        if template.name:
            names.add(template.name)

    keys = {"slug": project.slug, "token": "made-up", "uidb64": "1", "pk": 1, "key": "k", "session_id": 1}
    keys["invitation_id"] = 1
    template_rendered.connect(note)
    for name in filter(is_translated, dict.fromkeys(str(each.name) for each in urlpatterns)):
        for options in ({}, *({each: value} for each, value in keys.items()), {"uidb64": "1", "token": "t"}):
            try:
                path = reverse(name, kwargs=options)
            except NoReverseMatch:
                continue
            page = browser.get(path, headers={"Accept-Language": "de"})
            if page.status_code == 200 and page.content.startswith(b"<!doctype html>"):
                assert 'lang="de"' in root_of(page.text), name
    template_rendered.disconnect(note)
    assert {name for name in names if name.startswith("api/")} == set()


def test_a_label_and_to_label_are_two_words(project: Project, client: Client) -> None:
    client.force_login(make_member(project, "mona", role=Role.MANAGER))
    page = client.get(reverse("project-items", args=[project.slug]), headers={"Accept-Language": "de"}).text
    assert re.search(r"<label for=\"find-label\">Label</label>", page)
    assert f'<a class="button primary" href="{reverse("label", args=[project.slug])}">Annotieren</a>' in page


def test_numbers_and_times() -> None:
    now, day = timezone.now(), datetime.timedelta(days=1)
    times = [now, now - datetime.timedelta(minutes=20), now - 2 * day, now + 3 * day]
    for language, *expected in (
        ("en", "1,797", "just now", "20\u00a0min ago", "2 days ago", "in 3 days"),
        ("de", "1.797", "gerade eben", "vor 20\u00a0min", "vor 2 Tagen", "in 3 Tagen"),
        ("ar", "1,797", "الآن", "قبل 20\u00a0د", "قبل يومين", "بعد 3 أيام"),
    ):
        with translation.override(language):
            assert [number(1797), *(distance(each, now) for each in times)] == expected
