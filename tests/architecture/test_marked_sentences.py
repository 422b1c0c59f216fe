"""Test that the sentences of the code which pages show are marked for translation.

Declarations are not marked: pages translate them where they show them, and `scripts/declared.py` lists them.
"""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import messages  # noqa: E402
from declared import declared  # noqa: E402

SENTENCE = re.compile(r"[A-Z{“].*\s.*[.!?]", re.DOTALL)

ENGLISH = {
    "It is stored, by workers and requests alike.": (
        *("finishing/advance.py", "intake/chunk_writing.py", "intake/copying.py", "intake/fetching.py"),
        *(
            "intake/rejecting.py", "intake/run.py", "loop/", "steps/", "outside/webhooks/delivering.py",
            "models/privacy.py",
        ),
        *("BudgetSpent", "StoreAway", "class_changed", "pause", "update"),
        "Its items are in the pool again; a new audit can prove their labels.",
        "{} of its labels were corrected{}, and it proves that at most {} are wrong.",
        "{right} of {n} answers to items with a known answer were right.",
        "There is no file with rows at this address yet: {}.",
    ),
    "It is about the content of a file, or stands in one.": (
        *("finishing/certificates.py", "intake/prediction_files/", "intake/readers/", "kinds/"),
        *("outgoing/datasets/manifest.py", "outgoing/exports/card.py", "outgoing/exports/dataset.py"),
        "create_registered_model",
    ),
    "The API says it, or describes itself with it.": (
        *("queue/submitting.py", "api/", "web/gate/second_factor.py"),
        *("QueueError", "SourceAway", "help_text", "Annotated"),
        *("ExportFilter", "ItemFilter", "_adding", "_class", "_mark", "_person"),
        "Another request changed these tasks at the same moment. Try again.",
    ),
    "It is for logs, commands, monitors, operators and developers.": (
        *("finishing/certifying/", "insight/monitoring.py", "intake/items.py", "labels/counting.py"),
        *("management/", "migrations/", "observing/metrics.py", "outgoing/datasets/manifest.py"),
        *("storage/backups/", "storage/db/replica.py", "web/admin.py", "web/gate/operators.py"),
        *("OAuth2Error", "logger"),
        "Only staff may use the admin pages.",
    ),
    "The page has another text.": ("Http404",),
    "`scripts/declared.py` lists it, with its value.": ("Setting",),
}  # fmt: skip
"""What is not marked, by the reason: places in `labeling`, functions and arguments that get sentences, sentences."""
EXCEPTIONS = {each for some in ENGLISH.values() for each in some}
PLACES = tuple(each for each in EXCEPTIONS if each.endswith(("/", ".py")))


class Sentence(NamedTuple):
    line: int
    text: str
    """With {} for each value."""
    inside: frozenset[str]
    """The functions or types that it is given to, and the names of the arguments."""


def sentences_of(source: str) -> Iterator[Sentence]:
    tree = ast.parse(source)
    above = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        text = text_of(node).strip()
        if SENTENCE.fullmatch(text) and not isinstance(above[node], ast.Expr | ast.JoinedStr):
            yield Sentence(node.lineno, text, frozenset(inside(node, above)))


def text_of(node: ast.AST) -> str:
    """Return the text of a literal; "" for all else."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def inside(node: ast.AST, above: dict[ast.AST, ast.AST]) -> Iterator[str]:
    while (outer := above.get(node)) is not None:
        if isinstance(outer, ast.Call):
            name = ast.unparse(outer.func)
            yield "logger" if name.startswith("logger.") else name.rpartition(".")[2]
        elif isinstance(outer, ast.keyword):
            yield outer.arg or ""
        elif isinstance(outer, ast.Subscript):
            yield ast.unparse(outer.value)
        node = outer


@cache
def all_sentences() -> list[tuple[str, Sentence]]:
    """Return the sentences of `labeling`, each with the path of its file there."""
    paths = sorted((ROOT / "labeling").rglob("*.py"))
    named = [(str(path.relative_to(ROOT / "labeling")), path.read_text(encoding="utf-8")) for path in paths]
    return [(name, sentence) for name, source in named for sentence in sentences_of(source)]


def test_sentences_are_marked() -> None:
    known = EXCEPTIONS | {text.strip() for text, _ in declared()}
    unmarked = [
        f"labeling/{name}:{sentence.line}: {sentence.text}"
        for name, sentence in all_sentences()
        if not name.startswith(PLACES)
        and sentence.text not in known
        and not sentence.inside & (EXCEPTIONS | messages.MARKS.keys())
    ]
    assert unmarked == []


def test_an_unmarked_sentence_would_be_seen() -> None:
    source = 'def refuse(n):\n    """Refuse it. Always."""\n    raise Refused(f"There is no room for {n} more.")\n'
    assert [*sentences_of(source)] == [(3, "There is no room for {} more.", {"Refused"})]
    assert [each.inside for each in sentences_of('text = gettext("There is no room.")')] == [{"gettext"}]


def test_no_exception_is_left_over() -> None:
    names = {name for name, _ in all_sentences()}
    assert [place for place in PLACES if not any(name.startswith(place) for name in names)] == []
    found = {each for _, sentence in all_sentences() for each in (sentence.text, *sentence.inside)}
    assert EXCEPTIONS - found - {*PLACES} == set()
