"""Old entries of the audit log are removed, and the rest stays provable; a removed person leaves a pseudonym."""

import datetime
import json
import logging
import socket
from logging.config import dictConfig
from typing import Any

import pytest
from django.test import Client, RequestFactory
from django.utils import timezone
from factories import make_project, make_user

from config import syslog
from labeling.models import LogChain, LogEntry, LogKind, Project
from labeling.observing import auditlog
from labeling.observing.auditlog import sealing
from labeling.observing.auditlog.verifying import verify

pytestmark = pytest.mark.django_db


def record_on(days: list[int], project: Project | None, monkeypatch: pytest.MonkeyPatch) -> LogChain:
    """Record an entry for each number of days ago."""
    now = timezone.now()
    for each in days:
        monkeypatch.setattr(timezone, "now", lambda each=each: now - datetime.timedelta(days=each))
        auditlog.record(LogKind.LOOP_CHANGED, project=project, subject=f"{each} days ago")
    monkeypatch.undo()
    return LogChain.objects.get(name=auditlog.chain_name(project))


def test_old_entries_go_and_the_rest_is_proven(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.AUDIT_LOG_DAYS = 30
    LogEntry.objects.all().delete()
    LogChain.objects.all().delete()
    chain = record_on([90, 60, 20, 10], None, monkeypatch)
    known = chain.entries.get(number=3).hash
    for now in (timezone.now(), timezone.now() + datetime.timedelta(days=15)):
        sealing.remove_expired_entries(now)
        sealing.remove_expired_entries(now)
        chain.refresh_from_db()
        assert verify(chain, expected=known).problem == ""
    assert [each.subject for each in chain.entries.filter(kind=LogKind.LOOP_CHANGED)] == ["10 days ago"]
    assert chain.entries.filter(kind=LogKind.LOG_CUT).count() == 2


def test_a_cut_that_nobody_recorded_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = record_on([3, 2, 1], make_project("birds"), monkeypatch)
    chain.entries.filter(number__lte=2).delete()
    assert "no entry says that they were removed by age" in verify(chain).problem


def test_the_chain_of_an_erased_project_goes_whole(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.AUDIT_LOG_DAYS = 30
    LogEntry.objects.all().delete()
    LogChain.objects.all().delete()
    server, chain = record_on([1], None, monkeypatch), record_on([90, 60], project := make_old(), monkeypatch)
    LogChain.objects.filter(pk=chain.pk).update(project=None)
    sealing.remove_expired_entries(timezone.now())
    assert not LogChain.objects.filter(pk=chain.pk).exists()
    entry = server.entries.get(kind=LogKind.LOG_CUT)
    assert entry.subject == f"project {project.pk}"
    assert json.loads(entry.after) == {"through": 2, "hash": chain.head}
    server.refresh_from_db()
    assert verify(server).problem == ""


def make_old() -> Project:
    with auditlog.part_of_one():
        return make_project("birds")


def test_a_removed_person_leaves_a_pseudonym() -> None:
    ann, boss = make_user("ann"), make_user("boss", is_staff=True, is_superuser=True)
    request = RequestFactory().get("/", REMOTE_ADDR="192.0.2.7")
    request.user = ann
    with auditlog.acting("page", request, "r1"):
        auditlog.record(LogKind.SIGNED_OUT)
    client = Client()
    client.force_login(boss)
    assert client.post(f"/admin/labeling/user/{ann.pk}/delete/", {"post": "yes"}).status_code == 302
    entry = LogEntry.objects.get(kind=LogKind.SIGNED_OUT)
    assert (entry.who, entry.address, entry.salt) == (ann.pk, "", "")
    assert LogEntry.objects.filter(kind=LogKind.ADMIN_CHANGED, whom=ann.pk).exists()
    assert verify(entry.chain).problem == ""
    assert f"person {ann.pk}" in client.get("/auditlog/").content.decode()


def test_entries_go_to_syslog_as_json(django_capture_on_commit_callbacks: Any) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(20)
        settings = {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": {"format": "{line}", "style": "{"}},
            "handlers": {"syslog": syslog.handler(f"127.0.0.1:{receiver.getsockname()[1]}")},
            "loggers": {"labeling.observing.auditlog": {"handlers": ["syslog"], "level": "INFO"}},
        }
        dictConfig(settings)
        try:
            with django_capture_on_commit_callbacks(execute=True):
                auditlog.record(LogKind.LOOP_CHANGED, subject="a line")
            text = receiver.recv(65_536).decode().rstrip("\0")
        finally:
            logging.getLogger("labeling.observing.auditlog").handlers.clear()
    entry = LogEntry.objects.get(kind=LogKind.LOOP_CHANGED)
    assert json.loads(text[text.index("{") :]) == entry.line()
