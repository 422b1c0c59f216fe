"""Test that vendored front-end files state their version and licence."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = sorted(path for vendor in ("static/vendor", "tests/vendor") for path in (ROOT / vendor).iterdir())
NAME = re.compile(r"[a-z0-9][a-z0-9._-]*@\d+(\.\d+)+([-+.][0-9A-Za-z.-]+)?")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_folder_bears_the_version_and_holds_the_licence(folder: Path) -> None:
    assert folder.is_dir(), "a vendored file needs a folder NAME@VERSION of its own"
    assert NAME.fullmatch(folder.name)
    licences = [path for path in folder.iterdir() if re.match(r"(LICEN[CS]E|COPYING)", path.name, re.IGNORECASE)]
    assert licences
    assert all(path.stat().st_size > 200 for path in licences)
    package = folder.name.rpartition("@")[0]
    assert [other.name for other in folder.parent.glob(f"{package}@*")] == [folder.name]


def test_what_pages_load_of_them_is_there() -> None:
    ours = [
        path
        for place in ("templates", "static")
        for path in (ROOT / place).rglob("*")
        if path.suffix in {".html", ".css", ".js"} and "vendor" not in path.parts
    ]
    asked = {found for path in ours for found in re.findall(r"vendor/([\w./@-]+)", path.read_text(encoding="utf-8"))}
    assert asked
    assert [path for path in sorted(asked) if not (ROOT / "static/vendor" / path).is_file()] == []


@pytest.mark.parametrize("name", ["inter", "inter@latest", "inter@5", "Inter 5.3.0", "inter.js"])
def test_a_name_without_a_version_would_be_seen(name: str) -> None:
    assert not NAME.fullmatch(name)
