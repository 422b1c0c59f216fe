"""The tutorial speaks of pages that are there: every control that it names in bold is called so."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TUTORIAL = ROOT / "docs/tutorial/first-batch.md"
SOURCES = [*(ROOT / "templates").rglob("*.html"), *(ROOT / "labeling/web").rglob("*.py")]


def test_every_control_that_it_names_is_there() -> None:
    pages = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)
    # Labels that Django makes of a field's name: batch_size is called "Batch size".
    pages += "\n".join(name.replace("_", " ").capitalize() for name in re.findall(r"^    (\w+) = forms\.", pages, re.M))
    pages = pages.replace("Download {{ title }}", "Download CSV")
    named = set(re.findall(r"\*\*(.+?)\*\*", TUTORIAL.read_text(encoding="utf-8")))
    assert len(named) > 10
    assert {name for name in named if name not in pages} == set()


def test_the_account_is_that_of_the_demo() -> None:
    demo = (ROOT / "labeling/management/commands/load_demo.py").read_text(encoding="utf-8")
    for word in re.findall(r"sign in as `(\w+)` with the password `([\w-]+)`", TUTORIAL.read_text(encoding="utf-8"))[0]:
        assert f'"{word}"' in demo
