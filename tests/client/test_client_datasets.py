"""Test that the client makes dataset versions, reads their rows, compares and verifies them."""

import asyncio
import uuid
from pathlib import Path
from typing import Any

import pytest
from draining import drain
from factories import make_answerable, make_items, make_member, make_open_batch

from labeling.models import DatasetVersion, Job, Project
from labeling.queue import submitting
from labeling.queue.answer import Answer
from marginalia_client import AsyncMarginalia, Failed, Invalid, Marginalia, NotFound, running


class Clock:
    """The client's clock: while the client sleeps, the worker runs."""

    def sleep(self, seconds: float) -> None:
        drain()


def label(project: Project, first: int, stop: int) -> None:
    """Add a batch of items, and answer it."""
    batch = make_open_batch(project, make_items(project, stop - first, first=first), number=1 + bool(first))
    ann, tasks = make_member(project, "ann"), list(batch.tasks.select_related("item"))
    make_answerable(tasks, ann)
    answers = [Answer(id=uuid.uuid4(), task=task.pk, value=task.item.truth) for task in tasks]
    assert not submitting.submit(project=project, user=ann, answers=answers).rejected
    Job.objects.filter(kind=Job.Kind.TRAIN).delete()  # a training makes a dataset version, too


def test_rows_stay_as_they_were(
    live_server: Any, server: Marginalia, project: Project, token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "time", Clock())
    mine = server.project("digits")
    label(project, 0, 10)
    made = mine.datasets.create(note="The first ten")
    assert (made.name, made.state, made.rows, made.fields["note"]) == ("v1", "whole", 10, "The first ten")
    before = mine.dataset("v1").to_pandas()
    label(project, 10, 15)
    assert mine.datasets.create("spring", filters={"batch": "1-2"}).rows == 15
    assert [each.name for each in mine.datasets.list()] == ["spring", "v1"]

    first = mine.dataset("v1")
    assert first.version() == made
    assert first.to_pandas().equals(before)
    assert len(list(first)) == len(list(mine.dataset("spring").save(tmp_path / "rows.jsonl").open())) - 5
    assert first.manifest()["rows"] == 10
    assert mine.dataset("spring").compare("v1")["added"] == 5
    assert first.verify() == []
    with pytest.raises(Invalid, match="already has a dataset version spring"):
        mine.datasets.create("spring")
    with pytest.raises(NotFound, match="There is no dataset version v7"):
        mine.dataset("v7").version()
    with pytest.raises(Invalid, match="v7"):
        mine.dataset("v7").to_arrow()

    async def reads() -> tuple[int, list[str]]:
        async with AsyncMarginalia(live_server.url, token) as waiting:
            dataset = waiting.project("digits").dataset("v1")
            return len([row async for row in dataset]), await dataset.verify()

    assert asyncio.run(reads()) == (10, [])


def test_a_failed_version_says_why(server: Marginalia, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    class Fails:
        def sleep(self, seconds: float) -> None:
            DatasetVersion.objects.update(state="failed", reason="The disk is full.")

    monkeypatch.setattr(running, "time", Fails())
    with pytest.raises(Failed, match=r"^Dataset version v1 failed: The disk is full\.$"):
        server.project("digits").datasets.create()
