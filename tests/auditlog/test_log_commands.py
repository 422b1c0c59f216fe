"""Django's commands about accounts are recorded, too."""

import getpass

import pytest
from django.core.management import CommandError, call_command
from factories import make_user

from labeling.models import LogEntry, LogKind, User

pytestmark = pytest.mark.django_db


def test_an_account_with_all_rights_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    make_user("annie")
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "long-and-odd-7")
    call_command("createsuperuser", username="olga", email="", interactive=False)
    olga = User.objects.get(username="olga")
    assert olga.is_superuser
    entry = LogEntry.objects.get(kind=LogKind.ACCOUNT_CREATED)
    assert (entry.via, entry.whom, entry.after) == ("command", olga.pk, '{"is_superuser":true}')
    with pytest.raises(CommandError):
        call_command("createsuperuser", username="olga", email="", interactive=False)
    assert LogEntry.objects.filter(kind=LogKind.ACCOUNT_CREATED).count() == 1


def test_a_new_password_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    annie = make_user("annie")
    monkeypatch.setattr(getpass, "getpass", lambda prompt="": "long-and-odd-7")
    call_command("changepassword", "annie")
    assert User.objects.get().check_password("long-and-odd-7")
    assert LogEntry.objects.get(kind=LogKind.PASSWORD_CHANGED).whom == annie.pk
    monkeypatch.setattr(getpass, "getpass", lambda prompt="": "annie")
    with pytest.raises(CommandError):
        call_command("changepassword", "annie")
    assert LogEntry.objects.filter(kind=LogKind.PASSWORD_CHANGED).count() == 1
