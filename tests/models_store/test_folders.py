"""Test that versions on the disk or in a store of fsspec exist as a whole or not at all."""

import contextlib
import uuid
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from models_store import artifact
from models_store.artifact import ArtifactError
from models_store.folders import FolderError, StoreAway, folder_at
from tests.extent import some

FILES = {"a.bin": b"weights" * 1000, "b.md": b"card", "seal.json": b"{}"}


class Breaking(MemoryFileSystem):
    """A store that fails at the `last` write, each time in another way."""

    protocol = "breaking"
    cachable = False
    last = 0
    calls = 0

    def pipe_file(self, path: str, value: bytes, **kwargs: Any) -> None:
        Breaking.calls += 1
        if Breaking.calls == Breaking.last:
            raise ConnectionAbortedError("the store hung up")
        super().pipe_file(path, value, **kwargs)


fsspec.register_implementation("breaking", Breaking, clobber=True)


@pytest.fixture(params=some(["disk", "memory", "file", "local"], 2))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    name = uuid.uuid4().hex
    return {
        "disk": tmp_path / name,
        "file": f"file://{tmp_path}/{name}",
        "memory": f"memory://bucket/{name}",
        "local": f"local://{tmp_path}/{name}",
    }[request.param]


def test_what_was_written_is_read_and_replaced_as_a_whole(place: Any) -> None:
    folder = folder_at(place)
    with pytest.raises(FolderError, match=r"seal.json: cannot be read \(.+\)"):
        folder.read("seal.json", most=10)
    for files in (FILES, {**FILES, "a.bin": b"other"}, FILES):
        folder.replace(files, seal="seal.json")
        assert {name: folder.read(name, most=10_000) for name in files} == files
    # Of a longer file, one byte more than wanted is read.
    assert folder_at(str(folder)).read("a.bin", most=10) == FILES["a.bin"][:11]
    assert folder.read("a.bin", most=10**18) == FILES["a.bin"]
    for name in ("../x", "/etc/passwd", "a/b", "", "."):
        with pytest.raises(FolderError, match="is no name for a file in it"):
            folder.open(name)


def test_a_model_is_stored_anywhere_and_verified(place: Any, trained_one: Any) -> None:
    digest = artifact.save(place, trained_one, manifest={"version": 1})
    assert artifact.load(place, digest=digest).manifest["version"] == 1
    folder = folder_at(place)
    changed = {name: folder.read(name, most=1 << 30) for name in ("model.safetensors", "README.md", "manifest.json")}
    changed["model.safetensors"] = changed["model.safetensors"][:-1] + b"\x01"
    folder.replace(changed, seal="manifest.json")
    with pytest.raises(ArtifactError, match=r"model.safetensors: truncated or changed"):
        artifact.load(place, digest=digest)


@pytest.mark.parametrize("last", [1, 2, 3])
@pytest.mark.parametrize("there_before", [False, True])
def test_a_store_that_breaks_off_leaves_no_version(last: int, there_before: bool) -> None:
    """The seal is removed first and written last, so that it never exists beside files of another attempt."""
    folder = folder_at(f"breaking://{uuid.uuid4().hex}/v1")
    Breaking.last = 0
    if there_before:
        folder.replace(FILES, seal="seal.json")
    Breaking.calls, Breaking.last = 0, last
    with pytest.raises(StoreAway, match=r"cannot be written \(the store hung up\)"):
        folder.replace({**FILES, "a.bin": b"new"}, seal="seal.json")
    with pytest.raises(FolderError, match="cannot be read"):
        folder.read("seal.json", most=10)
    Breaking.last = 0
    folder.replace({**FILES, "a.bin": b"new"}, seal="seal.json")
    assert folder.read("a.bin", most=10) == b"new"


def test_the_order_of_the_files_does_not_matter_to_the_seal() -> None:
    folder = folder_at(f"breaking://{uuid.uuid4().hex}/v1")
    Breaking.calls, Breaking.last = 0, 3
    with contextlib.suppress(StoreAway):
        folder.replace(dict(reversed(FILES.items())), seal="seal.json")
    assert folder.read("a.bin", most=10_000) == FILES["a.bin"]
    with pytest.raises(FolderError):
        folder.read("seal.json", most=10)


def test_a_url_that_nobody_serves_is_told() -> None:
    with pytest.raises(FolderError, match=r"nowhere://x: cannot be reached \(.*nowhere.*\)"):
        folder_at("nowhere://x")


def test_a_disk_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderError, match=r"file/v1: cannot be written \((File exists|Not a directory)\)"):
        folder_at(tmp_path / "file" / "v1").replace(FILES, seal="seal.json")
