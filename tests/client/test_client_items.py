"""Test that the client adds items in requests of a bounded size, says what became of each row, and reads them back."""

import asyncio
from typing import Any

import numpy as np
import pytest
from factories import digit_png, make_items, make_member, make_project
from knox.models import AuthToken

from labeling.intake import uploads
from labeling.models import ItemImport, Project, Role
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker
from marginalia_client import Added, AsyncMarginalia, Invalid, Marginalia, RejectedRow, rows, running
from marginalia_client import items as client_items


class TimeForAWorker:
    """The client's clock: while the client sleeps, a worker runs a job."""

    def sleep(self, seconds: float) -> None:
        assert Worker(run_step).run_next()


def texts(n: int, first: int = 0) -> list[dict[str, Any]]:
    return [{"id": f"text-{number}", "text": f"Text number {number}."} for number in range(first, first + n)]


def test_rows_become_items_request_by_request_and_each_bad_row_is_named_with_its_reason(
    server: Marginalia, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = server.project("digits").items
    monkeypatch.setattr(rows, "REQUEST_BYTES", 500)
    assert items.add(iter(texts(25))) == Added(added=25)
    assert project.imports.count() == 3
    assert sorted(project.items.values_list("external_id", flat=True)) == sorted(row["id"] for row in texts(25))
    monkeypatch.setattr(rows, "REQUEST_BYTES", 80)  # two rows a request
    bad = [*texts(3, first=24), {"id": "empty\n\u2028", "text": ""}, {"id": "none"}, *texts(1, first=27)]
    added = items.add(bad)
    assert (added.added, added.existing, added.rejected) == (3, 1, 2)
    assert [(each.row, each.id) for each in added.rejections] == [(3, "empty\n\u2028"), (4, "none")]
    assert "text" in added.rejections[0].reason
    assert isinstance(added.rejections[0], RejectedRow)


def test_a_repeated_call_adds_nothing_twice_and_strict_refuses_a_request_with_a_bad_row(
    server: Marginalia, project: Project
) -> None:
    items = server.project("digits").items
    with pytest.raises(Invalid, match="1 bad row"):
        items.add([*texts(3), {"id": "none"}], strict=True)
    assert not project.items.exists()
    items.add(texts(5))
    assert items.add(texts(8)) == Added(added=3, existing=5)
    assert items.add(texts(8)) == Added(existing=8)
    assert project.items.count() == 8


def test_requests_of_bad_rows_are_reported_until_a_call_is_hopeless(
    server: Marginalia, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "REQUEST_BYTES", 50)
    bad = [{"id": f"{number}", "words": "Hello, my friend"} for number in range(6)]
    added = server.project("digits").items.add([*bad[:3], *texts(1)])
    assert (added.added, added.rejected, [each.row for each in added.rejections]) == (1, 3, [0, 1, 2])
    assert server.project("digits").items.add(bad[:2]).rejected == 2
    monkeypatch.setattr(client_items, "HOPELESS_ROWS", 5)
    before = ItemImport.objects.count()
    with pytest.raises(Invalid, match=r"^Nothing was imported: "):
        server.project("digits").items.add([*bad, *texts(1)])
    assert ItemImport.objects.count() == before + 5


def test_a_project_that_gets_full_ends_the_call(
    server: Marginalia, project: Project, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "REQUEST_BYTES", 60_000)  # five rows a request
    settings.PROJECT_STORAGE_MB = 1
    with pytest.raises(Invalid, match=r"there is no room for .* Added by this call: 30") as error:
        server.project("digits").items.add({"id": number, "text": "long " * 2000} for number in range(50))
    assert (error.value.code, project.items.count()) == ("refused", 30)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": "Hello"}, "The row at index 1 has no id"),
        ({"id": True, "text": "Hello"}, "The row at index 1 has no id"),
        ({"id": "a", "text": float("nan")}, r"index 1 \(a\) cannot be sent"),
        ({"id": "a", "text": object()}, r"index 1 \(a\) cannot be sent: a object is no JSON value"),
        (["a", "Hello"], "The row at index 1 is a list, but must be a mapping"),
    ],
)
def test_a_row_that_cannot_be_sent_is_named(row: Any, message: str) -> None:
    with Marginalia("http://127.0.0.1:9", "token") as server, pytest.raises(ValueError, match=message):
        server.project("digits").items.add([*texts(1), row])


def test_files_and_arrays_are_sent_as_they_are(live_server: Any, server: Marginalia, tmp_path: Any) -> None:
    images, numbers = make_project("images", kind="image"), make_project("numbers", kind="vector")
    token = ""
    for each in (images, numbers):
        token = AuthToken.objects.create(make_member(each, "mia", Role.MANAGER))[1]
    path = tmp_path / "digit.png"
    path.write_bytes(digit_png(1))
    with Marginalia(live_server.url, token) as mine:
        pictures = [{"id": 1, "image": digit_png(0)}, {"id": 2, "image": path}]
        assert mine.project("images").items.add(pictures) == Added(added=2)
        vectors = [{"id": np.int64(7), "vector": np.arange(3, dtype=np.float32)}]
        assert mine.project("numbers").items.add(vectors) == Added(added=1)
    assert sorted(images.items.values_list("external_id", flat=True)) == ["1", "2"]
    assert numbers.items.get().external_id == "7"


def test_items_are_read_page_by_page(server: Marginalia, project: Project) -> None:
    make_items(project, 1203)
    items = server.project("digits").items
    found = list(items)
    assert len({each.id for each in found}) == len(found) == 1203
    assert found[7].external_id == "item-0007"
    assert found[7].fields["is_control"] is False
    assert [each.external_id for each in items.list(search="item-0007")] == ["item-0007"]
    assert items.get(found[3].id).fields["data"] == {"text": "This is text number 3."}


def test_a_row_that_a_worker_imports_is_waited_for(
    server: Marginalia, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "AT_ONCE_BYTES", 1000)
    monkeypatch.setattr(running, "time", TimeForAWorker())
    added = server.project("digits").items.add([*texts(2), {"id": "long", "text": "A long story. " * 100}])
    assert added == Added(added=3)


def test_the_same_awaited(live_server: Any, project: Project, token: str) -> None:
    async def adds() -> tuple[Added, list[str], Any]:
        async with AsyncMarginalia(live_server.url, token) as server:
            items = server.project("digits").items
            added = await items.add(texts(3))
            found = [each async for each in items]
            return added, [each.external_id for each in found], await items.get(found[0].id)

    added, names, first = asyncio.run(adds())
    assert added == Added(added=3)
    assert sorted(names) == ["text-0", "text-1", "text-2"]
    assert first.external_id == names[0]
