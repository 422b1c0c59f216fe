"""Test links for a new password by e-mail, with a real SMTP server on this machine."""

import datetime
import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from factories import make_user
from inboxes import Inbox
from knox.models import AuthToken
from pages import signed_in, text_of

from labeling.models import LogEntry, LogKind, Mailbox, SignInFailure, User
from labeling.outside.mailing import addresses, delivering, resets

pytestmark = pytest.mark.django_db

ADDRESS = "mona@example.org"
ASK = "/login/forgotten/"
NEW = {"new_password1": "quite-other-8", "new_password2": "quite-other-8"}


@pytest.fixture
def mona() -> User:
    """A person with a confirmed address."""
    mona = make_user("mona")
    addresses.ask(user=mona, address=ADDRESS)
    addresses.confirm(Mailbox.objects.get())
    return mona


def asked(inbox: Inbox, address: str = ADDRESS) -> list[str]:
    """Ask for a link, and return the paths of the links that were mailed since the first one."""
    assert Client().post(ASK, {"address": address}).status_code == 200
    delivering.deliver()
    texts = [str(mail.get_content()) for mail in inbox.mails]
    return re.findall(r"https://labels\.example\.org(/login/new-password/\S+)", " ".join(texts))


def opened(path: str) -> tuple[Client, str]:
    """Open a link; return the browser and the address that the link leads to."""
    client = Client()
    response = client.get(path)
    return client, response.get("Location", "")


def test_a_link_sets_a_new_password_once(mona: User, inbox: Inbox) -> None:
    elsewhere = signed_in(mona)
    AuthToken.objects.create(user=mona)
    for number in range(5):
        Client().post("/login/", {"username": "mona", "password": f"wrong-{number}"})
    [path] = asked(inbox, ADDRESS.upper())
    assert inbox.mails[0]["To"] == ADDRESS
    assert "your account mona" in inbox.text()
    client, form = opened(path)
    assert path not in form, "no further page knows the token"
    page = client.post(form, NEW, follow=True)
    assert "Your new password is set" in text_of(page)
    assert not page.wsgi_request.user.is_authenticated
    assert client.post("/login/", {"username": "mona", "password": "quite-other-8"}).status_code == 302
    assert elsewhere.get("/account/").status_code == 302
    assert not AuthToken.objects.exists()
    assert not SignInFailure.objects.exists()
    assert Client().get(path).status_code == 404
    kinds = list(LogEntry.objects.filter(whom=mona.pk).values_list("kind", flat=True).order_by("pk"))
    assert kinds[-2:] == [LogKind.RESET_MAILED, LogKind.PASSWORD_RESET]


def test_the_audit_log_says_when_the_address_was_entered_confirmed_and_removed(inbox: Inbox) -> None:
    mona, choices = make_user("mona"), "/account/notices/choices/"
    client = signed_in(mona)
    recorded = LogEntry.objects.filter(kind__startswith="account.address", whom=mona.pk).order_by("pk")
    client.post(choices, {"address": ADDRESS, "password": "mona-password"})
    confirm = f"/account/notices/address/{addresses.token(Mailbox.objects.get(), addresses.CONFIRM)}/"
    for _ in range(2):
        client.post(confirm)
    for _ in range(2):
        client.post(choices, {"stop": "1"})
    client.post(choices, {"address": ADDRESS, "password": "mona-password"})
    stop = f"/account/notices/stop/{addresses.token(Mailbox.objects.get(), addresses.STOP)}/"
    Client().post(stop)  # as mail programs do
    facts = [(each.kind, each.who, each.before) for each in recorded]
    assert facts == [
        (LogKind.ADDRESS_ENTERED, mona.pk, '{"confirmed":false}'),
        (LogKind.ADDRESS_CONFIRMED, mona.pk, ""),
        (LogKind.ADDRESS_REMOVED, mona.pk, '{"confirmed":true}'),
        (LogKind.ADDRESS_ENTERED, mona.pk, '{"confirmed":false}'),
        (LogKind.ADDRESS_REMOVED, None, '{"confirmed":false}'),
    ]
    assert ADDRESS not in "".join(each.before + each.after for each in LogEntry.objects.all())


def test_the_answer_is_the_same_for_every_address(mona: User, inbox: Inbox, django_assert_num_queries: Any) -> None:
    pages = []
    for address in (ADDRESS, "nobody@example.org"):
        with django_assert_num_queries(1):
            pages.append(text_of(Client().post(ASK, {"address": address})))
    assert pages[0] == pages[1]
    assert Client().post(ASK, {"address": "nobody"}).status_code == 400


def test_an_address_gets_one_link_in_ten_minutes(mona: User, inbox: Inbox) -> None:
    asked(inbox)
    assert len(asked(inbox)) == 1
    Mailbox.objects.update(reset_asked_at=timezone.now() - addresses.PAUSE)
    assert len(asked(inbox)) == 2


def test_who_gets_no_link(mona: User, inbox: Inbox) -> None:
    Mailbox.objects.update(confirmed_at=None, mail=None)
    assert asked(inbox) == []
    Mailbox.objects.update(confirmed_at=timezone.now())
    User.objects.update(is_active=False)
    assert asked(inbox) == []
    mona.is_active = True
    mona.set_unusable_password()  # a login provider signs the person in
    mona.save()
    assert asked(inbox) == []


def test_a_link_is_over_after_an_hour_a_sign_in_or_another_address(mona: User, inbox: Inbox, settings: Any) -> None:
    [path] = asked(inbox)
    _, other = resets.parts_of_link(make_user("eve"))
    token = path.rstrip("/").rpartition("/")[2]
    assert Client().get(path.replace(token, other)).status_code == 404
    assert Client().get(path).status_code == 302
    now = resets.TOKENS._now
    try:
        resets.TOKENS._now = lambda: now() + datetime.timedelta(minutes=61)  # type: ignore[method-assign]
        assert Client().get(path).status_code == 404
    finally:
        del resets.TOKENS._now
    Mailbox.objects.update(address="other@example.org")
    assert Client().get(path).status_code == 404
    Mailbox.objects.update(address=ADDRESS)
    assert Client().get(path).status_code == 302
    signed_in(mona)
    assert Client().get(path).status_code == 404


def test_entering_an_address_takes_the_password(inbox: Inbox) -> None:
    client = signed_in(make_user("annie"))
    choices = "/account/notices/choices/"
    for password in ("", "wrong"):
        assert client.post(choices, {"address": ADDRESS, "password": password}).status_code == 400
    assert not Mailbox.objects.exists()


def test_without_a_mail_server_the_page_says_whom_to_ask(mona: User) -> None:
    for response in (Client().get(ASK), Client().post(ASK, {"address": ADDRESS})):
        assert "Ask the administrator" in text_of(response)
    assert Mailbox.objects.get().reset_mail is None
