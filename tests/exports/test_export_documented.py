"""Test that the documentation explains exactly the columns, parameters and formats of exports."""

import re
from pathlib import Path

from labeling.api.export import PARAMETERS
from labeling.outgoing.exports import FILTERS
from labeling.outgoing.exports.columns import COLUMNS
from labeling.outgoing.formats import DATASETS, FORMATS, TOOLS
from scripts.reference import written

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "reference/export.md").read_text()
HOW_TO = (DOCS / "how-to/use-an-export.md").read_text()


def rows_below(heading: str) -> list[str]:
    """Return the first cells of the table after the line."""
    table = TEXT.split(heading)[1].split("|---|---|\n")[1].split("\n\n")[0]
    return re.findall(r"^\| `(\w+)`", table, re.MULTILINE)


def test_every_column_is_documented_in_order() -> None:
    assert rows_below("## Columns") == list(COLUMNS)


def test_every_parameter_and_format_is_documented() -> None:
    assert written(TEXT) == TEXT, "run scripts/reference.py"
    names = ["format", *FILTERS]
    assert rows_below("Parameters of the API") == names
    assert [parameter.name for parameter in PARAMETERS] == names
    table = HOW_TO.split("| format | when to choose it |\n|---|---|\n")[1].split("\n\n")[0]
    rows = re.findall(r"^\| `([\w-]+)` \| (.*) \|$", table, re.MULTILINE)
    assert rows == [(name, form.note) for name, form in (FORMATS | DATASETS | TOOLS).items()]
