"""Test notices by e-mail with a real SMTP server on this machine."""

import datetime
import os
import re
import signal
import subprocess
import sys
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from factories import make_member, make_project
from inboxes import Inbox
from pages import signed_in, text_of
from processes import manage

from labeling.models import Event, EventType, Mailbox, Notice, Project, Role, User
from labeling.outside.mailing import addresses, delivering
from labeling.projects import lifecycle
from labeling.projects.people import members

pytestmark = pytest.mark.django_db

ADDRESS = "mona@example.org"
CHOICES = "/account/notices/choices/"


@pytest.fixture
def mona() -> User:
    return make_member(make_project(), "mona", Role.MANAGER)


@pytest.fixture
def mailbox(mona: User) -> Mailbox:
    """A confirmed address, to which notices of models are mailed at once."""
    User.objects.filter(pk=mona.pk).update(notice_choices={"model.held_back": [True, "at once"]})
    addresses.ask(user=mona, address=ADDRESS)
    addresses.confirm(Mailbox.objects.get())
    return Mailbox.objects.get()


def tell(event: EventType = EventType.MODEL_HELD_BACK, number: int = 1) -> None:
    Event.objects.announce(event, Project.objects.get(slug="digits"), number=number)


def link_in(text: str, part: str) -> str:
    [path] = re.findall(rf"https://labels\.example\.org(/account/notices/{part}/\S+)", text)
    return str(path)


def test_an_address_gets_mail_once_its_owner_has_confirmed_it(mona: User, inbox: Inbox) -> None:
    client = signed_in(mona)
    assert client.post(CHOICES, {"address": ADDRESS, "password": "mona-password"}).status_code == 302
    again = client.post(CHOICES, {"address": "x@example.org", "password": "mona-password"})
    assert again.status_code == 400  # nobody floods an address
    User.objects.update(notice_choices={"model.held_back": [True, "at once"]})
    tell()
    for _ in range(2):
        delivering.deliver()
    [mail] = inbox.mails
    assert mail["Subject"] == "Confirm your e-mail address for Marginalia"
    path = link_in(inbox.text(), "address")
    assert signed_in(make_member(make_project("other"), "eve")).post(path).status_code == 404
    assert client.get(path).status_code == 200
    assert Mailbox.objects.get().confirmed_at is None  # a mail program may have opened it
    client.post(path)
    tell(number=2)
    delivering.deliver()
    assert "version 2" in inbox.text()
    assert "version 1" not in inbox.text()


def test_all_that_is_due_comes_in_one_mail_once(mailbox: Mailbox, inbox: Inbox) -> None:
    for number in (1, 2):
        tell(number=number)
    for _ in range(2):
        delivering.deliver()
    [mail] = inbox.mails
    assert mail["Subject"] == "A notice from Marginalia"
    told = "Digits: Model version 2 was held back by the gate. (and 1 earlier)\nhttps://labels.example.org/p/digits/models/2/"
    assert told in inbox.text()
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail.get_content_type() == "text/plain"


def test_a_mail_is_in_the_language_that_the_person_chose(mailbox: Mailbox, inbox: Inbox) -> None:
    User.objects.filter(pk=mailbox.user_id).update(language="de")
    tell(number=1)
    delivering.deliver()
    [mail] = inbox.mails
    assert mail["Subject"] == "Eine Mitteilung von Marginalia"
    assert "Digits: Modellversion 1 wurde von der Qualitätsprüfung zurückgehalten." in inbox.text()


def test_daily_notices_wait_for_the_time_of_the_day(mailbox: Mailbox, inbox: Inbox) -> None:
    tell(EventType.BATCH_DONE)
    tell(EventType.CERTIFICATE_ISSUED, 2)
    delivering.deliver()
    assert inbox.mails == []
    Mailbox.objects.update(confirmed_at=timezone.now() - datetime.timedelta(hours=23))
    delivering.deliver()
    assert inbox.mails == []
    day = datetime.timedelta(days=1)
    Mailbox.objects.update(confirmed_at=timezone.now() - day)
    Notice.objects.update(created_at=timezone.now() - day / 2)
    delivering.deliver()
    assert "Batch 1 is done." in inbox.text()
    assert "Certificate 2 was issued." in inbox.text()


def test_what_was_read_or_is_not_wanted_is_not_mailed(mailbox: Mailbox, inbox: Inbox, mona: User) -> None:
    tell()
    Notice.objects.all().mark_read()
    mona.notice_choices = {"model.held_back": [True, "never"]}
    mona.save()
    tell(number=2)
    delivering.deliver()
    assert inbox.mails == []


def test_nothing_is_mailed_after_a_membership_a_project_or_an_account_has_ended(
    mailbox: Mailbox, inbox: Inbox, mona: User
) -> None:
    project = Project.objects.get()
    make_member(project, "marc", Role.MANAGER)
    tell()
    members.remove_member(project=project, user=mona)
    delivering.deliver()
    members.set_role(project=project, user=mona, role=Role.MANAGER)
    User.objects.update(is_active=False)
    delivering.deliver()
    User.objects.update(is_active=True)
    lifecycle.delete(project=project, user=mona, name=project.name)
    delivering.deliver()
    assert inbox.mails == []


def test_a_mail_that_is_refused_is_sent_again_with_the_same_id(mailbox: Mailbox, inbox: Inbox) -> None:
    tell()
    inbox.answer = "451 Try later"
    delivering.deliver()
    failing = Mailbox.objects.get()
    assert "Try later" in failing.error
    assert failing.next_at > timezone.now()
    tell(number=2)
    inbox.answer = "250 OK"
    Mailbox.objects.update(next_at=timezone.now())
    delivering.deliver()
    delivering.deliver()
    first, second = inbox.mails
    assert first["Message-ID"] == f"<{failing.mail}@labels.example.org>"
    assert "version 1" in first.get_content()
    assert "version 2" in second.get_content()
    assert Mailbox.objects.get().error == ""


def test_a_server_that_is_down_for_a_day_loses_one_mail(mailbox: Mailbox, settings: Any, inbox: Inbox) -> None:
    tell()
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, 9  # nothing listens there
    delivering.deliver()
    Mailbox.objects.update(next_at=timezone.now(), failing_since=timezone.now() - datetime.timedelta(days=1))
    delivering.deliver()
    assert Mailbox.objects.get().mail is None
    settings.EMAIL_PORT = port
    delivering.deliver()
    assert inbox.mails == []
    tell(number=2)
    delivering.deliver()
    assert "version 2" in inbox.text()


def test_a_link_stops_all_mail_signed_out_by_one_click(mailbox: Mailbox, inbox: Inbox) -> None:
    tell()
    delivering.deliver()
    header = inbox.mails[0]["List-Unsubscribe"]
    path = link_in(header.strip("<>"), "stop")
    assert path == link_in(inbox.text(), "stop")
    client = Client(enforce_csrf_checks=True)
    forged = path[:-3] + ("aa/" if path[-3:-1] != "aa" else "bb/")
    assert client.post(forged).status_code == 404
    assert "mona@example.org" in text_of(client.get(path))
    assert Mailbox.objects.exists()
    assert client.post(path, {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert not Mailbox.objects.exists()
    assert client.post(path).status_code == 404
    confirm = addresses.token(mailbox, addresses.CONFIRM)
    assert client.post(f"/account/notices/stop/{confirm}/").status_code == 404


def test_the_name_of_a_project_adds_no_header(mailbox: Mailbox, inbox: Inbox) -> None:
    Project.objects.update(name="Owls\r\nBcc: eve@example.org\r\n\r\nHello")
    tell()
    delivering.deliver()
    assert inbox.mails[0]["Bcc"] is None
    assert "Owls Bcc: eve@example.org Hello: Model version 1" in inbox.text()


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_a_worker_that_is_killed_after_sending_repeats_the_mail_with_the_same_id(
    mailbox: Mailbox, inbox: Inbox, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell()
    variables = {
        "EMAIL_URL": f"smtp://127.0.0.1:{settings.EMAIL_PORT}",
        "EMAIL_FROM": settings.EMAIL_FROM,
        "SITE_URL": settings.SITE_URL,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    process = manage("shell", "-c", "from labeling.outside.mailing.delivering import deliver; deliver()")
    inbox.kills = process.pid
    assert process.wait(120) == -signal.SIGKILL
    inbox.kills = 0
    assert Mailbox.objects.get().mail is not None
    tell(number=2)
    delivering.deliver()
    assert len(inbox.mails) == 1  # it is held
    Mailbox.objects.update(held_until=timezone.now())
    delivering.deliver()
    first, again = inbox.mails
    assert first["Message-ID"] == again["Message-ID"]
    assert "version 2" not in inbox.text()
    delivering.deliver()
    assert len(inbox.mails) == 3
    assert "version 2" in inbox.text()


def test_choices_hold_for_the_page(mona: User, inbox: Inbox) -> None:
    client = signed_in(mona)
    tell()
    assert "Notices, unread: 1" in text_of(client.get("/"))
    assert client.post(CHOICES, {"page-batch.done": "on", "mail-batch.done": "at once"}).status_code == 302
    mona.refresh_from_db()
    assert mona.notice_choices["batch.done"] == [True, "at once"]
    assert "unread" not in text_of(client.get("/"))
    assert "You have no notices" in text_of(client.get("/account/notices/"))


def test_without_a_mail_server_no_page_offers_e_mail(mona: User) -> None:
    client = signed_in(mona)
    assert "e-mail" not in text_of(client.get(CHOICES))
    client.post(CHOICES, {"address": ADDRESS, "password": "mona-password"})
    assert not Mailbox.objects.exists()


@pytest.mark.parametrize(
    ("variables", "part"),
    [
        ({"EMAIL_URL": "smtp://127.0.0.1"}, "needs SITE_URL and EMAIL_FROM"),
        ({"EMAIL_URL": "carrier://dove", "SITE_URL": "https://a.b", "EMAIL_FROM": "a@b.c"}, "must begin with smtp"),
        ({"SITE_URL": "labels.example.org"}, "SITE_URL"),
    ],
)
def test_a_wrong_setting_gets_one_line(variables: dict[str, str], part: str, tmp_path: Any) -> None:
    command = [sys.executable, "-c", "import config.settings"]
    environment = {**os.environ, "DATA_DIR": str(tmp_path), "SECRET_KEY": "x", **variables}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert part in done.stderr.splitlines()[-1]
