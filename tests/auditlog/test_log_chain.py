"""The audit log's chains: each removed or changed entry shows, and many writers make no forks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections, transaction
from factories import make_project

from labeling import auditlog
from labeling.auditlog.verifying import verify
from labeling.models import LogChain, LogEntry, LogKind, Project


def silent_project(slug: str) -> Project:
    """Make a project whose chain has no entry yet."""
    with auditlog.part_of_one():
        return make_project(slug)


def record_some(project: Project | None, number: int = 5) -> LogChain:
    for at in range(number):
        auditlog.record(LogKind.LOOP_CHANGED, project=project, before={"at": at}, after={"at": at + 1})
    return LogChain.objects.get(project=project)


def verify_command(**options: Any) -> str:
    out = StringIO()
    call_command("audit_verify", stdout=out, **options)
    return out.getvalue()


@pytest.mark.django_db
def test_a_whole_chain_is_proven() -> None:
    chain, server = record_some(silent_project("birds")), record_some(None, 2)
    text = verify_command()
    assert f"{chain.name}: 5 entries, newest 5 {chain.head}" in text
    assert f"server: 2 entries, newest 2 {server.head}" in text


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("field", "value"),
    [("before", '{"at":7}'), ("who", 1), ("whom", 1), ("kind", "labels.exported"), ("subject", "x"), ("via", "worker")],
)
def test_a_changed_entry_is_named(field: str, value: object) -> None:
    chain = record_some(silent_project("birds"))
    chain.entries.filter(number=3).update(**{field: value})
    with pytest.raises(CommandError, match=rf"^{chain.name}: entry 3 was changed\.$"):
        verify_command()


@pytest.mark.django_db
def test_an_entry_with_a_new_hash_is_named() -> None:
    chain = record_some(silent_project("birds"))
    entry = chain.entries.get(number=3)
    entry.who = 1
    chain.entries.filter(number=3).update(who=1, hash=entry.digest())
    assert verify(chain).problem == "entry 4 does not follow entry 3: one of them was replaced"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("number", "problem"),
    [(1, "entries up to 1 are missing"), (3, "entry 3 is missing"), (5, "entries after 4 are missing")],
)
def test_a_removed_entry_is_named(number: int, problem: str) -> None:
    chain = record_some(silent_project("birds"))
    chain.entries.filter(number=number).delete()
    with pytest.raises(CommandError, match=f"^{chain.name}: {problem}"):
        verify_command()


@pytest.mark.django_db
def test_a_tail_that_was_removed_with_its_chain_shows_by_an_earlier_hash() -> None:
    chain = record_some(silent_project("birds"))
    known = chain.head
    assert verify(chain, expected=known).problem == ""
    chain.entries.filter(number=5).delete()
    LogChain.objects.filter(pk=chain.pk).update(length=4, head=chain.entries.get(number=4).hash)
    assert "newest 4" in verify_command()
    with pytest.raises(CommandError, match="no entry has the expected hash"):
        verify_command(chain=chain.name, expect=known)


@pytest.mark.django_db
def test_an_expected_hash_needs_its_chain() -> None:
    with pytest.raises(CommandError, match="needs --chain"):
        verify_command(expect="0" * 64)
    with pytest.raises(CommandError, match="no chain"):
        verify_command(chain="project 99")


@pytest.mark.django_db
def test_no_entry_of_a_change_that_was_rolled_back() -> None:
    project = silent_project("birds")
    with transaction.atomic():
        record_some(project)
        transaction.set_rollback(True)
    assert not LogEntry.objects.filter(kind=LogKind.LOOP_CHANGED).exists()


@pytest.mark.django_db
def test_a_long_value_is_kept_as_its_size_and_hash() -> None:
    auditlog.record(LogKind.GUIDELINES_CHANGED, project=silent_project("birds"), after={"text": "ä" * 100_000})
    entry = LogEntry.objects.get()
    assert len(entry.after) < 120
    assert entry.after.startswith('{"bytes":600011,"sha256":"')


@pytest.mark.django_db
def test_each_entry_goes_to_the_log_after_the_commit(
    caplog: pytest.LogCaptureFixture, django_capture_on_commit_callbacks: Any
) -> None:
    with caplog.at_level("INFO", "labeling.auditlog"), django_capture_on_commit_callbacks(execute=True):
        chain = record_some(None, 1)
        assert not caplog.messages
    assert caplog.messages == [f"server 1 loop.changed {chain.head}"]


@pytest.mark.django_db(transaction=True)
def test_many_writers_make_one_chain() -> None:
    projects = [silent_project("birds"), silent_project("fish"), None]

    def write(number: int) -> None:
        try:
            with transaction.atomic():
                auditlog.record(LogKind.LOOP_CHANGED, project=projects[number % 3], subject=f"writer {number}")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(60)))
    for chain in LogChain.objects.all():
        assert verify(chain).problem == ""
        assert chain.length == 20
    assert LogChain.objects.count() == 3
