"""Updates and compiles the translations: `locale/LANGUAGE/LC_MESSAGES/django.po`, and `djangojs.po` for scripts.

    python scripts/messages.py

New texts are added with an empty translation, texts that are gone are removed, and the `.mo` files are written anew.
Needs Babel, which `make setup` installs; GNU gettext is not needed.
"""

import ast
import datetime
import io
import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
LOCALE = ROOT / "locale"
MARKS: dict[str, tuple[Any, ...] | None] = {
    **dict.fromkeys(("gettext", "gettext_lazy", "gettext_noop", "_")),
    **dict.fromkeys(("ngettext", "ngettext_lazy"), (1, 2)),
    "pgettext": ((1, "c"), 2),
}
"""The functions that mark texts, and which of their arguments are the singular and the plural."""

OPTIONS = {"encoding": "utf-8", "parse_template_string": "true"}
ARGUMENT = re.compile(r'_\("([^"]+)"\)')
"""A text that is the argument of a template's filter."""
COUNTED_IN_TEMPLATE = re.compile(r'\|counted:"([^"|]+)(?:\|([^"|]+))?"')
"""The noun, and its plural if it is irregular, of the filter `counted`."""
COUNTED = re.compile(r'\bcount\([\w.]+, "([^"]+)"\)')
"""A counted noun of a script, as `count` of `static/js/project/import-words.js` has it."""
HEADER = """\
msgid ""
msgstr ""
"Language: {language}\\n"
"Plural-Forms: {forms}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""
SOME_DAY = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)

Text = tuple[str | tuple[str, str], str] | tuple[str | tuple[str, str], str, str | None]
"""A text, or its singular and plural, the file that it is in, and its context if it has one."""


def of_python() -> Iterator[Text]:
    for folder in ("config", "labeling"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield from _extracted("python", path)
            yield from _counted(path)


def _counted(path: Path) -> Iterator[Text]:
    """Yield the texts of `count(n, "item")` and `count(n, "class", "classes")`, from `labeling/web/shared/words.py`."""
    source = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)) if "count(" in source else ():
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("count", "words.count"):
            nouns = [str(each.value) for each in node.args[1:] if isinstance(each, ast.Constant)]
            if nouns:
                many = nouns[1] if len(nouns) > 1 else f"{nouns[0]}s"
                yield (f"%(n)s {nouns[0]}", f"%(n)s {many}"), str(path.relative_to(ROOT))


def of_phases() -> Iterator[Text]:
    """Yield the phases that steps report: `phase="…"`, `step.progress("…")` and the like."""
    for path in sorted((ROOT / "labeling").rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
        for call in calls if "phase=" in source or "step." in source else ():
            named = [each.value for each in call.keywords if each.arg == "phase"]
            name = ast.unparse(call.func)
            for value in [*named, *call.args[: name in ("step.progress", "step.patient_progress", "step.report")]]:
                if isinstance(value, ast.Constant) and value.value:
                    yield str(value.value), str(path.relative_to(ROOT))


def of_scripts() -> Iterator[Text]:
    for path in sorted((ROOT / "static/js").rglob("*.js")):
        yield from _extracted("javascript", path)
        for noun in COUNTED.findall(path.read_text(encoding="utf-8")):
            yield (f"{{n}} {noun}", f"{{n}} {noun}s"), str(path.relative_to(ROOT))


def _extracted(method: str, path: Path) -> Iterator[Text]:
    if "gettext" not in path.read_text(encoding="utf-8"):
        return
    with path.open("rb") as file:
        for _, text, _, context in extract(method, file, keywords=MARKS, options=OPTIONS):
            yield text, str(path.relative_to(ROOT)), context


def of_templates() -> Iterator[Text]:
    """Yield the texts of `{% translate %}`, `{% blocktranslate %}` and `_("…")`, as the templates look them up."""
    from django.template import engines
    from django.templatetags.i18n import BlockTranslateNode, TranslateNode

    for path in sorted((ROOT / "templates").rglob("*.html")):
        name, source = str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
        for node in _nodes(engines["django"].from_string(source).template.nodelist):
            if isinstance(node, TranslateNode) and node.filter_expression.var.literal is not None:
                text = str(node.filter_expression.var.literal).replace("%", "%%")
                # Python marks the values of variables
                yield text, name, node.message_context and str(node.message_context.var)
            elif isinstance(node, BlockTranslateNode):
                one = node.render_token_list(node.singular)[0]
                many = node.render_token_list(node.plural)[0] if node.plural else ""
                yield (one, many) if many else one, name
        for text in ARGUMENT.findall(source):
            yield text, name
        for one, many in COUNTED_IN_TEMPLATE.findall(source):
            yield (f"%(n)s {one}", f"%(n)s {many or one + 's'}"), name


def _nodes(nodes: Iterable[Any]) -> Iterator[Any]:
    for node in nodes:
        yield node
        for name in dict.fromkeys((*node.child_nodelists, "nodelist")):  # a block tag of one's own names none
            yield from _nodes(getattr(node, name, None) or ())


def template_of(texts: Iterable[Text]) -> Catalog:
    """Return a catalog of the texts, with the files that have them and without translations."""
    catalog = Catalog(charset="utf-8")
    for text, name, *context in texts:
        catalog.add(text, locations=[(name, None)], context=context[0] if context else None)
    return catalog


def domains() -> dict[str, Catalog]:
    """Return the catalogs without translations, by domain."""
    from declared import declared, of_files

    phases = [*of_phases()]
    return {
        "django": template_of([*of_python(), *declared(), *phases, *of_templates()]),
        "djangojs": template_of([*of_scripts(), *of_files(), *phases]),
    }


def read(path: Path, language: str) -> Catalog:
    """Return the catalog of a file; an empty one if there is no file."""
    if not path.exists():
        return Catalog(locale=language, charset="utf-8")
    with path.open("rb") as file:
        return read_po(file, locale=language)


def compiled(catalog: Catalog) -> bytes:
    """Return the content of the `.mo` file, the same for the same translations."""
    catalog.creation_date = catalog.revision_date = SOME_DAY
    file = io.BytesIO()
    write_mo(file, catalog)
    return file.getvalue()


def update(path: Path, template: Catalog, language: str) -> int:
    """Bring a file up to date, and compile it. Return the number of texts without a translation."""
    old, catalog = read(path, language), Catalog(locale=language, charset="utf-8")
    for message in template:
        if message.id:
            known = old.get(message.id, message.context)
            locations = sorted(set(message.locations))
            catalog.add(message.id, known.string if known else None, locations=locations, context=message.context)
    file = io.BytesIO()
    write_po(file, catalog, width=0, omit_header=True, sort_by_file=True, include_lineno=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(HEADER.format(language=language, forms=catalog.plural_forms).encode() + file.getvalue())
    path.with_suffix(".mo").write_bytes(compiled(read(path, language)))
    return sum(not is_complete(each) for each in catalog if each.id)


def is_complete(message: Message) -> bool:
    """Return whether there is a translation, in each plural form."""
    return bool(message.string if isinstance(message.string, str) else message.string and all(message.string))


def main() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from django.conf import settings

    for domain, template in domains().items():
        for language, _ in settings.LANGUAGES:
            if language != settings.LANGUAGE_CODE:
                missing = update(LOCALE / language / "LC_MESSAGES" / f"{domain}.po", template, language)
                sys.stdout.write(f"{language} {domain}: {len(template)} texts, {missing} without a translation\n")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
