"""Prints every text of the user interface with its file and line, for proofreading.

    python scripts/strings.py                # all of them
    python scripts/strings.py templates      # those of some folders or files

Texts of the templates are what stands between tags and in the attributes that are shown or spoken; those of Python and
JavaScript are the strings with a space in them, but for docstrings and SQL.
"""

import ast
import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ["templates", "labeling", "demo", "static/js"]
SPOKEN = {"alt", "aria-label", "aria-description", "content", "placeholder", "title", "value"}
SILENT = {"script", "style"}
TAGS = re.compile(r"{#.*?#}|{%.*?%}", re.DOTALL)
VALUES = re.compile(r"{{.*?}}", re.DOTALL)
COMMENTS = re.compile(r"/\*.*?\*/|(?<![:\"'`])//[^\n]*", re.DOTALL)
QUOTED = re.compile(r"\"([^\"\n]*)\"|'([^'\n]*)'|`([^`]*)`")
SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|FROM|WHERE|JOIN|CREATE|VALUES)\b")

Text = tuple[int, str]


class Texts(HTMLParser):
    """The texts of a template whose tags are blanked out."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[Text] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in SILENT
        self.texts += [(self.getpos()[0], value) for name, value in attrs if name in SPOKEN and value]

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in SILENT

    def handle_data(self, data: str) -> None:
        if not self._silent:
            before = len(data) - len(data.lstrip())
            self.texts.append((self.getpos()[0] + data[:before].count("\n"), data))


def of_template(source: str) -> Iterator[Text]:
    """Yield the texts of a template. Values become `…`; blanked tags keep their line ends, for correct line numbers."""
    source = TAGS.sub(lambda tag: "\n" * tag[0].count("\n"), source)
    parser = Texts()
    parser.feed(VALUES.sub("…", source))
    yield from parser.texts


def of_python(source: str) -> Iterator[Text]:
    tree = ast.parse(source)
    silent: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            silent.add(node.value)  # a docstring
        if isinstance(node, ast.JoinedStr) and node not in silent:
            silent |= {*ast.walk(node)} - {node}
            parts = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
            yield node.lineno, "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in silent:
            yield node.lineno, node.value


def of_script(source: str) -> Iterator[Text]:
    source = COMMENTS.sub(lambda comment: "\n" * comment[0].count("\n"), source)
    for match in QUOTED.finditer(source):
        text = next(filter(None, match.groups()), "")
        yield source.count("\n", 0, match.start()) + 1, re.sub(r"\$\{[^}]*\}", "…", text)


READERS = {".html": of_template, ".txt": of_template, ".py": of_python, ".js": of_script}


def is_read(text: str, path: Path) -> bool:
    """Return whether users read the text: it has words and no SQL; a single word counts in templates only."""
    words = re.findall(r"[^\W\d_]{2,}", text)
    if path.suffix in (".html", ".txt"):
        return bool(words)
    return len(words) > 1 and " " in text.strip() and not SQL.search(text)


def strings(path: Path) -> Iterator[Text]:
    """Yield line and text of each string in the file, with white space collapsed."""
    for line, text in READERS[path.suffix](path.read_text(encoding="utf-8")):
        text = " ".join(text.split())
        if is_read(text, path):
            yield line, text


def main(names: list[str]) -> None:
    for name in names or FOLDERS:
        start = ROOT / name
        paths = sorted(start.rglob("*")) if start.is_dir() else [start]
        for path in paths:
            if path.suffix in READERS and "migrations" not in path.parts:
                for line, text in strings(path):
                    sys.stdout.write(f"{path.relative_to(ROOT)}:{line}: {text}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
