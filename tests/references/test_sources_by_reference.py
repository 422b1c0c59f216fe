"""Test that a look at a source whose files stay there makes items without reading a file."""

import base64
import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from buckets import Store, make_source, work
from django.core.exceptions import ValidationError
from django.utils import timezone
from factories import make_member, make_project
from kept import photo
from pages import manager, text_of

from labeling.intake import parked
from labeling.intake.readers import Layout
from labeling.intake.watching import changing
from labeling.models import Job, Project, Reference, RejectedRow, Role, Source
from labeling.outside import references
from labeling.outside.references import fetching
from labeling.outside.sources import Entry
from labeling.outside.sources.s3 import S3
from labeling.queue import removing

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def project() -> Project:
    return make_project(kind="image")


def test_items_come_in_unread(store: Store, project: Project) -> None:
    bucket = store.bucket()
    long = f"{'long/' * 60}a.png"
    files = {"cats/a.png": photo(), "cats/b.JPEG": photo(form="JPEG"), "c.tif": photo(form="TIFF"), "hash": photo()}
    store.fill(f"{bucket}/photos", {**files, long: photo(), "empty.png": b"", "notes.txt": b"no"})
    make_source(project, f"s3://{bucket}/photos/", store.options, by_reference=True)
    work()
    assert store.requests(f"GET /{bucket}/") == 0
    facts = {each.key: each for each in Reference.objects.all()}
    assert sorted(facts) == ["c.tif", "cats/a.png", "cats/b.JPEG"]
    assert (facts["cats/a.png"].size, bool(facts["cats/a.png"].etag)) == (len(photo()), True)
    items = {item.source: item for item in project.items.all()}
    assert sorted(items) == [f"s3://{bucket}/photos/{key}" for key in sorted(facts)]
    assert not any("cats" in item.external_id or item.data for item in items.values())
    reasons = dict(RejectedRow.objects.values_list("where", "reason"))
    assert reasons["hash"] == "The image has no ending such as .png: rename it, or copy the files of the source."
    assert "300 characters" in reasons[long[:300]]
    assert reasons["empty.png"] == "The image is empty."
    assert project.jobs.filter(kind=Job.Kind.ENCODE).exists()
    assert references.bring(item.media for item in items.values()) == {}
    suffixes = sorted(item.media.rpartition(".")[2] for item in items.values())
    assert suffixes == ["jpg", "png", "png"]
    with pytest.raises(ValidationError, match="The items of this project are texts"):
        make_source(make_project("texts"), f"s3://{bucket}", store.options, by_reference=True)


def test_a_full_look_notices_changed_files(store: Store, project: Project) -> None:
    bucket = store.bucket()
    store.fill(bucket, {"a.png": photo(seed=1), "b.png": photo(seed=2)})
    source = make_source(project, f"s3://{bucket}", store.options, by_reference=True)
    work()
    for seed, problems in ((3, {"a.png": "it has changed at its source"}), (1, {})):
        store.fill(bucket, {"a.png": photo(seed=seed)})
        changing.look_now(source=source, full=True)
        work()
        lost = {key: reason for _, key, reason in references.lost_at(source, 10)}
        assert {key: reason[:28] for key, reason in lost.items()} == problems
    assert store.requests(f"GET /{bucket}/") == 0
    assert project.items.count() == 2


@pytest.mark.long
def test_a_full_look_reads_lost_files_again(store: Store, project: Project) -> None:
    bucket = store.bucket()
    store.fill(bucket, {"a.png": photo()})
    source = make_source(project, f"s3://{bucket}", store.options, by_reference=True)
    work()
    item = project.items.get()
    store.system.rm(f"{bucket}/a.png")
    assert references.bring([item.media])
    shown = text_of(manager(project).get(f"/p/digits/sources/{source.pk}/"))
    assert "Files that could not be read a.png : it is no longer at its source" in shown
    project.items.update(encode_error="Its file cannot be read.")
    Job.objects.filter(kind=Job.Kind.ENCODE).delete()
    changing.look_now(source=source, full=True)
    work()
    item.refresh_from_db()
    assert item.encode_error == ""
    assert project.jobs.filter(kind=Job.Kind.ENCODE).exists()


def test_a_source_stays_while_files_of_items_are_there(store: Store, project: Project) -> None:
    bucket = store.bucket()
    store.fill(bucket, {"a.png": photo()})
    source = make_source(project, f"s3://{bucket}", store.options, by_reference=True)
    work()
    with pytest.raises(changing.SourceRefused, match="1 item has its file at this source"):
        changing.remove_source(source=source)
    ids = list(project.items.values_list("pk", flat=True))
    removing.remove_items(project=project, ids=ids, user=make_member(project, "mona", Role.MANAGER), delete=True)
    with pytest.raises(changing.SourceRefused, match="deleted ones that can be restored included"):
        changing.remove_source(source=source)
    changing.remove_source(source=source, lose_files=True)
    assert not Source.objects.exists()
    assert Reference.objects.get().source is None


@pytest.mark.long
def test_an_import_says_that_gold_items_stand_out(store: Store, project: Project) -> None:
    bucket, sure = store.bucket(), store.bucket()
    store.fill(bucket, {"a.png": photo()})
    picture = f"data:image/png;base64,{base64.b64encode(photo(seed=1)).decode()}"
    plain, gold = ({"id": name, "image": picture, "gold": name} for name in ("", "3"))
    del plain["gold"]
    store.fill(sure, {"1.jsonl": json.dumps(plain).encode()})
    make_source(project, f"s3://{bucket}", store.options, by_reference=True)
    make_source(project, f"s3://{sure}", store.options, content="files")
    work()
    store.fill(sure, {"2.jsonl": json.dumps(gold).encode()})
    changing.look_now(source=project.sources.latest("pk"))
    work()
    reasons = {each.name: each.reason for each in project.imports.filter(source_key__gt="")}
    assert project.items.filter(gold=3).count() == 1
    assert reasons["1.jsonl"] == ""
    assert reasons["2.jsonl"].startswith("Annotators can tell gold items whose files are here")


def test_rows_of_a_bucket_name_files(store: Store, project: Project) -> None:
    bucket = store.bucket()
    rows = [
        {"id": "1", "image": "../a.png"},
        {"id": "2", "image": "images/a.png"},
        {"id": "3", "image": f"s3://{bucket}/b.png"},
        {"id": "4", "image": "s3://another/a.png"},
    ]
    lines = "\n".join(json.dumps(row) for row in rows)
    store.fill(bucket, {"rows/1.jsonl": lines.encode(), "rows/images/a.png": photo(), "b.png": photo(seed=1)})
    make_source(
        project, f"s3://{bucket}", store.options, by_reference=True, content=Source.Content.FILES, layout=Layout()
    )
    work()
    addresses = dict(project.items.values_list("external_id", "source"))
    assert addresses == {"2": f"s3://{bucket}/rows/images/a.png", "3": f"s3://{bucket}/b.png"}
    reasons = list(RejectedRow.objects.order_by("pk").values_list("reason", flat=True))
    assert reasons == [
        "The image is named by a path outside of the source: give a path within it.",
        f"The image is not at this source: name a file below s3://{bucket}/.",
    ]
    assert references.bring(project.items.values_list("media", flat=True)) == {}


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """Return the address of a web server with the files of a folder."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_rows_of_a_web_server_name_files(web: str, project: Project, tmp_path: Path) -> None:
    (tmp_path / "set" / "my images").mkdir(parents=True)
    for number in (1, 2):
        (tmp_path / "set" / "my images" / f"{number}.png").write_bytes(photo(seed=number))
    table = f"id,image\na,my images/1.png\nb,{web}/set/my%20images/2.png\nc,{web}/other/3.png\n"
    (tmp_path / "set" / "rows.csv").write_text(table)
    make_source(project, f"{web}/set/rows.csv", {}, by_reference=True, content=Source.Content.FILE, layout=None)
    work()
    item_import = project.imports.get()
    assert item_import.state == item_import.State.PARKED
    mona = manager(project)
    page = f"/p/digits/imports/{item_import.pk}/"
    assert text_of(mona.get(page)).count("is not at this source") == 1
    assert mona.get(f"{page}?picture=0").status_code == 200
    parked.start(item_import=item_import, layout=Layout.read(item_import.layout))
    work()
    items = list(project.items.order_by("external_id"))
    assert [item.source for item in items] == [f"{web}/set/my images/{number}.png" for number in (1, 2)]
    assert [bytes(references.read_content(item.media, 0, {}) or b"") for item in items] == [
        photo(seed=1),
        photo(seed=2),
    ]
    (tmp_path / "set" / "my images" / "1.png").write_bytes(photo(seed=3))
    fetching.remove_copies(items[0].media)
    with pytest.raises(references.Lost, match="it has changed at its source"):
        references.local(items[0].media)


@pytest.mark.long
def test_ten_thousand_files(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [Entry(f"{n:05}.png", 1000, timezone.now(), f'"{n}"') for n in range(10_000)]
    monkeypatch.setattr(S3, "entries", lambda self, after="": iter(each for each in entries if each.key > after))
    monkeypatch.delattr(S3, "_answer")  # no request
    make_source(project, "s3://bucket", {}, by_reference=True)
    work()
    assert Reference.objects.count() == project.items.count() == 10_000
    assert project.imports.get().rejected == 0
