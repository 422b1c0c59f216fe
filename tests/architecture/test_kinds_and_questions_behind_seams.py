"""Test that no code outside the own files of a kind or a question depends on it; docs/reference/questions.md lists all
questions.
"""

import re
import subprocess
from pathlib import Path

from labeling.kinds import KINDS
from labeling.questions import QUESTIONS

ROOT = Path(__file__).resolve().parents[2]
KIND = re.compile(rf"""\bkind\s*(?:[=!]=+|in\s*[({{\[])\s*["']?(?:{"|".join(KINDS)}|Project\.Kind)""")
QUESTION = re.compile(
    rf"""(?:question|picker)\w*\s*(?:[=!]=+|in\s*[({{\[])\s*["'](?:{"|".join(QUESTIONS)})["']""", re.IGNORECASE
)
OWN = ("labeling/migrations/", "static/vendor/")
OWN_OF_KINDS = ("labeling/kinds/", "templates/kinds/", "static/js/label/kinds/")


def test_no_file_asks_for_one_kind_or_one_question() -> None:
    command = ["git", "ls-files", "labeling", "models_store", "templates", "static/js"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    names = [name for name in listed.stdout.splitlines() if not name.startswith(OWN) and (ROOT / name).is_file()]
    assert len(names) > 100
    texts = {name: (ROOT / name).read_text() for name in names}
    assert [name for name, text in texts.items() if QUESTION.search(text)] == []
    outside = {name: text for name, text in texts.items() if not name.startswith((*OWN_OF_KINDS, "models_store/"))}
    assert [name for name, text in outside.items() if KIND.search(text)] == []


def test_every_kind_has_all_its_files() -> None:
    index = (ROOT / "static/js/label/kinds/index.js").read_text()
    for name in KINDS:
        for template in ("formats", "predict", "shown", "sign"):
            assert (ROOT / f"templates/kinds/{name}/{template}.html").is_file(), (name, template)
        assert (ROOT / f"static/js/label/kinds/{name}.js").is_file()
        assert f'from "./{name}.js"' in index


def test_every_question_has_all_its_files_and_is_documented() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \|[^|]+\| ([^|]+) \|", (ROOT / "docs/reference/questions.md").read_text(), re.MULTILINE
    )
    assert rows == [(name, question.answer) for name, question in QUESTIONS.items()]
    for name in QUESTIONS:
        assert (ROOT / f"templates/questions/{name}.html").is_file()
        assert (ROOT / f"models_store/questions/{name}.py").is_file()


ANSWERS = "answer|answered|gold|label|predicted|prompt|shown|suggestion|truth"
LOOKS_INSIDE = re.compile(
    rf"isinstance\((?:\w+\.)*(?:{ANSWERS})\b, *\(?(?:bool|int|list|str)\b"
    r"|(\w+) if isinstance\(\1, list\) else [\[(]\1"
)
"""A question whether an answer is a list, a number or a boolean, and the telling way to treat one as many."""
RAW = ("labeling/intake/readers/", "labeling/intake/prediction_files/", "labeling/steps/endpoint.py",
       "labeling/steps/prediction_server.py")  # fmt: skip
"""Cells and replies of other programs, which are no answers yet."""


def test_no_code_outside_the_questions_looks_inside_an_answer() -> None:
    looking = [
        f"{path.relative_to(ROOT)}: {found[0]}"
        for path in sorted((ROOT / "labeling").rglob("*.py"))
        if not str(path.relative_to(ROOT)).startswith(("labeling/questions/", "labeling/migrations/", *RAW))
        for found in LOOKS_INSIDE.finditer(path.read_text())
    ]
    assert looking == []
