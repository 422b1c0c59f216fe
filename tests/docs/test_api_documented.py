"""Test that docs/reference/api.md lists exactly the published endpoints, and that every endpoint is published."""

import re
from pathlib import Path
from typing import Any

from django.urls import URLPattern

from labeling.api.published.reference import subjects
from labeling.api.urls import urlpatterns

TEXT = (Path(__file__).parents[2] / "docs/reference/api.md").read_text(encoding="utf-8")
ROWS = re.findall(
    r"^\| `([A-Z]+ (?:(?:deleted-)?projects/|auditlog/)\S*)` \| ([^|]+) \| ([^|]+) \|$", TEXT, re.MULTILINE
)


def endpoints() -> list[dict[str, Any]]:
    return [endpoint for subject in subjects() for endpoint in subject["endpoints"]]


def test_every_endpoint_is_documented_with_who_may_call_it_and_why() -> None:
    published = [(f"{each['method']} {each['path'].removeprefix('/api/v1/')}", each["who"]) for each in endpoints()]
    assert [(call, who) for call, who, _ in ROWS] == published
    assert [call for call, _, meaning in ROWS if len(meaning) < 10] == []


def methods_of(pattern: URLPattern) -> set[str]:
    view = pattern.callback.cls  # type: ignore[attr-defined]
    return {method.upper() for method in ("get", "post", "put", "patch", "delete") if hasattr(view, method)}


def test_every_method_of_every_address_is_published() -> None:
    there = {
        (method, "/api/v1/" + re.sub(r"<\w+:(\w+)>", r"{\1}", str(pattern.pattern)))
        for pattern in urlpatterns
        for method in methods_of(pattern)
    }
    assert {(each["method"], each["path"]) for each in endpoints()} == there
