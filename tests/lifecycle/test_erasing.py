"""Test that an item can be erased at once, and that no file has it afterwards."""

import datetime
import io
import json
import uuid
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from factories import make_answerable, make_items, make_member, make_open_batch, make_project
from pages import make_dataset, manager, member, text_of
from PIL import Image
from processes import manage

from labeling.labels import comments
from labeling.labels.items import search
from labeling.labels.items.leftovers import Leftovers
from labeling.loop.step import Step
from labeling.management.commands.worker import forget
from labeling.models import (
    Batch,
    Job,
    Leftover,
    LogEntry,
    LogKind,
    Project,
    RejectedRow,
    Removal,
    Role,
    Task,
    User,
)
from labeling.models.jobs import ERASURE
from labeling.outgoing.datasets.manifest import verify
from labeling.outgoing.exports.frozen_rows import manifest_of
from labeling.projects import erasing_items
from labeling.projects.erasing_items import erase_items
from labeling.queue import removing, submitting
from labeling.queue.answer import Answer
from labeling.storage import media
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.db.statements import rows

NAME, WORD = "Jane-Xyzzyva-1970", "quetzalcoatlusnorthropi"
ON_SQLITE = settings.DATABASES["default"]["ENGINE"] == "config.sqlite"


def files() -> Iterator[tuple[Path, bytes]]:
    """Yield all files of the installation, with their plain contents."""
    beside = Path(connection.settings_dict["NAME"])
    for path in [*Path(settings.DATA_DIR).rglob("*"), *beside.parent.glob(f"{beside.name}*")]:
        if path.is_file():
            yield path, path.read_bytes()
        if path.suffix == ".parquet":
            yield path, json.dumps(pq.read_table(path).drop(["digest"]).to_pylist()).encode()
        if path.suffix == ".npz":
            with np.load(path) as arrays:
                yield path, b"".join(array.tobytes() for array in arrays.values())


def having(*marks: bytes) -> list[str]:
    """Return the names of the files that have one of these marks, in any case."""
    lowered = ((path, content.lower()) for path, content in files())
    return sorted({f"{path.name}: {mark!r}" for path, content in lowered for mark in marks if mark.lower() in content})


def picture(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (400, 1700, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def upload(client: Client, project: Project, name: str, content: bytes, expected: int = 201) -> None:
    at = f"/api/v1/projects/{project.slug}/items/"
    response = client.post(at, {"file": SimpleUploadedFile(name, content)}, headers={"accept": "application/json"})
    assert response.status_code == expected, response.content


def change(client: Client, project: Project, **body: Any) -> Any:
    at = f"/api/v1/projects/{project.slug}/items/changes/"
    return client.post(at, body, content_type="application/json")


def work() -> None:
    process = manage("worker", "--drain")
    said = process.communicate()[0]
    assert process.returncode == 0, said
    assert "Traceback" not in said, said


def give(project: Project, user: User, tasks: Sequence[Task]) -> None:
    """Answer these tasks."""
    make_answerable(tasks, user)
    answers = [Answer(uuid.uuid4(), task.pk, value=1, seconds=2.0) for task in tasks]
    assert not submitting.submit(project=project, user=user, answers=answers).rejected


def lines(*rows: dict[str, Any]) -> bytes:
    return "\n".join(map(json.dumps, rows)).encode()


def texts(project: Project, client: Client) -> None:
    others = [{"id": f"note-{n}", "text": f"an ordinary note about owl {n}"} for n in range(12)]
    row = {"id": NAME, "text": f"{WORD} lives in the house behind the mill", "place": "Zzyzx"}
    upload(client, project, "notes.jsonl", lines(*others, row))
    upload(client, project, "again.jsonl", lines(*others, row, {"id": "z" * 300, "text": row["text"]}))
    assert RejectedRow.objects.filter(excerpt__contains=WORD[:12]).exists()


def pictures(project: Project, client: Client) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for n in range(3):
            archive.writestr(f"{NAME if n == 1 else n}.png", picture(n))
    upload(client, project, "pictures.zip", packed.getvalue(), 202)


def numbers(project: Project, client: Client) -> None:
    table = [f"{NAME if n == 3 else f'row-{n}'},{n}.5,{n * n}.25,{WORD if n == 3 else 'x'}" for n in range(9)]
    upload(client, project, "table.csv", "\n".join(["id,a,b,who", *table]).encode())


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.skipif(not ON_SQLITE, reason="reads SQLite's files")
@pytest.mark.django_db(transaction=True)
def test_no_file_has_an_erased_item() -> None:
    makers = {"text": texts, "image": pictures, "vector": numbers}
    projects = [make_project(kind, kind=kind, classes=["a", "b"], batch_size=20) for kind in makers]
    clients = [manager(project) for project in projects]
    for project, client in zip(projects, clients, strict=True):
        makers[project.kind](project, client)
    work()
    chosen = [project.items.get(external_id=NAME) for project in projects if project.kind != "image"]
    seen = projects[1].items.get(source__contains=NAME)
    chosen.append(seen)
    pixels = [media.path_of(media.best(seen.media, size)).read_bytes()[200:260] for size in ("preview", "thumbnail")]
    pixels.append(media.path_of(seen.media).read_bytes()[-300:-200])
    for project in projects:
        [task] = Task.objects.filter(batch__project=project, item__in=chosen)
        give(project, make_member(project, "annie"), [task])
        make_dataset(project)
    comments.write_reviewers_comment(
        item=chosen[0], user=make_member(projects[0], "mona", Role.MANAGER), text=f"{WORD} again"
    )
    marks = [NAME.encode(), WORD.encode(), WORD[2:14].encode(), b"xyzzyva", b"Zzyzx", *pixels]
    assert having(*marks)
    for project, client in zip(projects, clients, strict=True):
        gone = [item.pk for item in chosen if item.project_id == project.pk]
        assert change(client, project, action="erase", items=gone, reason="Request 17.").json()["items"] == 1
    work()
    assert having(*marks) == []
    connection.rewrite()  # type: ignore[attr-defined]
    assert rows("PRAGMA temp_store_directory", []) == [(str(Path(connection.settings_dict["NAME"]).parent),)]
    assert not Leftover.objects.exists()
    for project in projects:
        [batch] = project.batches.all()
        assert batch.size == project.items.count() == batch.tasks.count()
        assert batch.remaining == batch.tasks.filter(outstanding__gt=0).count()
        assert verify(project.datasets.get(), each_row=True) == []
    assert clients[1].get(f"/api/v1/projects/image/items/{seen.pk}/media/?size=thumbnail").status_code == 404


@pytest.fixture
def project() -> Project:
    return make_project("notes", classes=["a", "b"])


@pytest.mark.django_db
def test_a_manager_erases_an_item_of_an_open_batch_with_a_reason(project: Project) -> None:
    batch = make_open_batch(project, make_items(project, 4))
    tasks = list(batch.tasks.order_by("rank"))
    give(project, make_member(project, "annie"), tasks[:2])
    version, client = make_dataset(project), manager(project)
    before = version.digest
    first, last = tasks[0].item_id, tasks[3].item_id
    assert "reason" in change(client, project, action="erase", items=[first]).json()["fields"]
    assert change(client, project, action="erase", filter={}, reason="Why.").status_code == 400
    assert change(client, project, action="erase", items=[first], preview=True).json()["items"] == 1
    for role in (Role.REVIEWER, Role.ENGINEER, Role.AUDITOR, Role.ANNOTATOR):
        refused = change(member(project, role), project, action="erase", items=[first], reason="Why.")
        assert refused.status_code == 403, role
    assert change(client, project, action="erase", items=[first, last], reason="Request 17.").json()["items"] == 2
    assert change(client, project, action="restore", items=[first]).json()["items"] == 0
    shown = text_of(client.get(f"/p/notes/items/{first}/"))
    assert "A worker erases it for good" in shown
    assert "Restore" not in shown
    assert erase_items(timezone.now(), forget=forget) == 2
    assert not project.items.filter(pk__in=[first, last]).exists()
    batch.refresh_from_db()
    assert (batch.state, batch.size, batch.remaining, batch.labeled) == ("open", 2, 1, 1)
    version.refresh_from_db()
    assert verify(version, each_row=True) == []
    assert [(each["sha256"], each["removed"]) for each in version.replaced] == [(before, 1)]
    assert [(each["items"], each["reason"]) for each in manifest_of(version)["removed"]] == [([first], "Request 17.")]
    told = client.get("/api/v1/projects/notes/datasets/v1/verification/").json()
    assert (told["whole"], told["digest"]) == (True, version.digest)
    assert [each["sha256"] for each in told["replaced"]] == [before]
    asked, erased, replaced = (
        LogEntry.objects.get(kind=kind)
        for kind in (LogKind.ERASURE_ASKED, LogKind.ITEMS_ERASED, LogKind.DATASET_ERASED)
    )
    assert json.loads(asked.after) == {"reason": "Request 17."}
    assert json.loads(asked.before)["items"] == json.loads(erased.after)["items"] == [first, last]
    assert (json.loads(replaced.before)["sha256"], json.loads(replaced.after)["sha256"]) == (before, version.digest)
    give(project, make_member(project, "annie"), [tasks[2]])
    batch.refresh_from_db()
    assert (batch.state, batch.remaining) == ("training", 0)


@pytest.mark.django_db
def test_the_page_says_what_stays(project: Project) -> None:
    items = make_items(project, 3)
    make_open_batch(project, items)
    client = manager(project)
    at = f"/p/notes/items/change/?action=erase&item={items[0].pk}"
    page = text_of(client.get(at))
    assert "1 item will be erased in the next minutes." in page
    for words in ("dataset versions", "Earlier backups", "Downloaded exports", "Copies of the project", "at a source"):
        assert words in page
    assert "Give a reason" in text_of(client.post(at, {"note": " "}))
    assert not Removal.objects.exists()
    assert client.post(at, {"note": "Request 17."}).status_code == 302
    assert Removal.objects.at_once().get().reason == "Request 17."


@pytest.mark.django_db
@pytest.mark.parametrize("place", ["_remove_files", "_remove_tasks", "_row_bytes"])
def test_a_killed_erasure_is_completed(project: Project, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = make_open_batch(project, make_items(project, 4))
    give(project, make_member(project, "annie"), list(batch.tasks.order_by("rank"))[:3])
    version, item = make_dataset(project), batch.tasks.order_by("rank")[0].item_id
    change(manager(project), project, action="erase", items=[item], reason="Why.")

    def killed(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(erasing_items, place, killed)
        with pytest.raises(KeyboardInterrupt):
            erase_items(timezone.now(), forget=forget)
    assert erase_items(timezone.now(), forget=forget) == 1
    assert erase_items(timezone.now(), forget=forget) == 0
    version.refresh_from_db()
    assert (version.rows, len(version.replaced), verify(version, each_row=True)) == (2, 1, [])
    batch.refresh_from_db()
    assert (batch.size, batch.remaining, batch.tasks.count()) == (3, 1, 3)


def ask(project: Project, *items: int) -> None:
    """Ask to erase these items."""
    client = member(project, Role.MANAGER, f"m-{uuid.uuid4().hex[:8]}")
    told = change(client, project, action="erase", items=items, reason="Why.")
    assert told.json()["items"] == len(items)


@pytest.mark.django_db
def test_a_batch_that_a_killed_erasure_has_emptied_is_completed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = make_open_batch(project, make_items(project, 3))
    tasks = list(batch.tasks.order_by("rank"))
    give(project, make_member(project, "annie"), tasks[:2])
    ask(project, make_items(project, 1, first=10)[0].pk, tasks[1].item_id)

    def killed(*args: Any) -> None:
        raise KeyboardInterrupt

    Batch.objects.filter(pk=batch.pk).update(remaining=0)
    tasks[2].delete()
    with monkeypatch.context() as patched:
        patched.setattr(removing, "settle_batch", killed)
        with pytest.raises(KeyboardInterrupt):
            erase_items(timezone.now(), forget=forget)
    removing.close_left_over()
    batch.refresh_from_db()
    assert batch.state == Batch.State.TRAINING


@pytest.mark.django_db
def test_one_worker_erases_at_a_time(project: Project) -> None:
    [item, _] = make_items(project, 2)
    ask(project, item.pk)
    others: list[int] = []
    assert erase_items(timezone.now(), forget=lambda *_: others.append(erase_items(timezone.now()))) == 1
    assert others == [0, 0]


@pytest.mark.django_db
def test_a_project_whose_items_must_wait_holds_up_no_other(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasing_items, "MOST", 2)
    busy, damaged = make_project("busy"), make_project("damaged", classes=["a", "b"])
    items = {each: make_items(each, 3) for each in (busy, damaged, project)}
    batch = make_open_batch(damaged, items[damaged])
    give(damaged, make_member(damaged, "annie"), list(batch.tasks.all()))
    make_dataset(damaged)
    [file] = damaged.dataset_files.all()
    path = ProjectFiles(damaged).owned(file)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    Job.objects.create(project=busy, kind=Job.Kind.SELECT, state=Job.State.RUNNING, worker="w")
    for each in items:
        ask(each, *(item.pk for item in items[each]))
    for _ in range(3):
        erase_items(timezone.now(), forget=forget)
    assert [each.items.count() for each in items] == [3, 3, 0]
    assert damaged.damaged_files.get().name == f"datasets/{path.name}"


@pytest.mark.django_db
def test_steps_that_bind_items_let_an_erasure_pass(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Step, "SLICE_SECONDS", 0)
    other, item, now = make_project("other"), make_items(project, 1)[0], timezone.now()
    jobs = [Job.objects.enqueue(kind, project=project) for kind in (Job.Kind.ENCODE, Job.Kind.TRAIN)]
    free = Job.objects.enqueue(Job.Kind.ENCODE, project=other)
    Job.objects.update(run_after=now)
    assert set(Job.objects.due(now)) == {*jobs, free}
    running = Job.objects.create(project=project, kind=Job.Kind.ENCODE, occasion="x", state="running", worker="w")
    step = Step(running, kinds=[])
    assert not step.should_give_way()
    ask(project, item.pk)
    assert set(Job.objects.due(now)) == {jobs[1], free}
    assert set(Job.objects.due(timezone.now() + ERASURE)) == {*jobs, free}
    assert step.should_give_way()
    step.give_way()
    running.refresh_from_db()
    assert running.run_after > now + datetime.timedelta(seconds=10)
    assert erase_items(now, forget=forget) == 1
    assert set(Job.objects.due(now)) == {*jobs, free}


@pytest.mark.skipif(not ON_SQLITE, reason="PostgreSQL has no such leftovers")
@pytest.mark.django_db
def test_a_database_that_cannot_be_written_anew_is_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[None] = []

    def full() -> None:
        tries.append(None)
        raise OperationalError("database or disk is full")

    monkeypatch.setattr(search, "drop_forgotten", full)
    Leftover.objects.create(urgent=True)
    leftovers, now = Leftovers(), timezone.now()
    for minutes in (0, 1, 59, 61):
        leftovers(now + datetime.timedelta(minutes=minutes))
    assert (len(tries), Leftover.objects.count()) == (2, 1)


@pytest.mark.django_db
@pytest.mark.parametrize("state", Batch.State)
def test_an_erasure_waits_for_no_batch(project: Project, state: str) -> None:
    """It waits only for a running step that may write rows about the item."""
    items = make_items(project, 3)
    batch = make_open_batch(project, items)
    Batch.objects.filter(pk=batch.pk).update(state=state, failed_in="selecting" if state == "failed" else "")
    change(manager(project), project, action="erase", items=[items[1].pk], reason="Why.")
    job = Job.objects.create(project=project, kind=Job.Kind.SELECT, state=Job.State.RUNNING, worker="w")
    assert erase_items(timezone.now(), forget=forget) == 0
    Job.objects.filter(pk=job.pk).update(kind=Job.Kind.TRAIN)
    assert erase_items(timezone.now(), forget=forget) == 1
    assert batch.tasks.count() == 2
    batch.refresh_from_db()
    if state not in ("selecting", "failed"):
        assert (batch.size, batch.remaining) == (2, 2)
