"""Test the form for a new project: who may use it, the created project, and that an error keeps the typed values."""

import re
import time
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from factories import make_items, make_member, make_open_batch, make_project, make_user
from pages import errors_of, manager, signed_in, text_of

from labeling.models import Project, Role
from labeling.models.project_settings import MAX_CLASSES

pytestmark = pytest.mark.django_db

GOOD = {
    "name": "Street signs",
    "slug": "street-signs",
    "kind": "image",
    "question": "single",
    "classes": "stop\nyield\n\n  give way \n",
    "prompt": "Which sign is this?",
    "guidelines": "The largest one counts.",
    "batch_size": "50",
}
NEW = "/new/"


def test_it_makes_the_project_and_goes_on_to_its_import() -> None:
    client = signed_in(make_user("otto", is_staff=True))
    response = client.post(NEW, GOOD)
    assert response["Location"] == reverse("project-import", args=["street-signs"])
    project = Project.objects.get(slug="street-signs")
    assert (project.name, project.kind, project.batch_size) == ("Street signs", "image", 50)
    assert (project.prompt, project.guidelines) == ("Which sign is this?", "The largest one counts.")
    assert list(project.classes.values_list("name", flat=True)) == ["stop", "yield", "give way"]
    assert project.memberships.get().role == Role.MANAGER
    page = text_of(client.get(response["Location"]))
    assert "with the short name street-signs. You are its manager. Now bring in its items" in page


def test_a_kind_that_the_server_lacks_a_package_for_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    client = signed_in(make_user("otto", is_staff=True))
    assert "Install it with" not in text_of(client.get(NEW))
    monkeypatch.setattr("labeling.kinds.audio.find_spec", lambda name: None)
    assert "Audio needs the package soundfile, which is not installed on the server. Install it with" in text_of(
        client.get(NEW)
    )


def test_a_manager_gets_an_address_with_an_ending_whether_it_is_taken_or_not() -> None:
    client = manager(make_project("first"))
    assert "“street-signs” becomes, for example, “street-signs-k7f3”" in text_of(client.get(NEW))
    for asked in ("first", "street-signs"):
        response = client.post(NEW, {**GOOD, "slug": asked}, follow=True)
        slug = Project.objects.latest("pk").slug
        assert response.redirect_chain == [(reverse("project-import", args=[slug]), 302)]
        assert re.fullmatch(asked + "-[a-z2-9]{4}", slug)
        assert f"with the short name {slug}. You are its manager" in text_of(response)


def test_staff_are_told_that_an_address_is_taken() -> None:
    make_project("first")
    response = signed_in(make_user("otto", is_staff=True)).post(NEW, {**GOOD, "slug": "first"})
    assert response.status_code == 400
    assert "“first” is taken" in errors_of(response)["slug"]


def test_without_an_address_one_is_made_of_the_name() -> None:
    manager(make_project("first")).post(NEW, {**GOOD, "name": "  Café Straße No. 9!", "slug": ""})
    assert Project.objects.filter(slug__startswith="cafe-strae-no-9-").exists()


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"name": ""}, "name", "Enter a name for the project."),
        ({"name": "x" * 201}, "name", "200"),
        ({"name": "標識", "slug": ""}, "slug", "enter a short name"),
        ({"slug": "Not A Slug"}, "slug", "lower-case letters"),
        ({"slug": "x" * 61}, "slug", "60"),
        ({"kind": ""}, "kind", "Choose"),
        ({"kind": "sound"}, "kind", "not one of the available choices"),
        ({"question": "why"}, "question", "not one of the available choices"),
        ({"classes": " \n "}, "classes", "Enter the classes"),
        ({"classes": "only"}, "classes", "at least two"),
        ({"classes": "a\nb\na"}, "classes", "twice: a"),
        ({"classes": "a\n" + "b" * 201}, "classes", "at most 200"),
        ({"classes": "a\nb\x00"}, "classes", "Null characters"),
        ({"prompt": "x" * 301}, "prompt", "300"),
        ({"batch_size": "0"}, "batch_size", "from 1 to 1,000,000"),
        ({"batch_size": "10000000"}, "batch_size", "from 1 to 1,000,000"),
        ({"batch_size": "ten"}, "batch_size", "from 1 to 1,000,000"),
        ({"batch_size": ""}, "batch_size", "from 1 to 1,000,000"),
    ],
)
def test_bad_input_is_told_beside_its_field_and_kept(change: dict[str, str], field: str, says: str) -> None:
    client = manager(make_project("first"))
    response = client.post(NEW, {**GOOD, "guidelines": "<b>keep me</b>", **change})
    assert response.status_code == 400
    assert says in errors_of(response)[field]
    assert Project.objects.count() == 1
    page = response.content.decode()
    assert "&lt;b&gt;keep me&lt;/b&gt;" in page
    assert "<title>Error: New project" in page
    assert f'href="#id_{field}' in page


def test_all_errors_are_told_at_once() -> None:
    response = manager(make_project("first")).post(NEW, {})
    assert set(errors_of(response)) == {"name", "kind", "question", "classes", "batch_size"}


def classes_file(content: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("classes.txt", content, "text/plain")


def test_thousands_of_classes_come_from_a_file() -> None:
    names = [f"class {number}" for number in range(5000)]
    file = classes_file(b"\xef\xbb\xbf" + "\r\n".join(names).encode())
    response = manager(make_project("first")).post(NEW, {**GOOD, "classes": "ignored", "classes_file": file})
    assert response.status_code == 302
    assert list(Project.objects.latest("pk").classes.values_list("name", flat=True)) == names


def test_a_file_whose_form_has_other_errors_is_not_lost() -> None:
    values: dict[str, Any] = {**GOOD, "name": "", "classes": "", "classes_file": classes_file(b"cat\ndog\n")}
    response = manager(make_project("first")).post(NEW, values)
    assert set(errors_of(response)) == {"name"}
    assert "cat\ndog" in response.content.decode()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xff\xfe\x00", "UTF-8"),
        (b"", "empty"),
        (b"x" * ((2 << 20) + 1), "larger than 2 MB"),
        (b"x" * (5 << 20), "The file is too large"),
        (b"a\n" * 3, "twice"),
    ],
)
def test_a_bad_file_is_told(content: bytes, says: str) -> None:
    values: dict[str, Any] = {**GOOD, "classes": "", "classes_file": classes_file(content)}
    response = manager(make_project("first")).post(NEW, values)
    assert response.status_code == 400
    assert any(says in text for text in errors_of(response).values())
    assert Project.objects.count() == 1


def test_a_long_list_that_repeats_a_class_is_refused_at_once() -> None:
    """A comparison of each name with each other would take ten seconds, and hours for a full file."""
    file = classes_file("\n".join([*map(str, range(MAX_CLASSES - 1)), "7"]).encode())
    began = time.thread_time()
    response = manager(make_project("first")).post(NEW, {**GOOD, "classes_file": file})
    assert time.thread_time() - began < 3
    assert "twice: 7" in errors_of(response)["classes"]


def test_too_many_classes() -> None:
    file = classes_file("\n".join(str(number) for number in range(20_001)).encode())
    response = manager(make_project("first")).post(NEW, {**GOOD, "classes": "", "classes_file": file})
    assert "at most 20000" in errors_of(response)["classes"]


@pytest.mark.parametrize("role", [Role.ANNOTATOR, Role.ENGINEER])
def test_others_are_told_who_may(role: str) -> None:
    client = signed_in(make_member(make_project("first"), "annie", role))
    for response in (client.get(NEW), client.post(NEW, GOOD)):
        assert response.status_code == 403
        assert "Only staff and people who manage" in text_of(response)
    assert Project.objects.count() == 1
    assert NEW not in client.get("/").content.decode()


def test_staff_may_and_find_the_way() -> None:
    client = signed_in(make_user("boss", is_staff=True))
    assert f'href="{NEW}"' in client.get("/").content.decode()
    assert client.get(NEW).status_code == 200
    assert client.post(NEW, GOOD).status_code == 302


def test_whoever_is_signed_out_signs_in_first() -> None:
    assert Client().get(NEW)["Location"] == "/login/?next=/new/"


def test_a_project_without_items_leads_its_managers_to_the_import() -> None:
    project = make_project()
    annotator = signed_in(make_member(project, "annie"))
    path = reverse("project-import", args=[project.slug])
    assert path in manager(project).get("/").content.decode()
    assert path not in annotator.get("/").content.decode()
    make_open_batch(project, make_items(project, 3))
    assert path not in manager(project).get("/").content.decode()


@pytest.mark.parametrize("question", ["single", "multi", "verify", "score"])
def test_the_page_says_of_classes_what_holds(question: str) -> None:
    client = signed_in(make_user("otto", is_staff=True))
    page = text_of(client.get(NEW))
    assert "Short name, kind and question cannot be changed later. All else can, and classes can be added." in page
    assert "More can be added later, except points of a scale." in page
    project = make_project("later", classes=["1", "2"], question=question)
    answer = manager(project).post("/api/v1/projects/later/classes/", {"name": "3"}, content_type="application/json")
    assert (answer.status_code == 201) is (question != "score")


def test_the_page_says_what_it_is_for() -> None:
    page = text_of(signed_in(make_user("otto", is_staff=True)).get(NEW))
    assert "whole images, texts, recordings or vectors into classes. It does not mark boxes" in page
