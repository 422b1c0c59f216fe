"""Test that files which stay at their source are read once, checked, and kept as copies within a limit."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event
from typing import Any

import numpy as np
import pytest
from buckets import Store, refuse
from factories import make_project
from kept import Kept, kept_in, photo, reference_of
from PIL import Image
from processes import wait_until
from receivers import receiver

from labeling.models import Item, Project, Reference
from labeling.outside import references
from labeling.outside.references import Lost, SourceAway, fetching
from labeling.outside.sources.s3 import S3
from labeling.outside.waiting import Questions
from labeling.storage import media
from labeling.storage.shared_files import FolderStore

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return make_project(kind="image")


@pytest.fixture
def kept(store: Store, project: Project) -> Kept:
    return kept_in(store, project)


def content_of(item: Item) -> bytes:
    return bytes(references.read_content(item.media, 0, {}) or b"")


def test_a_file_is_read_once_and_its_smaller_pictures_are_stored(kept: Kept) -> None:
    small, large = photo(), photo(2100, form="JPEG")
    kept.fill({"a b/ä.png": small, "large.jpg": large})
    items = kept.items(["a b/ä.png", "large.jpg"])
    assert references.bring(item.media for item in items) == {}
    assert [content_of(item) for item in items] == [small, large]
    assert kept.reads() == 2
    facts = reference_of(items[0])
    assert (facts.key, facts.size, facts.problem) == ("a b/ä.png", len(small), "")
    assert facts.sha256 == facts.shown_sha256 == hashlib.sha256(small).hexdigest()
    sizes = [media.best(item.media, size) != item.media for item in items for size in ("preview", "thumbnail")]
    assert sizes == [False, False, True, True]
    assert not media.path_of(items[0].media).exists(), "the server keeps a copy alone"


def test_a_file_that_browsers_do_not_show_is_converted_each_time(kept: Kept) -> None:
    kept.fill({"scan.png": photo(form="TIFF")})
    (item,) = kept.items(["scan.png"])
    first = content_of(item)
    facts = reference_of(item)
    assert facts.sha256 != facts.shown_sha256 == hashlib.sha256(first).hexdigest()
    fetching.remove_copies(item.media)
    assert content_of(item) == first
    with references.opened(item.media) as file:
        assert Image.open(file).format == "PNG"


def test_a_damaged_copy_is_read_again(kept: Kept) -> None:
    kept.fill({"a.png": photo()})
    (item,) = kept.items(["a.png"])
    path = references.local(item.media)
    path.write_bytes(path.read_bytes()[:-5])
    assert content_of(item) == photo()
    assert kept.reads("a.png") == 2


@pytest.mark.parametrize("read_before", [False, True])
def test_a_file_that_changed_at_its_source_is_not_shown(kept: Kept, read_before: bool) -> None:
    kept.fill({"a.png": photo()})
    (item,) = kept.items(["a.png"])
    if read_before:
        content_of(item)
        fetching.remove_copies(item.media)
    kept.fill({"a.png": photo(seed=1)})
    with pytest.raises(Lost, match="it has changed at its source since the import") as caught:
        references.local(item.media)
    assert reference_of(item).problem == caught.value.problem
    kept.fill({"a.png": photo()})
    assert content_of(item) == photo(), "the file is the one that was imported again"
    assert reference_of(item).problem == ""


def test_without_an_etag_the_content_decides(kept: Kept) -> None:
    kept.fill({"a.bmp": photo(form="BMP")})
    (item,) = kept.items(["a.bmp"])
    facts = reference_of(item)
    facts.etag, facts.size = "", None
    facts.save()
    content_of(item)
    fetching.remove_copies(item.media)
    kept.fill({"a.bmp": photo(form="BMP", seed=1)})
    with pytest.raises(Lost, match="has changed"):
        references.local(item.media)


def test_a_file_that_is_gone_damaged_or_whose_source_was_removed(kept: Kept) -> None:
    kept.fill({"gone.png": photo(), "text.png": b"no image", "c.png": photo()})
    gone, text, removed = kept.items(["gone.png", "text.png", "c.png"])
    kept.store.system.rm(f"{kept.bucket}/gone.png")
    lost = references.bring(item.media for item in (gone, text))
    assert "it is no longer at its source" in lost[gone.media].problem
    assert "it is not a PNG" in lost[text.media].problem or "is no" in lost[text.media].problem
    kept.source.delete()
    with pytest.raises(Lost, match="its source was removed"):
        references.local(removed.media)


def test_a_source_that_refuses_or_does_not_answer_loses_nothing(kept: Kept, settings: Any) -> None:
    kept.fill({"a.png": photo()})
    (item,) = kept.items(["a.png"])
    address, kept.source.address = kept.source.address, "s3://no-such-bucket"
    kept.source.save()
    with pytest.raises(SourceAway, match="The source birds cannot be read: The bucket no-such-bucket does not exist"):
        references.bring([item.media])
    assert reference_of(item).problem == ""
    kept.source.address = address
    kept.source.save()
    allowed, settings.OUTGOING_ALLOWED_NETWORKS = settings.OUTGOING_ALLOWED_NETWORKS, []
    with pytest.raises(SourceAway, match="private network"):  # no address in the operator's network is read
        references.bring([item.media])
    settings.OUTGOING_ALLOWED_NETWORKS = allowed
    assert content_of(item) == photo()


def test_files_that_a_source_refuses_do_not_hold_up_the_others(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.fill({"private.png": photo(), "public.png": photo()})
    private, public = kept.items(["private.png", "public.png"])
    refuse(monkeypatch, {"private.png"})
    lost = references.bring([private.media, public.media])
    assert list(lost) == [private.media]
    assert "its source refuses it" in lost[private.media].problem
    assert content_of(public) == photo()
    monkeypatch.undo()
    assert content_of(private) == photo()
    assert reference_of(private).problem == ""


def test_copies_stay_within_a_limit(kept: Kept, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "OPENED_WITHIN_SECONDS", -1)
    settings.REFERENCE_CACHE_MB = 1
    files = {f"{n}.bmp": photo(256, seed=n, form="BMP") for n in range(9)}  # 197 kB each
    kept.fill(files)
    items = kept.items(list(files))
    for item, content in zip(items, files.values(), strict=True):
        assert content_of(item) == content
    folder = fetching.folder_of(kept.source.project_id)
    assert 0 < sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= 1 << 20
    assert content_of(items[0]) == files["0.bmp"]
    assert kept.reads("0.bmp") == 2


@pytest.mark.long
def test_processes_share_copies_that_are_removed_meanwhile(
    kept: Kept, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads stand for processes: each has a cache of its own over one folder."""
    monkeypatch.setattr(fetching, "OPENED_WITHIN_SECONDS", 1)
    settings.REFERENCE_CACHE_MB = 1
    files = {f"{n}.bmp": photo(256, seed=n, form="BMP") for n in range(9)}  # 197 kB each
    kept.fill(files)
    kept.items(list(files))
    rows = {row.name: row for row in Reference.objects.select_related("project", "source")}
    monkeypatch.setattr(fetching, "_store_facts", lambda *rows: None)
    monkeypatch.setattr(fetching, "_cache", fetching._cache.__wrapped__)

    def local(name: str) -> Path:
        assert fetching.fetch([rows[name]]) == {}
        return fetching.path_of(name)

    monkeypatch.setattr(references, "local", local)

    def read_all(seed: int) -> None:
        for name in np.random.default_rng(seed).permutation(list(rows)):
            with references.opened(name) as file:
                assert file.read() == files[rows[name].key]

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(read_all, range(8)))


def test_each_reader_has_copies_of_their_own(kept: Kept) -> None:
    kept.fill({"a.png": photo()})
    (item,) = kept.items(["a.png"])
    paths: list[Path] = [references.local(item.media, reader=reader) for reader in (0, 7, 7, 8)]
    assert kept.reads("a.png") == 3
    assert len(set(paths)) == 3
    references.remove_content(item.media)
    assert not any(path.exists() for path in paths)


def test_a_person_does_not_wait_for_a_slow_source_and_finds_the_file_later(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.fill({f"{n}.png": photo(seed=n) for n in range(5)})
    first, *others = kept.items([f"{n}.png" for n in range(5)])
    monkeypatch.setattr(fetching, "FOR_PEOPLE", Questions(4, 3, seconds=0.05))
    going_on, read = Event(), S3.read

    def slowly(self: S3, key: str, **more: Any) -> bytes:
        going_on.wait(60)
        return read(self, key, **more)

    monkeypatch.setattr(S3, "read", slowly)
    for item in (first, *others):  # no file comes, and the fourth one is not even asked for
        with pytest.raises(SourceAway, match="not come from its source yet"):
            references.local(item.media, reader=7)
    going_on.set()
    wait_until(lambda: kept.reads() == 3)
    monkeypatch.setattr(fetching.FOR_PEOPLE, "seconds", 60)
    assert references.local(first.media, reader=7).read_bytes() == photo(seed=0)
    assert kept.reads("0.png") == 1, "the read that was begun is the one that counts"
    assert references.local(first.media, reader=8).read_bytes() == photo(seed=0)
    assert kept.reads("0.png") == 2, "another person's read is another one"
    assert references.local(others[-1].media, reader=7).read_bytes() == photo(seed=4)


def test_smaller_pictures_are_measured_side_by_side(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an object store, each of them takes a request."""
    kept.fill({"a.png": photo(), "b.png": photo()})
    kept.items(["a.png", "b.png"])
    together = Barrier(4, timeout=20)

    class Slow(FolderStore):
        def size(self, path: Path) -> int:
            together.wait()
            return 1

    monkeypatch.setattr(media, "store", Slow)
    assert references.pictures_bytes(kept.source.project.items.all()) == 4


def test_the_read_for_a_person_ends_sooner_than_that_for_a_step(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.fill({"a.png": photo()})
    (item,) = kept.items(["a.png"])
    monkeypatch.setattr(fetching, "REQUEST_SECONDS", 0.3)
    with receiver(drip=True) as server:
        kept.source.options = {"endpoint": f"http://127.0.0.1:{server.port}"}
        kept.source.save()
        with pytest.raises(SourceAway, match=r"within 0\.3 seconds"):
            references.local(item.media, reader=7)
