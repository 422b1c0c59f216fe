"""Test that docs/reference/roles.md has the table of `labeling/models/roles.py`."""

from pathlib import Path

from labeling.models import Ability
from scripts.reference import written

TEXT = (Path(__file__).parents[2] / "docs/reference/roles.md").read_text(encoding="utf-8")


def test_the_table_is_that_of_the_code() -> None:
    assert written(TEXT) == TEXT, "run scripts/reference.py"
    assert all(f"| `{ability.value}` | {ability.label} |" in TEXT for ability in Ability)
