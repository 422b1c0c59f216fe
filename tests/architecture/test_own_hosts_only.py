"""Test that pages load nothing from other sites, so that they work offline and reveal users to no other site."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SUFFIXES = {".html", ".css", ".js", ".mjs", ".svg", ".webmanifest"}
FILES = sorted(
    path
    for folder in ("templates", "static", "labeling")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in SUFFIXES
)

HOST = r"(?:https?:)?//[a-z0-9]"
LOADS = [
    # A link (<a href>) is followed by a person, not by the page.
    rf"<(?:script|link|img|iframe|source|video|audio|object|embed|use|image)\b[^>]*?\b(?:src|srcset|href|data)\s*=\s*[\"']?\s*{HOST}",
    rf"url\(\s*[\"']?\s*{HOST}",
    rf"@import\s+[\"']{HOST}",
    rf"\bimport\s*\(?\s*[\"'`]{HOST}",
    rf"\bfrom\s*[\"'`]{HOST}",
    rf"\b(?:fetch|importScripts|Worker|WebSocket|EventSource)\(\s*[\"'`](?:wss?:|{HOST})",
]


def foreign(text: str) -> Iterator[str]:
    for pattern in LOADS:
        for match in re.finditer(pattern, text, re.IGNORECASE):
            yield match.group()


def test_nothing_is_loaded_from_elsewhere() -> None:
    loads = [f"{path.relative_to(ROOT)}: {load}" for path in FILES for load in foreign(path.read_text("utf-8"))]
    assert loads == []


def test_a_foreign_load_would_be_seen() -> None:
    for text in (
        '<script defer src="https://cdn.example/x.js"></script>',
        "<link rel=stylesheet href=//fonts.example/a.css>",
        '<img alt="" src="http://example.org/a.png">',
        "body { background: url(https://example.org/a.png) }",
        '@import "https://example.org/a.css";',
        'import {html} from "https://esm.example/htl";',
        'await import("https://esm.example/htl")',
        'fetch("https://example.org/count")',
    ):
        assert list(foreign(text))


@pytest.mark.parametrize("text", ['<a href="https://example.org/">', "<script src='/static/a.js'>", "// https"])
def test_links_and_comments_are_no_loads(text: str) -> None:
    assert not list(foreign(text))
