"""Test the bell, the title, and the page of notices."""

import pytest
from django.test import Client
from factories import make_items, make_member, make_open_batch, make_project
from pages import signed_in, text_of

from labeling.models import Event, EventType, Notice, Project, Role, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    project = make_project()
    make_open_batch(project, make_items(project, 2))
    make_member(project, "annie")
    make_member(project, "mona", Role.MANAGER)
    return project


def client_of(name: str) -> Client:
    return signed_in(User.objects.get(username=name))


def title(client: Client, path: str) -> str:
    page = client.get(path).content.decode()
    return page.partition("<title>")[2].partition("</title>")[0]


def unread(name: str) -> int:
    return Notice.objects.filter(user__username=name).unread().count()


def test_the_title_and_the_bell_count_unread_notices(project: Project) -> None:
    client = client_of("mona")
    assert title(client, "/") == "Your projects · Marginalia"
    Event.objects.announce(EventType.BATCH_DONE, project, number=1)
    Event.objects.announce(EventType.CERTIFICATE_ISSUED, project, number=1)
    assert title(client, "/") == "(2) Your projects · Marginalia"
    assert "Notices, unread: 2" in text_of(client.get("/"))
    assert title(client_of("annie"), "/") == "Your projects · Marginalia"
    for number in range(2, 12):
        Event.objects.announce(EventType.BATCH_DONE, project, number=number)
    assert title(client, "/") == "(2) Your projects · Marginalia", "notices of a kind are one line"


def test_notices_of_a_kind_are_one_line_a_day(project: Project) -> None:
    client = client_of("mona")
    for number in (1, 2, 3):
        Event.objects.announce(EventType.BATCH_DONE, project, number=number)
    text = text_of(client.get("/account/notices/"))
    assert "Batch 3 is done. new Digits" in text
    assert "and 2 earlier Batch 2 is done. Batch 1 is done." in text
    assert text.count("new") == 1


def test_the_page_lists_them_by_day_and_marks_all_as_read(project: Project) -> None:
    client = client_of("mona")
    assert "You have no notices" in text_of(client.get("/account/notices/"))
    for event in (EventType.BATCH_DONE, EventType.MODEL_HELD_BACK):
        Event.objects.announce(event, project, number=1)
    Notice.objects.filter(kind="batch.done").update(created_at="2026-03-02T11:20:05Z")
    text = text_of(client.get("/account/notices/"))
    assert text.index("Model version 1 was held back by the gate. new") < text.index(
        "2 March 2026 Batch 1 is done. new"
    )
    assert unread("mona") == 2  # a list that was read is no subject
    assert client.post("/account/notices/").status_code == 302
    assert unread("mona") == 0
    text = text_of(client.get("/account/notices/"))
    assert "Batch 1 is done." in text
    assert "new" not in text


def test_a_person_marks_only_own_notices(project: Project) -> None:
    make_member(project, "enzo", Role.ENGINEER)
    Event.objects.announce(EventType.BATCH_DONE, project, number=1)
    client_of("enzo").post("/account/notices/")
    assert (unread("enzo"), unread("mona")) == (0, 1)
    Project.objects.update(name="<script>alert(1)</script>")
    assert b"<script>alert" not in client_of("mona").get("/account/notices/").content
    assert b'id="bell"' not in Client().get("/login/").content
    assert Client().get("/account/notices/").status_code == 302


def test_the_page_of_the_subject_marks_its_notices_as_read(project: Project) -> None:
    for number in (1, 2):
        Event.objects.announce(EventType.BATCH_DONE, project, number=number)
    assert title(client_of("mona"), "/p/digits/batches/1/").startswith("(1) Batch 1")
    assert list(Notice.objects.unread().values_list("number", flat=True)) == [2]


def test_the_screen_of_annotators_shows_the_bell_only_with_news(project: Project) -> None:
    Event.objects.announce(EventType.BATCH_OPENED, project, number=1)
    client = client_of("annie")
    assert title(client, "/") == "(1) Your projects · Marginalia"
    assert b'id="bell"' not in client.get("/p/digits/label/").content  # it is the subject
    other = make_project("other")
    make_member(other, "annie")
    Event.objects.announce(EventType.BATCH_OPENED, other, number=1)
    assert "Notices, unread: 1" in text_of(client.get("/p/digits/label/"))
    assert title(client, "/p/digits/label/").startswith("(1) ")
