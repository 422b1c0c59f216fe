"""Test that a chunk ends at its limits of records, bytes and time, and that no record is lost between chunks."""

from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from factories import make_project
from import_files import picture, rules

from labeling import kinds
from labeling.intake import checking
from labeling.intake.readers import Record, Source, UnreadableFile, open_source
from labeling.intake.run import ChunkSize, hash_of, import_items, repeated_in
from labeling.intake.uploads import register
from labeling.kinds.text import Text
from labeling.loop.step import Step
from labeling.models import ItemImport, Job


class Fake(Source):
    """A source of records of this size, with damage after them on request."""

    def __init__(self, sizes: list[int], *, damaged: bool = False) -> None:
        self._sizes = sizes
        self._damaged = damaged

    def _records(self, skip: int) -> Iterator[Record]:
        for number, size in enumerate(self._sizes[skip:], start=skip + 1):
            yield Record(f"row {number}", {"text": "x"}, default_id=str(number), size=size)
        if self._damaged:
            raise UnreadableFile("damaged")


def lengths(source: Source) -> list[int]:
    return [len(places) for places, _, _ in checking.chunks(source, rules("text"))]


def test_many_small_ones_go_together_and_large_or_slow_ones_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lengths(Fake([100] * 1200)) == [500, 500, 200]
    assert lengths(Fake([1 << 20] * 20)) == [8, 8, 4]
    assert lengths(Fake([])) == []
    seen: list[int] = []
    with pytest.raises(UnreadableFile):
        seen.extend(len(places) for places, _, _ in checking.chunks(Fake([1] * 7, damaged=True), rules("text")))
    assert seen == [7]  # what was read before the damage counts
    monkeypatch.setattr(checking, "CHUNK_SECONDS", 0.0)
    assert lengths(Fake([1] * 3)) == [1, 1, 1]


def test_images_count_by_their_bytes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    content = picture(size=(64, 64))
    monkeypatch.setattr(checking, "CHUNK_BYTES", 3 * len(content))
    for number in range(7):
        (tmp_path / f"{number}.png").write_bytes(content)
    with open_source(tmp_path, kind="image") as source:
        assert [len(places) for places, _, _ in checking.chunks(source, rules("image"))] == [3, 3, 1]


def test_repeated_ids_are_found_among_any_number() -> None:
    ids = array("Q")
    assert repeated_in(ids) == frozenset()
    for start in range(0, 3000, 500):
        ids.extend(hash_of(str(number)) for number in range(start, start + 501))
    assert repeated_in(ids) == {hash_of(str(number)) for number in range(500, 3000, 500)}


@pytest.mark.django_db
def test_a_strict_import_tells_of_ids_that_occur_again_chunks_later(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(Text, "chunk", 2)
    path = tmp_path / "a.csv"
    path.write_text("id,text\n" + "".join(f"{number % 7},x\n" for number in range(9)))
    project = make_project()
    job = register(project=project, user=None, path=path, name="a.csv", strict=True, taken_by="here:1:a")
    import_items(Step(job))
    given = ItemImport.objects.get()
    assert given.reason == "Nothing was imported: 2 bad rows, the first at line 9: This id occurs twice in the file."
    assert list(given.rejected_rows.values_list("where", "excerpt")) == [("line 9", "0"), ("line 10", "1")]
    assert not project.items.exists()
    assert Job.objects.get().state == Job.State.DONE


def test_a_chunk_grows_as_long_as_others_hardly_wait() -> None:
    size = ChunkSize(kinds.get("text"))
    sizes = [size.records()]
    for seconds in [0.01] * 4 + [0.07] + [0.2] * 4:
        size.adapt(seconds)
        sizes.append(size.records())
    assert sizes == [1000, 2000, 4000, 8000, 8000, 8000, 4000, 2000, 1000, 1000]
    images = ChunkSize(kinds.get("image"))
    images.adapt(0.01)
    assert images.records() == 100
