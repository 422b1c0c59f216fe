"""Test that the tables in docs which scripts/reference.py writes are those of the declarations."""

from pathlib import Path

from scripts.reference import TABLE, written

PAGES = {path: path.read_text(encoding="utf-8") for path in (Path(__file__).parents[2] / "docs").rglob("*.md")}


def test_every_table_is_that_of_the_declarations() -> None:
    with_tables = {path.name: text for path, text in PAGES.items() if TABLE.search(text)}
    assert with_tables.keys() >= {
        "api.md",
        "commands.md",
        "export.md",
        "loop.md",
        "notices.md",
        "roles.md",
        "webhooks.md",
    }
    assert [name for name, text in with_tables.items() if written(text) != text] == [], "run scripts/reference.py"
