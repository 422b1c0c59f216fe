"""Test requests for a byte range of an item's file, as media players send them to seek."""

from typing import Any

import pytest
from factories import make_items, make_member, make_project
from pages import signed_in

from labeling.models import Role
from labeling.storage import media

pytestmark = pytest.mark.django_db


def body(response: Any) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


def test_a_range_comes_alone_to_members_and_what_is_none_is_passed_over() -> None:
    (item,) = make_items(make_project(kind="image"), 1)
    content = media.path_of(item.media).read_bytes()
    client = signed_in(make_member(item.project, "rita", Role.REVIEWER))
    path = f"/api/v1/projects/digits/items/{item.pk}/media/"
    response = client.get(path)
    assert (response.status_code, body(response)) == (200, content)
    assert response["Accept-Ranges"] == "bytes"
    ranges: list[tuple[str, int, int | None]] = [
        ("0-9", 0, 10),
        ("5-", 5, None),
        ("-7", -7, None),
        ("3-99999999", 3, None),
    ]
    for asked, first, stop in ranges:
        response = client.get(path, headers={"Range": f"bytes={asked}"})
        part, begin = content[first:stop], first % len(content)
        assert (response.status_code, body(response)) == (206, part)
        assert response["Content-Range"] == f"bytes {begin}-{begin + len(part) - 1}/{len(content)}"
        assert response["Content-Length"] == str(len(part))
        assert response["Content-Type"] == "image/png"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in response["Content-Security-Policy"]
    for none in ("bytes=0-1,4-5", "items=0-1", "bytes=9-3", "bytes=-", "bytes=" + "9" * 5000 + "-", "x"):
        assert body(client.get(path, headers={"Range": none})) == content
    for beyond in ("bytes=99999999-", "bytes=-0"):
        response = client.get(path, headers={"Range": beyond})
        assert (response.status_code, response["Content-Range"]) == (416, f"bytes */{len(content)}")
    stranger = signed_in(make_member(make_project("other"), "eve"))
    assert stranger.get(path, headers={"Range": "bytes=0-1"}).status_code == 404
