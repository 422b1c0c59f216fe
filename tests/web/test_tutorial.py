"""Test that the tutorial's bold names are those of controls on the pages.

tests/browser/test_newcomer.py follows its steps in a browser.
"""

import re
from pathlib import Path

import pytest
from django.test import Client

from labeling.kinds import raster
from labeling.outgoing.exports.columns import COLUMNS
from labeling.web.account import first_account

ROOT = Path(__file__).resolve().parents[2]
TUTORIAL = (ROOT / "docs/tutorial/first-batch.md").read_text(encoding="utf-8")
SOURCES = [
    *(ROOT / "templates").rglob("*.html"),
    *(ROOT / "labeling/web").rglob("*.py"),
    ROOT / "labeling/intake/readers/layout.py",  # the uses of labels
    *(ROOT / "static/js").rglob("*.js"),
]


def joined(text: str) -> str:
    """Join the lines of a paragraph."""
    return re.sub(r"\s+", " ", text)


def test_every_control_that_it_names_is_there() -> None:
    pages = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)
    # Labels that Django makes of a field's name: batch_size is called "Batch size".
    pages += "\n".join(name.replace("_", " ").capitalize() for name in re.findall(r"^    (\w+) = forms\.", pages, re.M))
    pages = joined(pages).replace("Download {{ title }}", "Download CSV")
    named = {joined(name) for name in re.findall(r"\*\*(.+?)\*\*", TUTORIAL, re.S)}
    assert len(named) > 15
    assert {name for name in named if name not in pages} == set()


def test_the_account_is_that_of_the_demo() -> None:
    demo = (ROOT / "demo/management/commands/load_demo.py").read_text(encoding="utf-8")
    for word in re.findall(r"sign in as `(\w+)` with the password `([\w-]+)`", joined(TUTORIAL))[0]:
        assert f'"{word}"' in demo


@pytest.mark.django_db
def test_the_terminal_prints_the_link_to_a_page_with_that_button() -> None:
    said = re.findall(r"terminal says \*(.+?)\*", joined(TUTORIAL))[0]
    assert said in (ROOT / "config/gunicorn.py").read_text(encoding="utf-8") + "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "labeling").rglob("*.py")
    )
    assert "Create my account" in Client().get(first_account.link()).content.decode()


def test_the_formats_keys_and_columns_that_it_names_are_those() -> None:
    for form in re.findall(r"\((PNG[^)]+)\)", TUTORIAL)[0].replace(" or ", ", ").split(", "):
        assert form.upper() in raster.SUFFIXES
    for column in ("source", "label"):
        assert f"under `{column}`" in joined(TUTORIAL)
        assert column in COLUMNS
    keys = (ROOT / "templates/label/keys.html").read_text(encoding="utf-8")
    for key, shown in (("Backspace", "⌫"), ("Space", "Space"), ("?", "?")):
        assert f"`{key}`" in TUTORIAL
        assert f"<kbd>{shown}</kbd>" in keys
