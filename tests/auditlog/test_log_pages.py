"""The pages and files of the audit log: filters, other projects, hostile texts, and a proof of an export."""

import hashlib
import json
from collections.abc import Iterable

import pytest
from django.contrib.auth import authenticate
from django.test import Client, RequestFactory
from factories import make_project, make_user
from pages import member, text_of

from labeling.models import LogEntry, LogKind, Role
from labeling.observing import auditlog

pytestmark = pytest.mark.django_db


def entries_in(chunks: Iterable[bytes]) -> list[dict[str, object]]:
    return [json.loads(line) for line in b"".join(chunks).splitlines()]


def test_filters_of_the_page() -> None:
    project, ann = make_project("birds"), make_user("ann")
    client = member(project, Role.AUDITOR)
    auditlog.record(LogKind.MEMBER_PAUSED, project=project, whom=ann, after={"paused": "pause-7"})
    auditlog.record(LogKind.LOOP_CHANGED, project=project, after={"loop": "loop-8"})
    address = "/p/birds/auditlog/"
    assert "pause-7" in client.get(address).content.decode()
    page = client.get(f"{address}?kind=loop.changed").content.decode()
    assert "loop-8" in page
    assert "pause-7" not in page
    page = client.get(f"{address}?person=ann").content.decode()
    assert "pause-7" in page
    assert "loop-8" not in page
    for query in ("since=2999-01-01", "until=1999-12-31", "person=nobody"):
        assert "No entry matches." in client.get(f"{address}?{query}").content.decode()


def test_entries_of_another_project_and_of_the_server_are_not_shown() -> None:
    project, other = make_project("birds"), make_project("fish")
    auditlog.record(LogKind.LOOP_CHANGED, project=other, after={"loop": "of fish"})
    auditlog.record(LogKind.LOOP_CHANGED, after={"loop": "of the server"})
    client = member(project, Role.MANAGER)
    page = client.get("/p/birds/auditlog/?person=boss").content + client.get("/p/birds/auditlog/").content
    page += b"".join(client.get("/api/v1/projects/birds/auditlog/file/").streaming_content)
    assert b"of fish" not in page
    assert b"of the server" not in page
    assert client.get("/auditlog/").status_code == 403
    for query in ("kind=x", "since=yesterday", "until=9999-12-31", f"person={'x' * 151}", "person=%00",
                  "kind[]=a&since=%F0%28%8C"):  # fmt: skip
        assert client.get(f"/p/birds/auditlog/?{query}").status_code == 400, query
        if not query.startswith("until"):
            assert client.get(f"/api/v1/projects/birds/auditlog/file/?{query}").status_code == 400, query


def test_an_export_is_proven_without_the_server() -> None:
    project = make_project("birds")
    client = member(project, Role.MANAGER)
    client.post("/p/birds/loop/", {"loop": "paused"}, REMOTE_ADDR="192.0.2.7")
    entries = entries_in(client.get("/api/v1/projects/birds/auditlog/file/").streaming_content)
    previous = "0" * 64
    for entry in entries:
        facts = {name: value for name, value in entry.items() if name not in ("hash", "address", "salt")}
        text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
        assert hashlib.sha256(text.encode()).hexdigest() == entry["hash"]
        assert entry["previous"] == previous
        previous = str(entry["hash"])
    assert [entry["kind"] for entry in entries[-2:]] == ["loop.changed", "auditlog.exported"]
    only = client.get("/api/v1/projects/birds/auditlog/file/?kind=loop.changed")
    assert len(entries_in(only.streaming_content)) == 1


def test_typed_names_and_passwords_are_not_recorded(settings: pytest.FixtureRequest) -> None:
    make_user("ann")
    client = Client()
    for name, password in (("ann", "wrong"), ("my secret", "wrong"), ("ann", "ann-password")):
        client.post("/login/", {"username": name, "password": password})
    client.post("/logout/")
    kinds = [entry.kind for entry in LogEntry.objects.filter(chain__name="server").order_by("pk")]
    assert kinds[-4:] == ["account.sign_in_failed"] * 2 + ["account.signed_in", "account.signed_out"]
    assert not LogEntry.objects.filter(after__contains="secret").exists()
    request = RequestFactory().post("/login/")
    authenticate(request, username="p4ssw0rd!", password="x")
    failed = LogEntry.objects.filter(kind=LogKind.SIGN_IN_FAILED)
    entry = failed.latest("pk")
    assert "p4ssw0rd" not in json.dumps(entry.line())
    settings.LOGIN_ATTEMPTS, before = 3, failed.count()  # type: ignore[attr-defined]
    for _ in range(8):
        Client().post("/login/", {"username": "ann", "password": "wrong"})
    assert failed.count() - before == 3, "tries of a locked-out client are not recorded"


def test_an_entry_is_a_sentence_with_its_changes_as_fields() -> None:
    project, mona = make_project("birds"), make_user("mona")
    values = {"project": project, "who": mona}
    kind = LogKind.SETTINGS_CHANGED
    auditlog.record(kind, **values, subject="batch_size", before={"batch_size": 100}, after={"batch_size": 2000})
    old, new = {"grids": False, "class_guard": 3.5}, {"grids": True, "class_guard": None}
    auditlog.record(kind, **values, subject="class_guard, grids", before=old, after=new)
    auditlog.record(LogKind.MEMBER_ROLE, **values, whom=make_user("ann"), after={"role": "<b>engineer</b>"})
    response = member(project, Role.AUDITOR).get("/p/birds/auditlog/")
    text = text_of(response)
    assert "mona changed Batch size from 100 to 2,000." in text
    assert "mona changed settings." in text
    assert "Class guard Before: 3.5 After: –" in text
    assert "Ask about many items at once Before: no After: yes" in text
    assert "mona gave a role: ann. role After: <b>engineer</b>" in text
    assert "<b>engineer" not in response.content.decode()


def test_a_value_is_shown_as_stored_only_in_its_fold() -> None:
    project = make_project("birds")
    auditlog.record(LogKind.LOOP_CHANGED, project=project, before={"loop": "running"}, after={"loop": "paused"})
    page = member(project, Role.AUDITOR).get("/p/birds/auditlog/").content.decode()
    shown, fold, stored = page.partition('<details class="small">')
    assert fold
    assert "&quot;loop&quot;" not in shown
    assert "&quot;loop&quot;:&quot;paused&quot;" in stored
    auditlog.record(LogKind.SETTINGS_CHANGED, project=project, after={"a": 1})
    client = member(project, Role.AUDITOR)
    for stored in ("no json", "[1, 2]", '"a text"', "3", "1e400", "null", '{"a": [{"b": 1}]}', '{"": ""}', "x" * 5000,
                   "9" * 5000):  # fmt: skip
        LogEntry.objects.update(after=stored, kind="of a later release")
        assert "of a later release" in text_of(client.get("/p/birds/auditlog/")), stored
