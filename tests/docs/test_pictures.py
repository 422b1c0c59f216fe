"""Test that pictures in the documentation exist, are small, and have a description."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs/images"
LARGEST = 200_000
MAGIC = {".png": b"\x89PNG", ".svg": b"<?xml"}
SHOWN = re.compile(r"(?<!`)!\[([^\]]*)\]\(([^)]+)\)")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PICTURES = [(page, *shown) for page in PAGES for shown in SHOWN.findall(page.read_text(encoding="utf-8"))]


def test_the_readme_shows_five() -> None:
    assert sum(page.name == "README.md" and page.parent == ROOT for page, *_ in PICTURES) == 5


@pytest.mark.parametrize(("page", "words", "target"), PICTURES, ids=[target for *_, target in PICTURES])
def test_each_is_there_small_and_described(page: Path, words: str, target: str) -> None:
    path = (page.parent / target).resolve()
    assert path.read_bytes().startswith(MAGIC[path.suffix])
    assert path.stat().st_size < LARGEST
    assert len(words.split()) >= 5


def test_none_lies_about_unused() -> None:
    used = {(page.parent / target).resolve() for page, _, target in PICTURES}
    assert set(FOLDER.iterdir()) == used
