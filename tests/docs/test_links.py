"""Test that links in the documentation to files of the repository work."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])


def links(document: Path) -> list[str]:
    """Return the targets of a document's links and images within the repository, without anchors. Code is left out."""
    targets = re.findall(r"\]\(([^)\s]+)\)(?!`)", document.read_text(encoding="utf-8"))
    return [target.partition("#")[0] for target in targets if not re.match(r"[a-z]+:|#", target)]


def test_every_link_within_the_repository_leads_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in links(page)
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_every_page_of_the_documentation_is_in_its_index() -> None:
    indexes = [DOCS / "README.md", DOCS / "decisions" / "README.md"]
    listed = {(index.parent / target).resolve() for index in indexes for target in links(index)}
    assert set(DOCS.rglob("*.md")) - listed == {indexes[0]}
