"""The index of what items say: filled behind the imports, and asked by `q`.

Its table is each database's own (FTS5 on SQLite, a tsvector with a GIN index on PostgreSQL); the words in it are the
same, made by `words.py`. How far it has come is one number a project, written in the same transaction as the words: a
worker that is killed at any moment loses nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import BooleanField, Exists, F, OuterRef
from django.db.models.expressions import RawSQL

from labeling.database import among
from labeling.items.words import Term, item_words
from labeling.models import Item, ItemIndex, Project
from labeling.models.items import ItemQuerySet
from labeling.statements import change, change_each, marks, rows

# Items that are indexed in one transaction: others wait for its end.
PART = 100
# Up to so many matches are looked up by their ids. Where there are more, items are asked one by one whether they
# match, in whatever order they are wanted: of a million, one in a hundred does.
FEW = 10_000
_PROJECT = "\ue001"  # a character of private use, as the marks of fields


@dataclass(frozen=True, slots=True)
class Matches:
    """The project's items in which all terms occur, as far as the index knows. `ids`: all of them, if they are few."""

    project: Project
    terms: tuple[Term, ...]
    ids: tuple[int, ...] | None

    def items(self) -> ItemQuerySet:
        """These items, in no order."""
        if self.ids is None:
            items: ItemQuerySet = self.project.items.filter(self.told_by_item()).order_by()
            return items
        # The sum keeps databases from walking through all of the project's items, where these few are all there is.
        return Item.objects.alias(of=F("project_id") + 0).filter(of=self.project.pk, pk__in=among(self.ids))

    def told_by_item(self) -> RawSQL:
        """For a query of items: whether each of them matches."""
        sql, values = _asks_item(self.terms)
        return RawSQL(sql, values, output_field=BooleanField())  # noqa: S611  constants, and places for values


def look_up(project: Project, terms: Sequence[Term]) -> Matches:
    """Look for the items in which all of these terms occur. One query."""
    sql, match = _asks_index(project, terms)
    ids = tuple(pk for (pk,) in rows(f"{sql} LIMIT {FEW + 1}", [match], planned_anew=True))
    return Matches(project, tuple(terms), ids if len(ids) <= FEW else None)


def unindexed(project: Project) -> ItemQuerySet:
    """The project's items that cannot be found by their words yet."""
    index = ItemIndex.objects.filter(project=project).first()
    items: ItemQuerySet = project.items.filter(pk__gt=index.indexed_to if index else 0)
    return items


def rewind(project: Project, first: int) -> None:
    """Have the items from this number on indexed again. Called in the transaction that adds items among them: an import
    that failed and is retried brings some in front of those that the index has come to.
    """
    ItemIndex.objects.filter(project=project, indexed_to__gte=first).update(indexed_to=first - 1)


def forget(ids: Sequence[int]) -> None:
    """Drop the words of these items. Called in the transaction that removes them."""
    key = "item_id" if connection.vendor == "postgresql" else "rowid"
    change(f"DELETE FROM labeling_itemwords WHERE {key} IN ({marks(len(ids))})", list(ids))  # noqa: S608  constants


def catch_up(seconds: float | None = None) -> None:
    """Index what is not indexed yet, for about so long; a part in each transaction, with a pause as long behind it."""
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
    """The index of each project that has items behind it."""
    ItemIndex.objects.bulk_create(
        [ItemIndex(project=project) for project in Project.objects.kept().filter(item_index=None)],
        ignore_conflicts=True,
    )
    later = Item.objects.filter(project=OuterRef("project"), pk__gt=OuterRef("indexed_to"))
    return list(
        ItemIndex.objects.filter(Exists(later), project__deleted_at=None).select_related("project").order_by("pk")
    )


def _index_part(index: ItemIndex) -> bool:
    """Index the next items of a project. Returns whether there were any."""
    project = index.project
    # Read in this order: whatever import brings items up to the last one is among those that are read behind it.
    last = project.items.order_by("-pk").values_list("pk", flat=True).first() or 0
    blocks = project.imports.reading().filter(first_number__isnull=False).order_by("first_number")
    first = blocks.values_list("first_number", flat=True).first()
    # An import brings the items of its block in no order: they wait for its end.
    end = last if first is None else min(last, first - 1)
    items = project.items.filter(pk__gt=index.indexed_to, pk__lte=end).order_by("pk")
    part = [(pk, item_words(name, data)) for pk, name, data in items.values_list("pk", "external_id", "data")[:PART]]
    if not part:
        return False
    with transaction.atomic():
        moved = ItemIndex.objects.filter(pk=index.pk, indexed_to=index.indexed_to).update(indexed_to=part[-1][0])
        if moved:
            _store(project, part)
    index.refresh_from_db(fields=["indexed_to"])  # another worker may have moved it, or an import put it back
    return True


def _store(project: Project, part: Iterable[tuple[int, list[str]]]) -> None:
    """Write the words of these items, in place of what there was under their numbers."""
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
    """A tsvector as text. PostgreSQL keeps at most 255 places of a word."""
    places: dict[str, list[str]] = {}
    for place, word in enumerate(words, 1):
        places.setdefault(word, []).append(str(place))
    return " ".join(f"'{word}':{','.join(each[:255])}" for word, each in places.items())


def _asks_index(project: Project, terms: Sequence[Term]) -> tuple[str, str]:
    """The statement that finds ids of items, with one place for what it looks for; and that."""
    scoped = [Term(((_project_word(project),),), prefix=False), *terms]
    if connection.vendor == "postgresql":
        return "SELECT item_id FROM labeling_itemwords WHERE words @@ %s::tsquery", _tsquery(scoped)
    match = " AND ".join("(" + " OR ".join(_fts5(phrase, term) for phrase in term.phrases) + ")" for term in scoped)
    return "SELECT rowid FROM labeling_itemwords WHERE labeling_itemwords MATCH %s", match


def _asks_item(terms: Sequence[Term]) -> tuple[str, list[str]]:
    """The condition that an item of the outer statement matches, and its values."""
    if connection.vendor == "postgresql":
        sql = "SELECT w.words @@ %s::tsquery FROM labeling_itemwords w WHERE w.item_id = labeling_item.id"
        return f"COALESCE(({sql}), FALSE)", [_tsquery(terms)]
    # Where FTS5 keeps its texts. To ask FTS5 itself for one item takes a hundred times as long.
    holds = " AND ".join(
        "(" + " OR ".join(["instr(' ' || w.c0 || ' ', %s) > 0"] * len(term.phrases)) + ")" for term in terms
    )
    values = [f" {' '.join(phrase)}{'' if term.prefix else ' '}" for term in terms for phrase in term.phrases]
    sql = f"SELECT {holds} FROM labeling_itemwords_content w WHERE w.id = labeling_item.id"  # noqa: S608  constants
    return f"COALESCE(({sql}), 0)", values


# Words are letters and digits: nothing in them has a meaning for either language of queries.


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
