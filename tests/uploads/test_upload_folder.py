"""Test that the folder of uploads has no partial files after errors, and that leftover files are removed."""

import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.http import UnreadablePostError
from factories import make_member, make_project

from labeling.intake import uploads
from labeling.models import Item, ItemImport, Job, Role
from labeling.storage import media

pytestmark = pytest.mark.django_db
ROWS = b"id,text\n1,one\n2,two\n"


def receive(name: str = "a.csv", content: bytes = ROWS, kind: str = "text", **fields: Any) -> ItemImport:
    project = make_project(kind=kind)
    mona = make_member(project, "mona", Role.MANAGER)
    values = {"chunks": [content], "strict": False, **fields}
    return uploads.receive(project=project, user=mona, name=name, **values)


def left() -> list[Path]:
    return list(uploads.folder().iterdir())


def test_a_length_that_is_too_large_is_refused_before_a_byte_is_read(settings: Any) -> None:
    settings.MAX_UPLOAD_MB = 1

    def chunks() -> Iterator[bytes]:
        pytest.fail("The body was read.")
        yield b""

    with pytest.raises(ValidationError, match="larger than 1 MB"):
        receive(chunks=chunks(), length=(1 << 20) + 1)
    assert left() == []


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (UnreadablePostError("gone"), "interrupted"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk is full"),
        (OSError(errno.EIO, "Input/output error"), "cannot store"),
        (None, "interrupted"),  # a body that is shorter than it said
    ],
)
def test_what_breaks_on_the_way_in_gives_one_line_and_leaves_nothing(error: OSError | None, says: str) -> None:
    def chunks() -> Iterator[bytes]:
        yield ROWS
        if error:
            raise error

    with pytest.raises(ValidationError, match=says):
        receive(chunks=chunks(), length=len(ROWS) + 1)
    assert left() == []
    assert not ItemImport.objects.exists()


def test_when_the_disk_is_full_the_import_fails_and_a_retry_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes, **_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(media, "replace_file", full)
        given = receive("a.jsonl", b'{"vector": [1, 2]}\n{"vector": [3, 4]}\n', kind="vector")
    assert given.state == ItemImport.State.FAILED
    assert "disk is full" in given.reason
    assert not Item.objects.exists()
    assert len(left()) == 1, "kept for the retry"
    uploads.retry(item_import=given)
    job = Job.objects.get(kind=Job.Kind.IMPORT)
    assert (job.state, job.item_import.state) == ("waiting", "waiting")
    with pytest.raises(ValidationError, match="has already been retried"):
        uploads.retry(item_import=given)


def test_a_retry_without_its_file_says_what_to_do() -> None:
    given = receive()
    with pytest.raises(ValidationError, match="import it again"):
        uploads.retry(item_import=given)


def test_orphans_are_swept_and_what_is_needed_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "AT_ONCE_BYTES", 0)
    waiting = Path(receive().path)
    day, month = time.time() - 86_400, time.time() - 30 * 86_400
    ages = {"orphan.zip": day, "arriving.zip": time.time(), "failed.zip": day, "given-up.zip": month}
    for name, age in ages.items():
        (uploads.folder() / name).write_bytes(b"x")
        os.utime(uploads.folder() / name, (age, age))
    os.utime(waiting, (month, month))
    project = make_project("other")
    for name in ("failed.zip", "given-up.zip"):
        uploads.register(project=project, user=None, path=uploads.folder() / name, name=name, strict=False)
    project.imports.update(state=ItemImport.State.FAILED)
    uploads.sweep()
    assert {path.name for path in left()} == {waiting.name, "arriving.zip", "failed.zip"}


def test_an_import_that_takes_long_is_left_to_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "AT_ONCE_SECONDS", 0.0)
    given = receive()
    job = Job.objects.get(kind=Job.Kind.IMPORT)
    assert (job.state, given.position, Item.objects.count()) == ("waiting", 2, 2)
    assert given.state == ItemImport.State.RUNNING


def test_names_are_kept_plain() -> None:
    for name, shown in {
        "C:\\photos\\a.zip": "a.zip",
        "../../etc/a.zip": "a.zip",
        "a\x00\u202eb.zip": "ab.zip",
        "": "upload",
        "x" * 300 + ".zip": "x" * 196 + ".zip",
        "日本語.zip": "日本語.zip",
    }.items():
        assert uploads.sanitize_filename(name) == shown
