"""Test that no code outside a kind's own files depends on the kind of an item."""

import re
import subprocess
from pathlib import Path

from labeling.kinds import KINDS

ROOT = Path(__file__).resolve().parents[2]
NAMES = "|".join(KINDS)
ASKS = re.compile(rf"""\bkind\s*(?:[=!]=+|in\s*[({{\[])\s*["']?(?:{NAMES}|Project\.Kind)""")
OWN = ("labeling/kinds/", "templates/kinds/", "static/js/label/kinds/", "labeling/migrations/", "static/vendor/")


def test_no_file_asks_for_one_kind() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "labeling", "templates", "static/js"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    names = [name for name in listed.stdout.splitlines() if not name.startswith(OWN)]
    assert len(names) > 100
    asking = [name for name in names if (ROOT / name).is_file() and ASKS.search((ROOT / name).read_text())]
    assert asking == []


def test_every_kind_has_all_its_files() -> None:
    index = (ROOT / "static/js/label/kinds/index.js").read_text()
    for name in KINDS:
        for template in ("formats", "predict", "shown", "sign"):
            assert (ROOT / f"templates/kinds/{name}/{template}.html").is_file(), (name, template)
        assert (ROOT / f"static/js/label/kinds/{name}.js").is_file()
        assert f'from "./{name}.js"' in index
