"""Test that only modules in config/ read environment variables."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = [
    path for package in ("demo", "labeling", "selector", "models_store") for path in (ROOT / package).rglob("*.py")
]


def readings(source: str) -> Iterator[int]:
    """Return the numbers of lines that contain `os.environ` or `os.getenv`."""
    for node in ast.walk(ast.parse(source)):
        named = node.attr if isinstance(node, ast.Attribute) else node.name if isinstance(node, ast.alias) else ""
        if named in {"environ", "environb", "getenv", "getenvb", "putenv"}:
            yield node.lineno


def test_no_module_reads_the_environment() -> None:
    lines = [f"{path.relative_to(ROOT)}:{line}" for path in MODULES for line in readings(path.read_text("utf-8"))]
    assert lines == []


@pytest.mark.parametrize("source", ["import os\nos.environ['A']", "from os import getenv", "import os\nos.getenv('A')"])
def test_a_reading_would_be_seen(source: str) -> None:
    assert list(readings(source))
