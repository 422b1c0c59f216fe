"""Test that CONTRIBUTING's map has exactly the packages of `labeling/`."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_each_package_stands_in_the_map() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = re.search(r"^labeling/.*\n((?: {4}.*\n)+)", text, re.MULTILINE)
    assert section is not None
    names = re.findall(r"^ {4}((?:\w+/ *)+)", section[1], re.MULTILINE)
    packages = {path.parent.name for path in (ROOT / "labeling").glob("*/__init__.py")}
    assert set(re.findall(r"\w+", " ".join(names))) == packages - {"migrations"}
