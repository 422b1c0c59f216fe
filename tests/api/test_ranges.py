"""Test requests for a byte range of an item's file, as media players send them to seek."""

from typing import Any

import pytest
from factories import make_items, make_member, make_project
from pages import signed_in

from labeling.models import Role
from labeling.storage import media

pytestmark = pytest.mark.django_db


def path_and_file() -> tuple[str, bytes, Any]:
    (item,) = make_items(make_project(kind="image"), 1)
    content = media.path_of(item.media).read_bytes()
    client = signed_in(make_member(item.project, "rita", Role.REVIEWER))
    return f"/api/v1/projects/digits/items/{item.pk}/media/", content, client


def body(response: Any) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


def test_without_a_range_the_file_comes_whole() -> None:
    path, content, client = path_and_file()
    response = client.get(path)
    assert (response.status_code, body(response)) == (200, content)
    assert response["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize(
    ("asked", "first", "stop"), [("0-9", 0, 10), ("5-", 5, None), ("-7", -7, None), ("3-99999999", 3, None)]
)
def test_a_range_comes_alone(asked: str, first: int, stop: int | None) -> None:
    path, content, client = path_and_file()
    response = client.get(path, headers={"Range": f"bytes={asked}"})
    part = content[first:stop]
    assert (response.status_code, body(response)) == (206, part)
    begin = first % len(content)
    assert response["Content-Range"] == f"bytes {begin}-{begin + len(part) - 1}/{len(content)}"
    assert response["Content-Length"] == str(len(part))
    assert response["Content-Type"] == "image/png"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]


@pytest.mark.parametrize(
    "asked", ["bytes=0-1,4-5", "items=0-1", "bytes=9-3", "bytes=-", "bytes=" + "9" * 5000 + "-", "x"]
)
def test_what_is_no_single_range_is_passed_over(asked: str) -> None:
    path, content, client = path_and_file()
    assert body(client.get(path, headers={"Range": asked})) == content


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=-0"])
def test_a_range_that_the_file_has_not_is_refused(asked: str) -> None:
    path, content, client = path_and_file()
    response = client.get(path, headers={"Range": asked})
    assert response.status_code == 416
    assert response["Content-Range"] == f"bytes */{len(content)}"


def test_a_range_is_for_members() -> None:
    path, _, _ = path_and_file()
    assert (
        signed_in(make_member(make_project("other"), "eve")).get(path, headers={"Range": "bytes=0-1"}).status_code
        == 404
    )
