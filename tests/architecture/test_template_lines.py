"""Test that templates have no long lines, because logic belongs in views and tags."""

from pathlib import Path

MOST = 160
TEMPLATES = Path(__file__).resolve().parents[2] / "templates"


def test_no_line_of_a_template_is_long() -> None:
    lines = {
        f"{path.relative_to(TEMPLATES)}:{place}": len(line)
        for path in TEMPLATES.rglob("*.html")
        for place, line in enumerate(path.read_text().splitlines(), start=1)
    }
    assert len(lines) > 1000
    assert {place: length for place, length in lines.items() if length > MOST} == {}
