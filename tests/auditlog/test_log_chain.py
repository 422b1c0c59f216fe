"""The audit log's chains: each removed or changed entry shows, and many writers make no forks."""

from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connections, transaction
from django.test import RequestFactory
from django.utils import timezone
from factories import make_project, make_user

from labeling.models import LogChain, LogEntry, LogKind, Project, User
from labeling.observing import auditlog
from labeling.observing.auditlog import sealing
from labeling.observing.auditlog.sealing import seal_daily
from labeling.observing.auditlog.verifying import verify

pytestmark = pytest.mark.django_db


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


def test_a_whole_chain_is_proven() -> None:
    chain, server = record_some(silent_project("birds")), record_some(None, 2)
    text = verify_command()
    assert f"{chain.name}: 5 entries, newest 5 {chain.head}" in text
    assert f"server: 2 entries, newest 2 {server.head}" in text
    with pytest.raises(CommandError, match="needs --chain"):
        verify_command(expect="0" * 64)
    with pytest.raises(CommandError, match="no chain"):
        verify_command(chain="project 99")
    with transaction.atomic():
        record_some(None)
        transaction.set_rollback(True)
    assert LogEntry.objects.filter(kind=LogKind.LOOP_CHANGED).count() == 7


def problems() -> list[str]:
    with pytest.raises(CommandError) as failure:
        verify_command()
    return str(failure.value).split("\n")


def test_a_changed_entry_is_named() -> None:
    request = RequestFactory().get("/", REMOTE_ADDR="192.0.2.7")
    with auditlog.acting("page", request, "request-1"):
        chain = record_some(silent_project("birds"))
    entries, before = chain.entries.filter(number=3), chain.entries.values().get(number=3)
    changes = {"before": '{"at":7}', "who": 1, "whom": 1, "kind": "labels.exported", "subject": "x", "via": "worker"}
    for field, value in changes.items():
        entries.update(**{field: value})
        assert problems() == [f"{chain.name}: entry 3 was changed."], field
        entries.update(**{field: before[field]})
    for field in ("salt", "hash", "previous", "request", "address_digest", "after", "kind"):
        entries.update(**{field: ""})
        [problem] = problems()
        assert problem.startswith(f"{chain.name}: ")
        assert "entry 3" in problem, field
        entries.update(**{field: before[field]})
    verify_command()


def test_an_entry_with_a_new_hash_is_named() -> None:
    chain = record_some(silent_project("birds"))
    entry = chain.entries.get(number=3)
    entry.who = 1
    chain.entries.filter(number=3).update(who=1, hash=entry.digest())
    assert verify(chain).problem == "entry 4 does not follow entry 3: one of them was replaced"


@pytest.mark.parametrize(
    ("number", "problem"),
    [(1, "entries up to 1 are missing"), (3, "entry 3 is missing"), (5, "entries after 4 are missing")],
)
def test_a_removed_entry_is_named(number: int, problem: str) -> None:
    chain = record_some(silent_project("birds"))
    chain.entries.filter(number=number).delete()
    [told] = problems()
    assert told.startswith(f"{chain.name}: {problem}")


def test_a_tail_that_was_removed_with_its_chain_shows_by_an_earlier_hash() -> None:
    chain = record_some(silent_project("birds"))
    known = chain.head
    assert verify(chain, expected=known).problem == ""
    chain.entries.filter(number=5).delete()
    LogChain.objects.filter(pk=chain.pk).update(length=4, head=chain.entries.get(number=4).hash)
    assert "newest 4" in verify_command()
    with pytest.raises(CommandError, match="no entry has the expected hash"):
        verify_command(chain=chain.name, expect=known)


def remove(chain: LogChain) -> None:
    chain.entries.all().delete()
    chain.delete()


def test_a_project_without_a_chain_is_named_and_gets_one_in_an_upgrade() -> None:
    chain = record_some(silent_project("birds"))
    remove(chain)
    other = silent_project("fish")
    make_user("ann")
    whole = "the whole chain is missing."
    assert problems() == [f"{chain.name}: {whole}", f"project {other.pk}: {whole}", f"server: {whole}"]
    record_some(Project.objects.get(slug="birds"))
    import_module("labeling.migrations.0046_chains_of_old_projects").add_chains(apps, None)
    assert verify_command().count(" 0 entries") == 2
    assert LogChain.objects.count() == 3


@pytest.mark.parametrize("again", [False, True])
def test_a_removed_chain_is_named_by_the_servers(again: bool) -> None:
    chain = record_some(project := silent_project("birds"))
    seal_daily(timezone.now())
    remove(chain)
    if again:
        record_some(project, 2)
        expected = f"entries after 2 are missing: there was 5 with the hash {chain.head}."
    else:
        Project.objects.filter(pk=project.pk).delete()
        expected = f"the whole chain is missing: another chain holds its entry 5 with the hash {chain.head}."
    assert problems() == [f"{chain.name}: {expected}"]


def test_a_replaced_chain_is_named_by_the_servers() -> None:
    chain = record_some(project := silent_project("birds"))
    seal_daily(timezone.now())
    remove(chain)
    record_some(project, 9)
    seal_daily(timezone.now() + 2 * sealing.EVERY)
    assert problems() == [f"{chain.name}: entry 5 was replaced: its hash was {chain.head}."]


def test_a_seal_is_one_a_day_of_all_chains_that_grew() -> None:
    now = timezone.now()
    seal_daily(now)
    assert not LogChain.objects.exists()
    for number in range(sealing.CHAINS_PER_ENTRY + 1):
        record_some(silent_project(f"birds-{number}"), 1)
    for _ in range(3):
        seal_daily(now)
    seals = LogEntry.objects.filter(kind=LogKind.LOG_SEALED)
    assert seals.count() == 2
    assert all("sha256" not in each.after for each in seals)
    record_some(Project.objects.get(slug="birds-3"), 1)
    seal_daily(now + 2 * sealing.EVERY)
    assert seals.all().count() == 3
    chain = LogChain.objects.get(project__slug="birds-3")
    assert seals.latest("number").after == f'{{"{chain.name}":[2,"{chain.head}"]}}'
    verify_command()


def test_a_new_project_is_sealed_at_once(django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        project = make_project("birds")
    remove(LogChain.objects.get(project=project))
    Project.objects.filter(pk=project.pk).delete()
    [problem] = problems()
    assert problem.startswith(f"project {project.pk}: the whole chain is missing: another chain holds its entry 1")


@pytest.mark.parametrize("again", [0, 1, 9])
def test_a_removed_chain_of_the_server_is_named_by_projects(again: int) -> None:
    server = record_some(None)
    make_project("birds")
    make_user("ann")
    verify_command()
    remove(server)
    for _ in range(again):  # as people sign in
        auditlog.record(LogKind.SIGNED_IN)
    expected = {
        0: f"the whole chain is missing: another chain holds its entry 5 with the hash {server.head}.",
        1: f"entries after 1 are missing: there was 5 with the hash {server.head}.",
        9: f"entry 5 was replaced: its hash was {server.head}.",
    }
    assert problems() == [f"server: {expected[again]}"]


@pytest.mark.parametrize("fields", [{"address": ""}, {"address": "", "salt": ""}])
def test_a_blanked_address_is_named_unless_its_account_is_removed(fields: dict[str, str]) -> None:
    ann, project = make_user("ann"), silent_project("birds")
    request = RequestFactory().get("/", REMOTE_ADDR="192.0.2.7")
    request.user = ann
    with auditlog.acting("page", request):
        chain = record_some(project)
        record_some(None, 1)
    assert verify(chain).problem == ""
    LogEntry.objects.update(**fields)
    missing = "was removed, but not with the account of its person."
    assert sorted(problems()) == [
        f"{chain.name}: the address of entry 1 {missing}",
        f"server: the address of entry 1 {missing}",
    ]
    User.objects.filter(pk=ann.pk).delete()
    verify_command()
    with auditlog.acting("page", RequestFactory().get("/")):  # of nobody, such as a failed sign-in
        record_some(None, 1)
    LogEntry.objects.update(**fields)
    assert problems() == [f"server: the address of entry 2 {missing}"]


def test_entries_that_are_appended_meanwhile_are_no_problem() -> None:
    before = record_some(project := silent_project("birds"))
    record_some(project)
    assert verify(before).problem == ""
    LogChain.objects.update(length=5, head=before.head)
    assert verify(before).problem == "entries after 5 were not appended by the log"


def test_a_long_value_is_kept_as_its_size_and_hash() -> None:
    auditlog.record(LogKind.GUIDELINES_CHANGED, project=silent_project("birds"), after={"text": "ä" * 100_000})
    entry = LogEntry.objects.get()
    assert len(entry.after) < 120
    assert entry.after.startswith('{"bytes":600011,"sha256":"')


def test_each_entry_goes_to_the_log_after_the_commit(
    caplog: pytest.LogCaptureFixture, django_capture_on_commit_callbacks: Any
) -> None:
    with caplog.at_level("INFO", "labeling.observing.auditlog"), django_capture_on_commit_callbacks(execute=True):
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
