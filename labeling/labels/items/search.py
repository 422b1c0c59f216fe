"""The full-text index of items, which the worker fills after imports and the filter `q` searches.

SQLite uses an FTS5 table, PostgreSQL a tsvector with a GIN index; both hold the words from `words.py`. One number for
each project, the last indexed id, is written in the same transaction as the words, so a killed worker loses nothing.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import BooleanField, Exists, F, OuterRef
from django.db.models.expressions import RawSQL

from labeling import kinds
from labeling.labels.items.words import Term, item_words
from labeling.models import Item, ItemIndex, Project
from labeling.models.items import ItemQuerySet
from labeling.storage.db.long_writes import held_seconds, keep_log_short
from labeling.storage.db.statements import among, change, change_each, marks, rows

# Items that one transaction indexes: other writers wait for its end.
PART = 100
# Pages of SQLite's index that one transaction writes anew.
MERGED_PAGES = 500
# Up to this many matches are listed by id. With more matches, queries check item by item, in their own order: then at
# least one in a hundred of a million items matches.
FEW = 10_000
_PROJECT = "\ue001"  # a private-use character, like the marks of fields


@dataclass(frozen=True, slots=True)
class Matches:
    """The project's indexed items that contain all terms. `ids`: their ids, or None for more than `FEW` items."""

    project: Project
    terms: tuple[Term, ...]
    ids: tuple[int, ...] | None

    def items(self) -> ItemQuerySet:
        """Return the matching items, unordered."""
        if self.ids is None:
            items: ItemQuerySet = self.project.items.filter(self.told_by_item()).order_by()
            return items
        # The sum keeps the databases from the index on `project`, which would scan all items of the project.
        return Item.objects.alias(of=F("project_id") + 0).filter(of=self.project.pk, pk__in=among(self.ids))

    def told_by_item(self) -> RawSQL:
        """Return an expression for a query of items: whether the item matches."""
        sql, values = _asks_item(self.terms)
        return RawSQL(sql, values, output_field=BooleanField())  # noqa: S611  constants, and places for values


def look_up(project: Project, terms: Sequence[Term]) -> Matches:
    """Search for the items that contain all these terms. One query."""
    sql, match = _asks_index(project, terms)
    ids = tuple(pk for (pk,) in rows(f"{sql} LIMIT {FEW + 1}", [match], planned_anew=True))
    return Matches(project, tuple(terms), ids if len(ids) <= FEW else None)


def unindexed(project: Project) -> ItemQuerySet:
    """Return the project's items that are not indexed yet."""
    index = ItemIndex.objects.filter(project=project).first()
    items: ItemQuerySet = project.items.filter(pk__gt=index.indexed_to if index else 0)
    return items


def rewind(project: Project, first: int) -> None:
    """Mark the items from the id `first` on to be indexed again. Call it in the transaction that adds the items.

    The retry of a failed import adds items with ids below the last indexed id.
    """
    ItemIndex.objects.filter(project=project, indexed_to__gte=first).update(indexed_to=first - 1)


def forget_words(ids: Sequence[int]) -> None:
    """Remove the words of these items. Call it in the transaction that removes the items."""
    key = "item_id" if connection.vendor == "postgresql" else "rowid"
    change(f"DELETE FROM labeling_itemwords WHERE {key} IN ({marks(len(ids))})", list(ids))  # noqa: S608  constants


def drop_forgotten() -> None:
    """Write SQLite's index anew, in parts, without the words that only forgotten items have: FTS5 marks these words as
    removed, and keeps them. Does nothing on PostgreSQL.
    """
    if connection.vendor == "postgresql":
        return
    pages = -MERGED_PAGES  # negative: all parts of the index are to become one
    while True:
        began = time.monotonic()
        with connection.cursor() as cursor:
            before = cursor.connection.total_changes
            cursor.execute("INSERT INTO labeling_itemwords (labeling_itemwords, rank) VALUES ('merge', %s)", [pages])
            changes = cursor.connection.total_changes - before
        if changes < 2:  # as FTS5 documents it
            return
        pages = MERGED_PAGES
        time.sleep(held_seconds(began))
        keep_log_short()


def catch_up(seconds: float | None = None) -> None:
    """Index new items of all projects, for about `seconds`, or until all are indexed.

    Each transaction indexes `PART` items; a pause as long as the transaction follows it.
    """
    until = None if seconds is None else time.monotonic() + seconds
    for index in _indexes_behind():
        began = time.monotonic()
        while _index_part(index):
            now = time.monotonic()
            if until is not None and now > until:
                return
            time.sleep(now - began)
            began = time.monotonic()


def _indexes_behind() -> list[ItemIndex]:
    ItemIndex.objects.bulk_create(
        [ItemIndex(project=project) for project in Project.objects.kept().filter(item_index=None)],
        ignore_conflicts=True,
    )
    later = Item.objects.filter(project=OuterRef("project"), pk__gt=OuterRef("indexed_to"))
    return list(
        ItemIndex.objects.filter(Exists(later), project__deleted_at=None).select_related("project").order_by("pk")
    )


def _index_part(index: ItemIndex) -> bool:
    """Index the next `PART` items of a project. Returns False if no item is left to index."""
    project = index.project
    # Read the last id first: then the imports that are read next include every import that adds items up to that id.
    last = project.items.order_by("-pk").values_list("pk", flat=True).first() or 0
    blocks = project.imports.reading().filter(first_number__isnull=False).order_by("first_number")
    first = blocks.values_list("first_number", flat=True).first()
    # An import adds the items of its block in any order: index them only after the import.
    end = last if first is None else min(last, first - 1)
    items = project.items.filter(pk__gt=index.indexed_to, pk__lte=end).order_by("pk")
    kind = kinds.of(project)
    part = [
        (pk, item_words(name, data, source if kind.names_file(source) else ""))
        for pk, name, data, source in items.values_list("pk", "external_id", "data", "source")[:PART]
    ]
    if not part:
        return False
    with transaction.atomic():
        moved = ItemIndex.objects.filter(pk=index.pk, indexed_to=index.indexed_to).update(indexed_to=part[-1][0])
        if moved:
            _store_words(project, part)
    index.refresh_from_db(fields=["indexed_to"])  # another worker may have moved it on, or an import rewound it
    return True


def _store_words(project: Project, part: Iterable[tuple[int, list[str]]]) -> None:
    """Write the words of these items, in place of earlier words of the same ids."""
    mark = _project_word(project)
    if connection.vendor == "postgresql":
        change_each(
            "INSERT INTO labeling_itemwords (item_id, words) VALUES (%s, %s::tsvector) "
            "ON CONFLICT (item_id) DO UPDATE SET words = excluded.words",
            [(pk, _vector([mark, *words])) for pk, words in part],
        )
    else:
        change_each(
            "INSERT OR REPLACE INTO labeling_itemwords (rowid, words) VALUES (%s, %s)",
            [(pk, " ".join([mark, *words])) for pk, words in part],
        )


def _vector(words: Iterable[str]) -> str:
    """Return the text of a tsvector. PostgreSQL keeps at most 255 positions of a word."""
    places: dict[str, list[str]] = {}
    for place, word in enumerate(words, 1):
        places.setdefault(word, []).append(str(place))
    return " ".join(f"'{word}':{','.join(each[:255])}" for word, each in places.items())


def _asks_index(project: Project, terms: Sequence[Term]) -> tuple[str, str]:
    """Return the SQL that finds the ids of items with these terms, and its one parameter."""
    scoped = [Term(((_project_word(project),),), prefix=False), *terms]
    if connection.vendor == "postgresql":
        return "SELECT item_id FROM labeling_itemwords WHERE words @@ %s::tsquery", _tsquery(scoped)
    match = " AND ".join("(" + " OR ".join(_fts5(phrase, term) for phrase in term.phrases) + ")" for term in scoped)
    return "SELECT rowid FROM labeling_itemwords WHERE labeling_itemwords MATCH %s", match


def _asks_item(terms: Sequence[Term]) -> tuple[str, list[str]]:
    """Return the SQL condition that an item of the outer statement contains these terms, and its parameters."""
    if connection.vendor == "postgresql":
        sql = "SELECT w.words @@ %s::tsquery FROM labeling_itemwords w WHERE w.item_id = labeling_item.id"
        return f"COALESCE(({sql}), FALSE)", [_tsquery(terms)]
    # The content table of FTS5: a MATCH for one item takes a hundred times as long.
    holds = " AND ".join(
        "(" + " OR ".join(["instr(' ' || w.c0 || ' ', %s) > 0"] * len(term.phrases)) + ")" for term in terms
    )
    values = [f" {' '.join(phrase)}{'' if term.prefix else ' '}" for term in terms for phrase in term.phrases]
    sql = f"SELECT {holds} FROM labeling_itemwords_content w WHERE w.id = labeling_item.id"  # noqa: S608  constants
    return f"COALESCE(({sql}), 0)", values


# Words are letters and digits, so they need no quoting in either query language.


def _tsquery(terms: Iterable[Term]) -> str:
    return " & ".join(
        "("
        + " | ".join(
            " <-> ".join(f"'{word}'" for word in phrase) + (":*" if term.prefix else "") for phrase in term.phrases
        )
        + ")"
        for term in terms
    )


def _fts5(phrase: Sequence[str], term: Term) -> str:
    return f'"{" ".join(phrase)}"{" *" if term.prefix else ""}'


def _project_word(project: Project) -> str:
    return f"{_PROJECT}{project.pk}"
