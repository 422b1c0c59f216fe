"""Test that an import keeps the first thousand rejected rows, counts all by reason, and stops in a file of bad rows."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from factories import make_items, make_member, make_project
from pages import signed_in, text_of

from labeling.intake import rejecting, uploads
from labeling.intake.run import import_items
from labeling.loop.step import Step
from labeling.models import ItemImport, Job, Project, RejectedRow, Role
from labeling.projects import quota

API = "/api/v1/projects/digits/"
NO_OBJECT = 'The row is not a JSON object {"name": value, …}.'


def send(project: Project, lines: list[str], **fields: Any) -> tuple[Client, ItemImport]:
    """Import a file of these lines; return the import and a client of the manager who sent it."""
    client = signed_in(make_member(project, "mona", Role.MANAGER))
    file = SimpleUploadedFile("a.jsonl", "\n".join(lines).encode())
    answer = client.post(f"{API}items/", {"file": file, **fields}, headers={"X-CSRFToken": "a" * 32})
    assert answer.status_code in (201, 202, 400), answer.content
    return client, ItemImport.objects.get()


def text(number: int) -> str:
    return json.dumps({"id": f"text-{number}", "text": f"This is text number {number}."})


@pytest.mark.django_db
def test_a_file_of_zeros_takes_little_of_a_worker_and_of_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "AT_ONCE_BYTES", 0)
    project = make_project()
    _, item_import = send(project, ["0"] * 50_000)
    assert item_import.state == "waiting"
    work(project, gives_way=False)
    item_import.refresh_from_db()
    assert item_import.state == "refused"
    told = "The import stopped behind line 10000: 10,000 of its first 10,000 rows are bad. See the reasons, mend the "
    assert item_import.reason == f"{told}file, then import it again."
    assert RejectedRow.objects.count() == 1000
    assert item_import.rejected_by_reason == {NO_OBJECT: item_import.rejected} == {NO_OBJECT: 10_000}
    use = quota.use_of(project)
    assert (use.waiting, use.media) == (0, 0)
    assert 100_000 < use.rows == use.total < 300_000


@pytest.mark.django_db
def test_good_rows_go_in_behind_more_bad_ones_than_are_kept() -> None:
    project = make_project()
    client, item_import = send(project, [*["0"] * 1500, text(1), "{", *["0"] * 200, text(2)])
    assert (item_import.state, item_import.accepted, item_import.rejected) == ("done", 2, 1701)
    [(first, number), (_, other)] = rejecting.by_number(item_import)
    assert (first, number, other) == (NO_OBJECT, 1700, 1)
    csv = b"".join(client.get(f"{API}imports/{item_import.pk}/rejected/").streaming_content).decode()  # type: ignore[attr-defined]
    assert len(csv.splitlines()) == 1 + 1000
    assert "line 1000," in csv
    told = client.get(f"{API}imports/{item_import.pk}/").json()
    assert (told["rejected"], told["rejected_by_reason"]) == (1701, item_import.rejected_by_reason)
    page = text_of(client.get(f"/p/digits/imports/{item_import.pk}/"))
    assert "1,701 rows" in page
    assert "The first 1,000 rows are listed." in page
    assert "1,700" in page


def work(project: Project, **step: Any) -> int:
    """Run the import's steps as a worker does; return their number."""
    turns = 0
    while project.jobs.filter(kind=Job.Kind.IMPORT).waiting().exists():
        job = project.jobs.get(kind=Job.Kind.IMPORT)
        assert Job.objects.take(job, "here:1:a", timezone.now())
        job.refresh_from_db()
        import_items(Step(job, **step))
        turns += 1
    return turns


@pytest.mark.django_db
def test_an_import_that_goes_on_later_keeps_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "AT_ONCE_BYTES", 0)
    project = make_project()
    _, item_import = send(project, [*["0"] * 2500, text(1)])
    assert work(project, gives_way=False, stopping=lambda: True) > 1
    item_import.refresh_from_db()
    assert (item_import.state, item_import.accepted) == ("done", 1)
    assert item_import.rejected_by_reason == {NO_OBJECT: 2500}
    assert RejectedRow.objects.count() == 1000


@pytest.mark.django_db
def test_a_file_that_has_grown_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of existing items do not count as bad rows."""
    monkeypatch.setattr(rejecting, "HOPELESS_ROWS", 20)
    project = make_project()
    make_items(project, 1)
    there = json.dumps({"id": "item-0000", "text": "The same."})
    _, item_import = send(project, [*[there] * 3000, *["0"] * 19, text(1)])
    assert (item_import.state, item_import.accepted, item_import.rejected) == ("done", 1, 3019)
    assert item_import.rejected_by_reason == {rejecting.THERE: 3000, NO_OBJECT: 19}


@pytest.mark.django_db
def test_a_file_that_turns_bad_keeps_what_was_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejecting, "HOPELESS_ROWS", 1500)
    project = make_project()
    client, item_import = send(project, [text(1), *["0"] * 5000, text(2)])
    assert (item_import.state, item_import.accepted) == ("refused", 1)
    told = "The 1 item before that is imported. The import stopped behind line 2000: 1,999 of its first 2,000 rows"
    assert item_import.reason.startswith(told)
    assert item_import.rejected == 1999
    assert client.get(f"{API}imports/").json()[0]["state"] == "refused"
    assert project.items.count() == 1


@pytest.mark.django_db
def test_a_strict_import_counts_what_it_has_seen() -> None:
    _, item_import = send(make_project(), ["0"] * 5000, strict="1")
    assert item_import.state == "refused"
    assert item_import.reason.startswith("Nothing was imported: 1,000 or more bad rows, the first at line 1: ")
    assert item_import.rejected == RejectedRow.objects.count() == 1000
    assert item_import.rejected_by_reason == {NO_OBJECT: 1000}


@pytest.mark.django_db
def test_reasons_that_quote_their_rows_are_few() -> None:
    rows = [json.dumps({"text": "x", "truth": f"no class {n}"}) for n in range(300)]
    _, item_import = send(make_project(), rows)
    counts = item_import.rejected_by_reason or {}
    assert len(counts) == rejecting.REASONS + 1
    assert sum(counts.values()) == item_import.rejected == 300
    assert counts[rejecting.OTHERS] == 300 - rejecting.REASONS


@pytest.mark.django_db
def test_the_command_tells_the_reasons(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_project()
    (tmp_path / "a.jsonl").write_text("\n".join([*["0"] * 1200, text(1)]))
    call_command("import_items", "digits", str(tmp_path / "a.jsonl"))
    told = capsys.readouterr().out
    assert "1 items imported, 1200 rows rejected" in told
    assert "`--rejected FILE` writes the first 1,000 of them" in told
    assert f"1,200 times: {NO_OBJECT}" in told
