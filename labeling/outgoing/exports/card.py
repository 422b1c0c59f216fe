"""The card of an exported dataset: a README.md that says what the rows are and where their labels come from."""

import datetime
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from labeling.intake.row_labels import ORIGIN
from labeling.labels.resolving.origins import Origin
from labeling.outgoing.exports.choice import Choice
from labeling.outgoing.exports.facts import Facts
from labeling.outgoing.exports.files import labels_of
from labeling.outgoing.exports.splits import SPLITS
from labeling.outgoing.formats import Row
from labeling.outgoing.formats.huggingface import front_matter
from labeling.questions import Question

_OF_CSV = {"columns", "delimiter"}
_MARKUP = re.compile(r"([\\`*_{}\[\]<>|#~&!$])")


@dataclass(frozen=True)
class Counts:
    """The numbers of rows that a card shows."""

    question: Question
    rows: Counter[str] = field(default_factory=Counter)
    """Of each split."""
    labels: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Of each class, by split. An item with several classes counts in each."""
    origins: Counter[str] = field(default_factory=Counter)
    pickers: Counter[str] = field(default_factory=Counter)
    days: set[datetime.date] = field(default_factory=set)
    """On which labels were given."""

    def add(self, row: Row) -> None:
        split, version = row["split"], row["model_version"]
        self.rows[split] += 1
        names = ["no label"] if row["label"] is None else labels_of(self.question, row) or ["no class"]
        self.labels[split].update(names)
        self.origins[row[ORIGIN] or "no label"] += 1
        if row["labeled_at"] is not None:
            self.days.add(row["labeled_at"].date())
        self.pickers["no model" if version is None else f"model version {version}"] += 1


def card_of(
    facts: Facts, counts: Counts, splits: Sequence[str], files: str, loading: str, schema: pa.Schema | None = None
) -> tuple[str, bytes]:
    """Return the README.md of a dataset. `files`: of a "{split}". `loading`: the code that loads the "{folder}"."""
    head = front_matter(facts.project.name, splits, files, schema)
    splits, classes = sorted(splits, key=SPLITS.index), facts.classes
    others = {name for of_split in counts.labels.values() for name in of_split}.difference(classes)
    numbers = {name: [counts.labels[split][name] for split in splits] for name in [*classes, *sorted(others)]}
    numbers["rows"] = [counts.rows[split] for split in splits]
    table = "\n".join(f"| {plain(name)} | {' | '.join(map(str, row))} |" for name, row in numbers.items())
    unseen = f"No person has looked at the rows of the splits that begin with `{Origin.CERTIFIED}`. "
    unseen = unseen if any(split.startswith(Origin.CERTIFIED) for split in splits) else ""
    text = f"""{head}
# {plain(facts.project.name)}

{facts.kind.plural.capitalize()} with labels, exported by Marginalia. Unpack the archive and load its folder:

```python
{loading.format(folder=facts.project.slug)}
```

## Classes

| class | {" | ".join(splits)} |
| --- |{" ---: |" * len(splits)}
{table}

The split of a row follows from the hash of its item's id, or of the item's field `group`: 80 % train, 10 % validation,
10 % test. The items of a group are in one split. An item without a group that Marginalia has shown as a near-copy is in
the split of the item that it was shown beside. Other items that look alike may be in different splits.

## Labels

{unseen}Rows by origin of the label (`origin`):
{_listed(counts.origins)}.

Rows by what picked the item (`model_version`): {_listed(counts.pickers)}. Rows with `is_control` are a random sample of
the pool; the others are not.

Filters of the export: {_filters(facts.choice) or "none, all labeled items"}.

## License

Unknown. State the license of the items before you share them.
"""
    return "README.md", text.encode()


def _filters(choice: Choice) -> str:
    chosen = {name: value for name, value in choice.values.items() if name not in _OF_CSV}
    return ", ".join(f"`{name}` {plain(_value(value))}" for name, value in chosen.items())


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{plain(name)} {n}" for name, n in sorted(counts.items())) or "no rows"


def _value(value: Any) -> str:
    if isinstance(value, frozenset):
        return ", ".join(map(str, sorted(value)))
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    return "yes" if value is True else str(value)


def plain(text: str) -> str:
    """Return the text on one line, with the signs of Markdown escaped."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))
