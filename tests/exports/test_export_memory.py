"""Test that an export needs the same memory at any size."""

import tracemalloc

import pyarrow as pa
import pytest

from labeling.models import Project
from labeling.outgoing.exports import export
from labeling.outgoing.formats import DATASETS, FORMATS, TOOLS
from tests.exports.labeled import answer_all, make_batch, make_items
from tests.factories import make_member, make_project

pytestmark = pytest.mark.django_db

TINY, SMALL, LARGE = 10, 1_000, 3_000


def labeled_project(slug: str, size: int) -> Project:
    project = make_project(slug)
    batch = make_batch(project, make_items(project, size, data={"text": "lorem ipsum " * 100}))
    answer_all(batch, make_member(project, "ann"), 1)
    return project


def peak_bytes(project: Project, format_name: str) -> tuple[int, int]:
    """Return the peak memory of Python, and of Arrow after a chunk, during the export."""
    arrow = 0
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    for _ in export(project, format_name):
        arrow = max(arrow, pa.total_allocated_bytes() - before)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak, arrow


@pytest.mark.long
def test_memory_is_flat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labeling.outgoing.formats.typed.GROUP_ROWS", 500)
    monkeypatch.setattr("labeling.outgoing.formats.shards.SHARD_BYTES", 100_000)
    tiny, small, large = (labeled_project(f"of-{size}", size) for size in (TINY, SMALL, LARGE))
    for name in (*FORMATS, *DATASETS, *TOOLS):
        for _ in export(tiny, name):  # what is loaded once does not count
            pass
        few, few_arrow = peak_bytes(small, name)
        many, many_arrow = peak_bytes(large, name)
        assert many < 1.3 * few + 200_000, name
        assert many_arrow < 1.3 * few_arrow + 200_000, name


def test_nothing_is_read_before_it_is_asked_for(django_assert_num_queries: object) -> None:
    project = labeled_project("large", 1_200)
    with django_assert_num_queries(8):  # type: ignore[operator]
        chunks = export(project, "jsonl")
        assert next(chunks).count(b"\n") == 500
