"""Test that docs/reference/settings.md lists exactly the variables that config/ reads."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/reference/settings.md"


def variables_read(source: str) -> Iterator[str]:
    """Return the variable names in calls such as `env.bool("DEBUG", …)` and `os.environ.get("PORT", …)`."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
            continue
        owner, name = ast.unparse(node.func.value), node.args[0]
        if owner in {"env", "os.environ"} and isinstance(name, ast.Constant):
            yield name.value


def documented() -> dict[str, list[str]]:
    """Return for each variable on the page its default, meaning and consequence."""
    rows = re.findall(r"^\| `([A-Z_]+)` \|(.*)\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: [cell.strip() for cell in cells.split("|")] for name, cells in rows}


def read_by_config() -> set[str]:
    settings = set(variables_read((ROOT / "config/settings.py").read_text(encoding="utf-8")))
    assert "DATABASE_URL" in settings, "the settings are read in some way that this test does not see"
    return settings | set(variables_read((ROOT / "config/gunicorn.py").read_text(encoding="utf-8")))


def test_every_variable_is_documented_with_default_meaning_and_consequence() -> None:
    assert read_by_config() - documented().keys() == set()
    assert documented().keys() - read_by_config() == set()
    for name, cells in documented().items():
        assert len(cells) == 3, name
        assert all(cells), name
