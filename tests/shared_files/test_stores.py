"""Test that a shared folder and an object store with copies on each host behave alike."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from s3 import s3_server

from labeling.storage.shared_files import SHARED, FolderStore, StoreAway
from labeling.storage.shared_files.objects import ObjectStore

MOST_BYTES = 1 << 30


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server() as bucket:
        yield bucket.url


class Hosts:
    """Two hosts' views of the same files."""

    def __init__(self, kind: str, folder: Path, server: str) -> None:
        self.url = {
            "file": f"file://{folder}/store",
            "memory": f"memory://{folder.name}-{time.monotonic_ns()}",
            "s3": f"{server}/{folder.name}-{time.monotonic_ns()}",
        }.get(kind, "")
        self.folders = [folder / "a", folder / ("a" if kind == "folder" else "b")]
        for each in self.folders:
            for name in SHARED:
                (each / name).mkdir(parents=True, exist_ok=True)
        self.stores: list[FolderStore] = [self._store(each) for each in self.folders]

    def _store(self, folder: Path, most_bytes: int = MOST_BYTES) -> FolderStore:
        return ObjectStore(self.url, folder, shared=SHARED, most_bytes=most_bytes) if self.url else FolderStore()

    def path(self, host: int, name: str) -> Path:
        return self.folders[host] / name

    def read(self, host: int, name: str) -> bytes:
        return self.stores[host].local(self.path(host, name)).read_bytes()

    def put(self, host: int, name: str, content: bytes) -> None:
        path = self.path(host, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.stores[host].publish(path)


@pytest.fixture(params=["folder", "file", "memory", "s3"])
def hosts(request: Any, tmp_path: Path) -> Hosts:
    server = request.getfixturevalue("server") if request.param == "s3" else ""
    return Hosts(request.param, tmp_path, server)


@pytest.fixture
def away(tmp_path: Path) -> Hosts:
    return Hosts("memory", tmp_path, "")


def test_what_one_host_publishes_another_reads_and_in_its_newest_state(hosts: Hosts) -> None:
    for content in (b"first", b"second, and longer", b"third"):
        hosts.put(0, "projects/1/joins.npy", content)
        assert hosts.read(1, "projects/1/joins.npy") == content
    hosts.put(1, "projects/1/joins.npy", b"of the other")
    assert hosts.read(0, "projects/1/joins.npy") == b"of the other"
    assert hosts.stores[0].size(hosts.path(0, "projects/1/joins.npy")) == 12
    assert hosts.stores[0].size_below(hosts.path(0, "projects/1")) == 12


def test_a_stamp_tells_that_a_file_was_replaced(hosts: Hosts) -> None:
    name = "projects/1/baseline.npz"
    paths = [hosts.path(1, name), hosts.path(1, "projects/1/sample.npz")]
    assert hosts.stores[1].stamps(paths) == [None, None]
    hosts.put(0, name, b"one")
    one = hosts.stores[1].stamps(paths)
    assert one == hosts.stores[1].stamps(paths)
    assert one[0] is not None
    assert one[1] is None
    hosts.put(0, name, b"other")
    assert hosts.stores[1].stamps(paths)[0] not in (None, one[0])


def test_what_is_not_there_is_a_file_not_found(hosts: Hosts) -> None:
    for host, store in enumerate(hosts.stores):
        for name in ("projects/1/pool/v1/best.npy", "media/1/images/ab/abc.png", "uploads/x.csv"):
            path = hosts.path(host, name)
            assert not store.exists(path)
            with pytest.raises(FileNotFoundError):
                store.local(path).read_bytes()
            with pytest.raises(FileNotFoundError):
                store.size(path)
            store.remove(path)


@pytest.mark.long
def test_many_files_that_stay_are_written_and_brought_side_by_side(hosts: Hosts) -> None:
    names = [f"media/1/images/{n:02x}/{n}.png" for n in range(40)]
    for n, name in enumerate(names):
        hosts.stores[0].write(hosts.path(0, name), bytes([n]) * 10, drafts=hosts.path(0, "media/1/drafts"))
    hosts.stores[0].write(hosts.path(0, names[0]), b"another", drafts=hosts.path(0, "media/1/drafts"))
    hosts.stores[0].settle()
    hosts.stores[1].bring([hosts.path(1, name) for name in [*names, "media/1/images/ff/none.png"]])
    assert [hosts.path(1, name).read_bytes() for name in names] == [bytes([n]) * 10 for n in range(40)]


def test_a_second_name_stays_when_the_first_is_removed(hosts: Hosts) -> None:
    old, new = "media/1/images/ab/x.png", "media/2/images/ab/x.png"
    hosts.put(0, old, b"picture")
    for _ in range(2):  # one that is there stays
        hosts.stores[1].link(hosts.path(1, old), hosts.path(1, new))
    hosts.stores[1].remove(hosts.path(1, old))
    assert hosts.read(0, new) == b"picture"
    assert not hosts.stores[1].exists(hosts.path(1, old))
    with pytest.raises(FileNotFoundError):
        hosts.stores[1].link(hosts.path(1, "media/1/images/ab/none.png"), hosts.path(1, "media/2/images/ab/none.png"))


def test_all_below_a_folder_goes_and_nothing_beside_it(hosts: Hosts) -> None:
    for name in ("projects/1/a.npy", "projects/1/pool/v1/b.npy", "projects/11/a.npy"):
        hosts.put(0, name, b"content")
    hosts.stores[1].append(hosts.path(1, "projects/1/features-1.bin"), rows_before=0, block=np.ones((3, 2)))
    for _ in hosts.stores[1].remove_below(hosts.path(1, "projects/1")):
        pass
    for name in ("projects/1/a.npy", "projects/1/pool/v1/b.npy"):
        with pytest.raises(FileNotFoundError):
            hosts.read(1, name)
    assert hosts.read(1, "projects/11/a.npy") == b"content"
    for _ in hosts.stores[1].remove_below(hosts.path(1, "projects/1")):
        pass


def test_uploads_are_listed_and_named_alike_on_every_host(hosts: Hosts) -> None:
    assert hosts.stores[1].entries(hosts.path(1, "uploads")) == []
    hosts.put(0, "uploads/abc.csv", b"id,text")
    [entry] = hosts.stores[1].entries(hosts.path(1, "uploads"))
    assert entry.path == hosts.path(1, "uploads/abc.csv")
    assert abs(entry.written_at - time.time()) < 300
    recorded = hosts.stores[0].recorded(hosts.path(0, "uploads/abc.csv"))
    assert hosts.stores[1].local(hosts.stores[1].path_of(recorded)).read_bytes() == b"id,text"
    hosts.stores[1].remove(entry.path)
    assert hosts.stores[1].entries(hosts.path(1, "uploads")) == []


def test_rows_of_any_part_are_what_was_appended(hosts: Hosts) -> None:
    rng = np.random.default_rng(0)
    rows, name = np.empty((0, 3), np.float32), "projects/1/features-1.bin"
    for n in [1, 2, 1, 5, 1, 1, 7, 40, 3]:
        block = rng.normal(size=(n, 3)).astype(np.float32)
        hosts.stores[n % 2].append(hosts.path(n % 2, name), rows_before=len(rows), block=block)
        rows = np.concatenate([rows, block])
        for host, (start, stop) in enumerate([(len(rows) // 2, len(rows)), (0, (len(rows) + 1) // 2)]):
            path = hosts.path(host, name)
            hosts.stores[host].bring_rows(path, row_bytes=12, start=start, stop=stop)
            kept = np.memmap(path, np.float32, "r", shape=(stop, 3))
            assert np.array_equal(kept[start:stop], rows[start:stop])


# ── copies ──


def test_a_copy_without_its_note_is_not_believed(away: Hosts) -> None:
    """A kill between writing a file and publishing it leaves a copy without a note."""
    name = "projects/1/joins.npy"
    away.path(1, name).parent.mkdir(parents=True)
    away.path(1, name).write_bytes(b"of an attempt that was killed")
    with pytest.raises(FileNotFoundError):
        away.read(1, name)
    away.put(0, name, b"what counts")
    assert away.read(1, name) == b"what counts"


def test_files_that_no_other_host_needs_are_left_alone(away: Hosts, tmp_path: Path) -> None:
    for path in (tmp_path / "elsewhere.csv", away.path(0, "secret_key")):
        path.write_bytes(b"mine")
        away.stores[0].publish(path)
        assert away.stores[0].local(path) == path
        assert away.stores[0].recorded(path) == str(path)
    assert [Path(name).name for name in fsspec.filesystem("memory").find(away.url)] == ["marginalia"]


def test_copies_that_were_not_asked_for_lately_make_room(away: Hosts) -> None:
    names = [f"media/1/images/ab/{n}.png" for n in range(20)]
    for name in names:
        away.put(0, name, b"x" * 100_000)
    tight = away._store(away.folders[1], 1_000_000)
    unfinished = away.path(1, "projects/1/training.safetensors")
    unfinished.parent.mkdir(parents=True)
    unfinished.write_bytes(b"x" * 500_000)
    for age, name in enumerate(names):
        tight.local(away.path(1, name))
        long_ago = time.time() - 10_000 + age
        os.utime(away.path(1, name), (long_ago, long_ago))
    tight.local(away.path(1, names[3]))  # used again
    there = [name for name in names if away.path(1, name).exists()]
    assert names[3] in there
    assert len(there) < 11
    assert there[-1] == names[-1]
    assert unfinished.exists(), "no copy: it lies nowhere else"
    assert away.read(1, names[0]) == b"x" * 100_000


def test_what_was_asked_for_just_now_stays_and_rows_are_brought_again_when_their_file_was_removed(
    away: Hosts,
) -> None:
    tight = away._store(away.folders[1], 1000)
    names = [f"media/1/images/ab/{n}.png" for n in range(5)]
    for name in names:
        away.put(0, name, b"x" * 100_000)
        tight.local(away.path(1, name))
    assert all(away.path(1, name).exists() for name in names), "even if there is too much"
    name = "projects/1/features-1.bin"
    block = np.arange(20, dtype=np.float64).reshape(10, 2)
    away.stores[0].append(away.path(0, name), rows_before=0, block=block)
    path = away.path(1, name)
    away.stores[1].bring_rows(path, row_bytes=16, start=0, stop=10)
    path.unlink()  # its note stays: it speaks of a file that is gone
    away.stores[1].bring_rows(path, row_bytes=16, start=5, stop=10)
    kept = np.memmap(path, np.float64, "r", shape=(10, 2))
    assert np.array_equal(kept[5:], block[5:])


def test_a_store_that_fails_is_away_and_says_where(away: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ConnectionResetError("connection reset by peer")

    store = away.stores[0]
    away.put(0, "projects/1/joins.npy", b"x")
    for method in ("put_file", "get_file", "info", "ls", "pipe_file", "ukey", "exists"):
        monkeypatch.setattr(type(store._store), method, fail)
    path = away.path(0, "projects/1/joins.npy")
    for work in (
        lambda: store.publish(path),
        lambda: store.local(path),
        lambda: store.exists(path),
        lambda: store.entries(away.path(0, "uploads")),
        lambda: store.append(path, rows_before=0, block=np.ones((1, 1))),
    ):
        with pytest.raises(StoreAway, match=r"memory://.*connection reset by peer"):
            work()
    store.write(away.path(0, "media/1/images/ab/z.png"), b"z", drafts=away.path(0, "media/1/drafts"))
    with pytest.raises(StoreAway):
        store.settle()
    assert not away.path(0, "media/1/images/ab/z.png").exists(), "a copy says that the store has it"
    store.settle()


def test_a_host_that_lost_its_disk_finds_everything(hosts: Hosts) -> None:
    if not hosts.url:
        return
    hosts.put(0, "projects/1/joins.npy", b"joins")
    hosts.put(0, "media/1/images/ab/x.png", b"picture")
    shutil.rmtree(hosts.folders[0])
    assert (hosts.read(0, "projects/1/joins.npy"), hosts.read(0, "media/1/images/ab/x.png")) == (b"joins", b"picture")


def test_a_bucket_that_is_not_there_is_no_store_of_missing_files(server: str, tmp_path: Path) -> None:
    with pytest.raises(StoreAway, match="s3://elsewhere/marginalia: the bucket does not exist"):
        ObjectStore("s3://elsewhere/marginalia", tmp_path, shared=SHARED, most_bytes=MOST_BYTES)
