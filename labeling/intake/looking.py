"""Look into an open file before its import: its first rows as items, and the labels that it has. Changes nothing."""

import time
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from django.utils.formats import number_format
from django.utils.translation import gettext

from labeling.intake import answer_cells, row_labels
from labeling.intake.checking import check_record
from labeling.intake.drafts import Draft, Rejection
from labeling.intake.readers import Record, Source
from labeling.intake.readers.layout import LABELS_AS, NOTHING_LEFT
from labeling.intake.readers.tools import OUTCOMES, TOOLS
from labeling.intake.rules import Rules, folded
from labeling.kinds.wording import is_blank, whole
from labeling.labels.resolving.origins import Origin
from labeling.questions.base import MAX_NAME

FIRST = 5
"""The rows that are shown as items."""
FOLDERS = 12
"""The folders of files of which one file is shown."""
ROWS, SECONDS = 20_000, 3.0
"""The count of labels ends at the first of these."""
MOST_NAMES = 200
"""The unknown class names that are kept, unless the whole file is counted."""
FEW_NAMES, PLAIN_NAMES = 10, 50
NO_CLASS = frozenset({"unlabeled", "unlabelled", "unsorted", "unclassified"})
"""The folders of items without a class."""
_SHARE = 0.8  # of labeled rows in which a column must hold the label, to count as a copy of it


class FirstRow(NamedTuple):
    """One of the first rows: the item that it becomes, or the reason why not; and its label, "" for none."""

    where: str
    item: Draft | Rejection
    label: str


@dataclass
class LabelCounts:
    """The labels of the counted rows. `whole`: all rows were counted. `empty` rows hold nothing.

    Of an export, `answers` is their number, and labels that no person has given are counted apart: `certified` ones
    and those of near-`copies`. `unknown` are the names that are no classes of the project, with their numbers of rows,
    the most frequent first, and `unknown_rows` the rows that have one. `spellings` are the other spellings of a class,
    new or not, that are read as its name (`Rules.class_named`). `several`: a row has several labels. `telling`
    are the columns, "id" among them, in which annotators could read the label. `tools` counts the rows of each
    annotation tool by `OUTCOMES`; `question` is the one of several that is read.
    """

    rows: int = 0
    labels: int = 0
    answers: int = 0
    certified: int = 0
    copies: int = 0
    unlabeled: int = 0
    empty: int = 0
    unknown: dict[str, int] = field(default_factory=dict)
    unknown_rows: int = 0
    spellings: dict[str, list[str]] = field(default_factory=dict)
    telling: list[str] = field(default_factory=list)
    several: bool = False
    from_folders: bool = False
    whole: bool = True
    tools: dict[str, Counter[str]] = field(default_factory=dict)
    question: str = ""

    @property
    def recognized(self) -> list[str]:
        """The annotation tools that have written the rows, each with what their rows say of labels, in sentences."""
        return [sentence for name, outcomes in self.tools.items() for sentence in _recognized(name, outcomes, self)]

    @property
    def all_labeled(self) -> bool:
        """Whether each row has a label, of a class or not."""
        return self.whole and not self.unlabeled

    @property
    def look_like_texts(self) -> bool:
        """Whether the unknown names are so many that the column may hold no classes at all."""
        n = len(self.unknown)
        return n > PLAIN_NAMES or (n > FEW_NAMES and 2 * n > self.unknown_rows)


def first_rows(source: Source, rules: Rules) -> list[FirstRow]:
    """Return the first rows in the layout of the source. Raises `UnreadableFile`."""
    trusted = replace(source.layout, labels_as="trusted")
    rows = []
    for record in _shown(source, rules):
        item = check_record(source.in_layout(record, source.layout), rules, source)
        rows.append(FirstRow(record.where, item, _label_text(source.in_layout(record, trusted), rules, source)))
    return rows


def item_at(source: Source, rules: Rules, place: int) -> Draft | Rejection | None:
    """Return the item at this place among the first rows; None if there are fewer. Raises `UnreadableFile`."""
    record = next(islice(_shown(source, rules), place, None), None)
    return None if record is None else check_record(source.in_layout(record, source.layout), rules, source)


def _shown(source: Source, rules: Rules) -> Iterator[Record]:
    """Return the rows that are shown: the first ones; of files in folders one a class."""
    by_class: dict[tuple[str, ...], Record] = {}
    if source.truth_from_folder:
        for record in islice(source.known(), ROWS):
            by_class.setdefault(tuple(_names(record, rules, source)), record)
            if len(by_class) == FOLDERS:
                break
    return iter(by_class.values()) if len(by_class) > 1 else islice(source.known(), FIRST)


def count_labels(source: Source, rules: Rules, *, whole: bool = False) -> LabelCounts:
    """Count the labels in the layout of the source: of all rows if `whole`, else within limits.

    Raises `UnreadableFile`.
    """
    found, unknown, telling, spelled = LabelCounts(), Counter[str](), Counter[str](), Counter[str]()
    roots: set[str] = set()
    labeled = 0
    deadline = time.monotonic() + SECONDS
    trusted = replace(source.layout, labels_as="trusted")
    found.from_folders = source.truth_from_folder
    found.question = source.question if len(source.questions) > 1 else ""
    for record in (source.in_layout(each, trusted) for each in source.known()):
        # To open a file may take all the time: the rows that are shown are counted, even so.
        if not whole and found.rows >= FIRST and (found.rows >= ROWS or time.monotonic() > deadline):
            found.whole = False
            break
        found.rows += 1
        if record.outcome:
            found.tools.setdefault(record.tool, Counter())[record.outcome] += 1
        names = _names(record, rules, source)
        if found.from_folders and record.fields is not None:
            roots.add(str(record.fields.get("file_name")).partition("/")[0])
        if not names:
            is_empty = record.fields is not None and all(map(is_blank, record.fields.values()))
            found.empty += is_empty
            found.unlabeled += record.fields is not None and not is_empty
            continue
        origin = row_labels.unanswered(record.fields or {})
        if origin is not None:
            found.certified += origin == Origin.CERTIFIED
            found.copies += origin == Origin.COPY
            found.unlabeled += 1
            continue
        labeled += 1
        found.several |= len(names) > 1
        answers = _answers(record)
        found.answers += len(answers)
        missing = _missing(names, rules)
        found.labels += not missing
        spelled.update(names)
        unknown.update(missing or _missing(_values(answers, rules), rules))
        found.unknown_rows += bool(missing)
        if record.fields is not None and len(names) == 1:
            telling.update(_telling(record.fields, names[0]))
    if len(roots) == 1:  # the folder around all files names no class
        unsorted = unknown.pop(roots.pop(), 0)
        found.unlabeled += unsorted
        found.unknown_rows -= unsorted
        labeled -= unsorted
    unknown = _by_class(unknown)
    found.unknown = dict(unknown.most_common(None if whole else MOST_NAMES))
    found.spellings = _spellings(spelled, found.unknown, rules)
    found.telling = [column for column, n in telling.items() if n >= _SHARE * labeled and labeled > 1]
    return found


def _label_text(record: Record, rules: Rules, source: Source) -> str:
    """Return the label of a row in words, as the layout reads it; "" for none."""
    labels = _names(record, rules, source)
    if source.layout.unknown_labels == "unlabeled" and _missing(labels, rules):
        return ""
    names, origin = (
        ", ".join(rules.class_named(name) or name for name in labels),
        row_labels.unanswered(record.fields or {}),
    )
    if origin == Origin.COPY:
        return ""
    return gettext("%(names)s (suggested)") % {"names": names} if names and origin else names


def _answers(record: Record) -> list[Any]:
    """Return the answers of an exported row."""
    answers = answer_cells.as_json((record.fields or {}).get("annotations"))
    return answers if isinstance(answers, list) else []


def _values(answers: Iterable[Any], rules: Rules) -> list[str]:
    """Return the classes that these answers name."""
    values = [each.get("value") for each in answers if isinstance(each, dict)]
    return [name for value in values for name in _parts(value, rules)]


def _names(record: Record, rules: Rules, source: Source) -> list[str]:
    """Return the labels of a row as texts, including labels that are no classes."""
    if record.fields is None:
        return []
    if source.truth_from_folder:
        return _folder(record.fields.get("file_name"), rules)
    value: Any = answer_cells.as_json(answer_cells.as_answer(record.fields.get("label"), rules))
    if is_blank(value) or isinstance(value, answer_cells.ClassIndex):
        return []
    return _parts(value, rules)


def _parts(value: Any, rules: Rules) -> list[str]:
    """Return the class names in a cell, among them names that are no classes."""
    asks = rules.question
    return [_text(asks.named(part)) for part in asks.split(value) if not is_blank(part)]


def _missing(names: Iterable[str], rules: Rules) -> list[str]:
    return [name for name in names if not rules.question.proposes and rules.class_named(name) is None]


def _by_class(unknown: Counter[str]) -> Counter[str]:
    """Return the counts with one name for all that would be one class, the most frequent one."""
    chosen: dict[str, str] = {}
    merged = Counter[str]()
    for name, n in unknown.most_common():
        merged[chosen.setdefault(folded(name), name)] += n
    return merged


def _spellings(names: Iterable[str], unknown: Iterable[str], rules: Rules) -> dict[str, list[str]]:
    """Return the names that are spelled otherwise than the class that they are read as, by class."""
    new = {folded(name): name for name in unknown}
    spellings: dict[str, list[str]] = {}
    for name in names:
        read_as = rules.class_named(name) or new.get(folded(name), name)
        if read_as != name:
            spellings.setdefault(read_as, []).append(name)
    return spellings


def _folder(name: Any, rules: Rules) -> list[str]:
    """Return the nearest of the file's folders that names a class, or else the nearest one."""
    folders = PurePosixPath(unicodedata.normalize("NFC", str(name))).parts[-2::-1]
    known = next((folder for folder in folders if rules.class_named(folder) is not None), None)
    if known is not None:
        return [known]
    return [folder for folder in folders[:1] if folder.casefold() not in NO_CLASS]


def _text(value: Any) -> str:
    name = unicodedata.normalize("NFC", str(whole(value)).strip())
    return name[: MAX_NAME + 1]  # a longer name cannot be a class either


def _telling(fields: Mapping[str, Any], label: str) -> Iterator[str]:
    """Yield the columns in which annotators could read the label."""
    plain = label.casefold()
    for column, value in fields.items():
        if column in ("label", "class") or not isinstance(value, str | int) or len(str(value)) > 300:
            continue
        text = str(value).casefold()
        if text.strip() == plain or (column in ("id", "external_id") and len(plain) > 2 and plain in text):
            yield column


def _recognized(name: str, outcomes: Mapping[str, int], found: LabelCounts) -> Iterator[str]:
    tool = TOOLS[name]
    shown = [gettext(OUTCOMES[each]) % {"n": number_format(outcomes[each])} for each in OUTCOMES if outcomes.get(each)]
    of_tool = (
        gettext("Rows of %(tool)s: %(counts)s.") if found.whole else gettext("Rows of %(tool)s, at least: %(counts)s.")
    )
    yield of_tool % {"tool": tool.title, "counts": ", ".join(shown)}
    yield gettext(tool.meaning)
    if found.question:
        yield gettext("The file has several questions. Only “%(question)s” is imported.") % {"question": found.question}


def consequence(name: str, labels: str, *, is_all: bool) -> str:
    """Return the consequence of a use of labels; `labels` is their number in words, such as "300 labels".

    `is_all`: no item of the project is without a label then.
    """
    use = LABELS_AS[name]
    text = gettext(use.consequence).format(labels=labels)
    return f"{text} {gettext(NOTHING_LEFT)}" if use.settled and is_all else text
