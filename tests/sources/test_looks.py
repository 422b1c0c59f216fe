"""Looks at sources: what is new comes in once, at the cost of what is new, also after kills and problems."""

import datetime
import io
import itertools
import os
import tarfile
from threading import Barrier
from typing import Any

import pytest
from buckets import Store, make_source, refuse, work
from django.utils import timezone
from factories import digit_png, make_project
from pages import manager, text_of
from receivers import Request, receiver

from labeling.intake import fetching, parked, rejecting, uploads
from labeling.intake.readers import Layout
from labeling.intake.watching import changing, looking
from labeling.loop import endings
from labeling.loop.step import Step
from labeling.models import ItemImport, Job, LogEntry, LogKind, Project, Source
from labeling.models.imports import AGAIN
from labeling.outside.sources import Reason, Remote, SourceProblem
from labeling.storage import media
from labeling.storage.shared_files import StoreAway
from tests.extent import ALL

pytestmark = pytest.mark.django_db

States = ItemImport.State


@pytest.fixture
def texts() -> Project:
    return make_project(kind="text")


@pytest.fixture
def images() -> Project:
    return make_project(kind="image")


def items(project: Project) -> list[str]:
    return sorted(project.items.values_list("source", flat=True))


def again(source: Source, *, full: bool = False) -> Source:
    changing.look_now(source=source, full=full)
    work()
    source.refresh_from_db()
    return source


def test_pictures_of_a_bucket_come_in_once(store: Store, images: Project) -> None:
    bucket = store.bucket()
    store.fill(
        f"{bucket}/photos",
        {"owl/2.png": digit_png(2), "1.png": digit_png(1), "notes.txt": b"no", ".hidden/3.png": digit_png(3)},
    )
    source = make_source(images, f"s3://{bucket}/photos", store.options)
    work()
    assert items(images) == ["1.png", "owl/2.png"]
    source.refresh_from_db()
    assert (source.problem, source.found, source.cursor) == ("", 2, "owl/2.png")
    assert source.looked_at is not None
    [item_import] = images.imports.all()
    assert (item_import.source, item_import.name, item_import.accepted) == (source, "bucket: 2 images", 2)
    entry = LogEntry.objects.get(kind=LogKind.ITEMS_IMPORTED)
    assert (entry.subject, f'"import":{item_import.pk}' in entry.after) == (f"source {source.pk}", True)
    # Their ids tell neither their folders nor their names.
    assert not any("png" in each or "owl" in each for each in images.items.values_list("external_id", flat=True))
    assert list(images.items.exclude(truth=None)) == []  # no class is called owl
    again(source)
    assert images.imports.count() == 1

    store.fill(f"{bucket}/photos", {"0.png": digit_png(0), "z.png": digit_png(4), "bad.png": b"no picture"})
    again(source)
    assert items(images) == ["1.png", "owl/2.png", "z.png"]  # the others sort before the last key
    again(source, full=True)
    assert items(images) == ["0.png", "1.png", "owl/2.png", "z.png"]
    assert source.full_looked_at is not None
    n = images.imports.count()
    again(source, full=True)
    assert images.imports.count() == n  # the file that is no picture is not tried again


@pytest.mark.long
def test_a_second_look_lists_only_what_is_new(store: Store, images: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    n = 10_000 if ALL else 2_000
    monkeypatch.setattr(looking, "LIST", n // 2)
    taken: list[ItemImport] = []

    def done(step: Step) -> None:
        taken.append(step.job.item_import)
        with step.finish():
            ItemImport.objects.filter(job=step.job).update(state=States.DONE)

    monkeypatch.setattr("buckets.import_items", done)
    bucket = store.bucket()
    store.fill(bucket, {f"{number:06}.png": b"x" for number in range(n)})
    source = make_source(images, f"s3://{bucket}", store.options)
    work()
    lists = f"GET /{bucket}?list-type=2"
    assert [each.total for each in taken] == [n // 2, n // 2]
    assert store.requests(lists) == n // 1000
    store.fill(bucket, {f"{n:06}.png": b"x"})
    again(source)
    assert (taken[-1].total, source.found) == (1, n + 1)
    assert store.requests(lists) == n // 1000 + 1


def test_files_with_rows(store: Store, texts: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "CHECKED_AGAIN", 1)
    bucket = store.bucket()
    store.fill(
        bucket,
        {"a/1.jsonl": b'{"id": "a", "body": "one"}\n', "a/2.csv": b"id,body\nb,two\n", "a/photo.png": b"x"},
    )
    source = make_source(texts, f"s3://{bucket}/a", store.options, layout=Layout(text_column="body"))
    work()
    assert {each.external_id: each.data["text"] for each in texts.items.all()} == {"a": "one", "b": "two"}
    assert sorted(texts.imports.values_list("name", "source_key")) == [("1.jsonl", "1.jsonl"), ("2.csv", "2.csv")]
    # Both files have changed: a quick look checks the newest files alone.
    store.fill(bucket, {"a/2.csv": b"id,body\nb,two\nc,three\n", "a/1.jsonl": b'{"id": "d", "body": "four"}\n'})
    again(source)
    assert sorted(texts.items.values_list("external_id", flat=True)) == ["a", "b", "c"]
    again(source, full=True)
    assert sorted(texts.items.values_list("external_id", flat=True)) == ["a", "b", "c", "d"]
    n = texts.imports.count()
    again(source, full=True)
    assert texts.imports.count() == n
    assert texts.items.filter(source="line 3").count() == 1  # no item came in twice


def shard(n: int) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for number in range(n):
            content = f"text {number}".encode()
            member = tarfile.TarInfo(f"{number}.txt")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


@pytest.mark.long
def test_a_half_written_shard_comes_in_when_it_is_whole(store: Store, texts: Project) -> None:
    bucket = store.bucket()
    store.fill(bucket, {"0.tar": shard(3)[:1200], "9.csv": b"text\nlast\n"})
    source = make_source(texts, f"s3://{bucket}", store.options)
    work()
    refused = texts.imports.get(name="0.tar")
    assert refused.state == States.REFUSED
    assert "cut short" in refused.reason
    assert texts.items.count() == 1
    again(source)
    assert texts.imports.count() == 2
    store.fill(bucket, {"0.tar": shard(3)})
    again(source)
    assert texts.items.count() == 4


def test_files_of_unknown_or_newer_formats(store: Store, texts: Project) -> None:
    bucket = store.bucket()
    store.fill(bucket, {"0.avro": b"Obj1", "1.parquet": b"PAR9" + b"x" * 100 + b"PAR9"})
    source = make_source(texts, f"s3://{bucket}", store.options, layout=None)
    work()
    source.refresh_from_db()
    assert source.problem.startswith("1.parquet: ")
    assert source.problem.count("\n") == 0
    store.system.rm(f"{bucket}/1.parquet")
    again(source)
    assert source.problem == (
        "There is no file with rows at this address yet: "
        "CSV, TSV, JSONL, JSON, Parquet, Arrow, .xlsx, .npy, .zip or .tar."
    )
    assert not texts.imports.exists()


def test_one_file_of_a_web_server(texts: Project) -> None:
    with receiver(status=200, body=b"id,text\n1,one\n") as server:
        url = f"http://127.0.0.1:{server.port}/data.csv?signature=abc"
        source = make_source(texts, url, {"authorization": "Bearer x"}, content="file")
        work()
        assert texts.imports.get().name == "data.csv"
        server.body = b"id,text\n1,one\n2,two\n"
        again(source)  # without an etag, the file is read again
        assert sorted(texts.items.values_list("external_id", flat=True)) == ["1", "2"]
        server.status = 404
        again(source)
        assert "does not exist" in source.problem
        assert "signature" not in source.problem


@pytest.mark.long
def test_rows_name_files_at_the_source(store: Store, images: Project) -> None:
    bucket = store.bucket()
    rows = b"image,label\n../secret.png,1\nphotos/1.png,1\nphotos/none.png,2\n"
    store.fill(bucket, {"a/rows.csv": rows, "a/photos/1.png": digit_png(1)})
    source = make_source(images, f"s3://{bucket}", store.options, content="files", layout=None)
    work()
    item_import = images.imports.get()
    first = parked.look(item_import, person=1).first
    assert [getattr(row.item, "reason", "") for row in first] == [
        "The image is named by a path outside of the source: give a path within it.",
        "",
        "The image is missing: there is no file a/photos/none.png at the source.",
    ]
    page = f"/p/digits/imports/{item_import.pk}/"
    assert manager(images).get(f"{page}?picture=1")["content-type"] == "image/png"
    Source.objects.update(address="s3://no-such-bucket")
    assert "The bucket no-such-bucket does not exist" in text_of(manager(images).get(page))
    Source.objects.update(address=source.address)
    item_import = images.imports.get()
    parked.start(item_import=item_import, layout=Layout())
    work()
    assert [each.label for each in images.items.all()] == [1]
    rows = f"image,label\nphotos/1.png,2\ns3://{bucket}/a/photos/1.png,3\n".encode()
    store.fill(bucket, {"b/rows.csv": rows, "b/photos/1.png": digit_png(2)})
    again(source)
    # Rows without an id of files with the same name are other items.
    assert sorted(each.label for each in images.items.all()) == [1, 2, 3]


def test_files_that_rows_name_are_read_side_by_side(
    store: Store, images: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = store.bucket()
    rows = b"image\n" + b"".join(b"photos/%d.png\n" % n for n in range(8))
    photos = {f"photos/{n}.png": digit_png(n) for n in range(8) if n != 5}
    store.fill(bucket, {"rows.csv": rows, **photos})
    together, read = Barrier(4, timeout=60), Remote.read

    def read_with_others(self: Remote, key: str, **more: Any) -> bytes:
        together.wait()
        return read(self, key, **more)

    monkeypatch.setattr(Remote, "read", read_with_others)
    make_source(images, f"s3://{bucket}", store.options, content="files")
    work()
    stored = {each.source: media.path_of(each.media).read_bytes() for each in images.items.all()}
    assert stored == {f"line {n + 2}": digit_png(n) for n in range(8) if n != 5}
    [row] = images.imports.get().rejected_rows.all()
    assert (row.where, row.reason) == (
        "line 7",
        "The image is missing: there is no file photos/5.png at the source.",
    )


@pytest.mark.long
def test_a_person_chooses_the_columns_once(store: Store, texts: Project) -> None:
    bucket = store.bucket()
    store.fill(bucket, {"1.csv": b"number,body\na,one\n", "2.csv": b"number,body\nb,two\n"})
    source = make_source(texts, f"s3://{bucket}", store.options, layout=None)
    work()
    first = texts.imports.get()
    assert (first.state, first.source, texts.items.count()) == (States.PARKED, source, 0)
    again(source)
    assert texts.imports.count() == 1
    parked.start(item_import=first, layout=Layout(text_column="body", id_column="number"))
    source.refresh_from_db()
    assert source.layout == {"text_column": "body", "id_column": "number"}
    changing.look_at_due(timezone.now())
    work()
    assert {each.external_id: each.data["text"] for each in texts.items.all()} == {"a": "one", "b": "two"}
    assert texts.imports.count() == 2


@pytest.mark.long
def test_credentials_that_expire_midway(store: Store, images: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = store.bucket()
    store.fill(bucket, {f"{n}.png": digit_png(n) for n in range(9)})
    read = Remote.read
    expired = True

    def until_they_expire(self: Remote, key: str, **more: Any) -> bytes:
        if key == "8.png" and expired:
            raise SourceProblem(Reason.CREDENTIALS, "The credentials have expired. Enter new ones.")
        return read(self, key, **more)

    monkeypatch.setattr(Remote, "read", until_they_expire)
    source = make_source(images, f"s3://{bucket}", store.options)
    work()
    failed = images.imports.get()
    assert (failed.state, failed.reason) == (States.FAILED, "The credentials have expired. Enter new ones.")
    [kept] = uploads.folder().iterdir()
    forgotten = kept.with_name("forgotten.part")
    forgotten.write_bytes(b"of a killed process")
    for path in (kept, forgotten):
        os.utime(path, (0, 0))
    again(source)
    assert list(uploads.folder().iterdir()) == [kept]
    expired = False
    changing.change(source=source, secrets={"key": "new", "secret": "new"})
    work()
    failed.refresh_from_db()
    assert (failed.state, images.items.count()) == (States.DONE, 9)


def test_files_that_a_bucket_refuses_are_rejected_and_the_others_come_in(
    store: Store, images: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = store.bucket()
    store.fill(bucket, {f"{n}.png": digit_png(n) for n in range(3)})
    refused = {"1.png"}
    refuse(monkeypatch, refused)
    source = make_source(images, f"s3://{bucket}", store.options)
    work()
    assert items(images) == ["0.png", "2.png"]
    [row] = images.imports.get().rejected_rows.all()
    reason = "The image is refused by its source: give the credentials the right to read it."
    assert (row.where, row.reason) == ("1.png", reason)
    refused.clear()
    assert again(source).problem == ""
    again(source, full=True)
    assert items(images) == ["0.png", "1.png", "2.png"]


@pytest.mark.long
def test_a_file_with_rows_that_a_bucket_refuses(store: Store, texts: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = store.bucket()
    store.fill(bucket, {f"{n}.csv": b"id,text\n%d,one\n" % n for n in range(3)})
    refused = {"1.csv"}
    refuse(monkeypatch, refused)
    source = make_source(texts, f"s3://{bucket}", store.options)
    work()
    assert texts.items.count() == 2
    item_import = texts.imports.get(name="1.csv")
    assert item_import.state == States.REFUSED
    assert item_import.reason.startswith("1.csv was rejected. These credentials are not allowed to read this file")
    assert again(source).problem == ""
    refused.clear()
    again(source, full=True)
    assert texts.items.count() == 3


def test_a_source_that_vanishes_midway(store: Store, images: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is gone is set aside; a store that does not answer is asked again."""
    bucket = store.bucket()
    store.fill(bucket, {f"{n}.png": digit_png(n) for n in range(5)})
    source = make_source(images, f"s3://{bucket}", store.options)
    changing.look_now(source=source)
    looked = Job.objects.get(kind=Job.Kind.SOURCE)
    Job.objects.take(looked, "test", timezone.now())
    looking.look(Step(looked))
    store.system.rm(f"{bucket}/3.png")
    read = Remote.read

    def away(self: Remote, key: str, **more: Any) -> bytes:
        raise SourceProblem(Reason.AWAY, "The store does not answer.")

    monkeypatch.setattr(Remote, "read", away)
    work()
    job = Job.objects.get(kind=Job.Kind.IMPORT)
    assert (job.state, job.reason) == (Job.State.WAITING, "The store does not answer.")
    monkeypatch.setattr(Remote, "read", read)
    Job.objects.update(run_after=timezone.now())
    work()
    assert items(images) == ["0.png", "1.png", "2.png", "4.png"]
    [row] = images.imports.get().rejected_rows.all()
    assert (row.where, row.reason) == ("3.png", "The image has vanished from the source since it was listed.")


def test_a_problem_is_stored_and_passes(store: Store, texts: Project) -> None:
    source = make_source(texts, "s3://no-such-bucket", store.options)
    work()
    source.refresh_from_db()
    assert source.problem.startswith("The bucket no-such-bucket")
    assert Job.objects.get().state == Job.State.DONE
    source.address = f"s3://{store.bucket()}"
    source.save()
    again(source)
    assert source.problem == ""


def test_after_a_look_by_hand_the_next_one_is_by_schedule_again(texts: Project) -> None:
    with receiver(status=503, body=b"id,text\n1,one\n") as server:
        source = make_source(texts, f"http://127.0.0.1:{server.port}/data.csv", {}, content="file", schedule="day")
        work()
        source.refresh_from_db()
        now, day = timezone.now(), datetime.timedelta(days=1)
        assert source.next_look_at is not None
        assert source.next_look_at <= now + AGAIN
        server.status = 200
        again(source)
        assert now + day <= source.next_look_at <= timezone.now() + day


def test_looks_begin_by_their_schedules(store: Store, texts: Project) -> None:
    source = make_source(texts, f"s3://{store.bucket()}", store.options, schedule="hour", full_schedule="off")
    work()
    now = timezone.now()
    jobs = Job.objects.filter(kind=Job.Kind.SOURCE).unfinished()
    changing.look_at_due(now)
    assert not jobs.exists()
    hour = datetime.timedelta(hours=1)
    changing.look_at_due(now + hour)
    changing.look_at_due(now + hour)
    assert jobs.count() == 1
    source.refresh_from_db()
    assert (source.next_look_at, source.next_full_at, source.in_full) == (now + 2 * hour, None, False)
    work()
    changing.change(source=source, full_schedule="day", paused=True)
    changing.look_at_due(now + 40 * hour)
    assert not jobs.exists()
    with pytest.raises(changing.SourceRefused):
        changing.look_now(source=source)
    changing.change(source=source, paused=False)
    work()
    changing.look_at_due(now + 40 * hour)
    source.refresh_from_db()
    assert (jobs.count(), source.in_full) == (1, True)


def test_a_look_gives_way_and_goes_on(store: Store, images: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = store.bucket()
    store.fill(bucket, {f"{n}.png": digit_png(n) for n in range(6)})
    monkeypatch.setattr(looking, "PART", 2)
    source = make_source(images, f"s3://{bucket}", store.options)
    job = Job.objects.get(kind=Job.Kind.SOURCE)
    for cursor in ("1.png", "3.png"):
        Job.objects.take(Job.objects.get(pk=job.pk), "test", timezone.now())
        looking.look(Step(Job.objects.get(pk=job.pk), stopping=lambda: True))
        source.refresh_from_db()
        assert source.cursor == cursor
    work()
    assert (images.items.count(), images.imports.count()) == (6, 3)


@pytest.mark.parametrize("kind", ["image", "text"])
def test_a_list_without_an_end_holds_no_worker(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(looking, "LOOK_SECONDS", 0.0)
    numbers = itertools.count()

    def page(_: Request) -> bytes:
        n = next(numbers)
        more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{n}</NextContinuationToken>"
        return f"<L><Contents><Key>{n:06}.txt</Key><Size>1</Size></Contents>{more}</L>".encode()

    with receiver(status=200, answering=page) as server:
        options = {"endpoint": f"http://127.0.0.1:{server.port}"}
        source = make_source(make_project(kind=kind), "s3://bucket", options)
        for cursor in ("000000.txt", "000001.txt"):
            job = Job.objects.waiting().get(kind=Job.Kind.SOURCE)
            Job.objects.take(job, "test", timezone.now())
            looking.look(Step(job))
            source.refresh_from_db()
            assert (source.cursor, source.problem) == (cursor, "")
        Source.objects.update(layout=None, content=Source.Content.FILES)  # the first file with rows is looked for
        job = Job.objects.waiting().get(kind=Job.Kind.SOURCE)
        Job.objects.take(job, "test", timezone.now())
        looking.look(Step(job))
    source.refresh_from_db()
    assert source.problem.startswith("There is no file with rows at this address yet")
    assert next(numbers) < 10


@pytest.mark.long
def test_a_full_look_waits_for_imports(store: Store, images: Project) -> None:
    bucket = store.bucket()
    store.fill(bucket, {f"{n}.png": digit_png(n) for n in range(3)})
    source = make_source(images, f"s3://{bucket}", store.options)
    looks = Job.objects.waiting().filter(kind=Job.Kind.SOURCE)
    first = looks.get()
    Job.objects.take(first, "test", timezone.now())
    looking.look(Step(first))
    changing.look_now(source=source, full=True)
    full = looks.get()
    Job.objects.take(full, "test", timezone.now())
    with pytest.raises(StoreAway, match="imports of the last look are not done"):
        looking.look(Step(full))
    endings.put_off(full, "")
    work()
    Job.objects.update(run_after=timezone.now())
    work()
    source.refresh_from_db()
    assert (images.items.count(), images.imports.count(), source.found) == (3, 1, 3)
    assert source.full_looked_at is not None


@pytest.mark.long
def test_files_that_were_rejected_are_not_read_again(
    store: Store, images: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejecting, "KEPT", 1)
    bucket = store.bucket()
    store.fill(bucket, {f"{n}.png": b"no picture" for n in range(3)} | {"9.png": digit_png(9)})
    source = make_source(images, f"s3://{bucket}", store.options)
    work()
    again(source, full=True)
    assert [(each.accepted, each.rejected) for each in images.imports.all()] == [(1, 3)]


def test_removing_a_source_keeps_its_items(store: Store, texts: Project) -> None:
    bucket = store.bucket()
    store.fill(bucket, {"1.csv": b"text\none\n"})
    source = make_source(texts, f"s3://{bucket}", store.options)
    work()
    store.fill(bucket, {"2.csv": b"text\ntwo\n"})
    changing.look_now(source=source)
    job = Job.objects.filter(kind=Job.Kind.SOURCE).unfinished().get()
    Job.objects.take(job, "test", timezone.now())
    looking.look(Step(job))
    changing.remove_source(source=source)
    work()
    assert (texts.items.count(), texts.imports.count(), Source.objects.count()) == (1, 1, 0)
    assert fetching.fetch(texts.imports.get()) is None


def test_a_file_that_is_too_large(store: Store, texts: Project, settings: Any) -> None:
    bucket = store.bucket()
    store.fill(bucket, {"1.csv": b"text\n" + b"one two three\n" * 100_000})
    settings.MAX_UPLOAD_MB = 1
    make_source(texts, f"s3://{bucket}", store.options)
    work()
    assert "larger than 1 MB" in texts.imports.get().reason
