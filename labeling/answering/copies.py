"""Near-copies on the annotators' screens: which are shown beside an item, and what was answered to them.

Every task that shows an item shows its copies, whatever the task is for: they tell nothing of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from labeling.answering.task_rows import ITEM
from labeling.models import CopyAnswer, Item, Project
from labeling.statements import insert, marks, rows


class Word(NamedTuple):
    """What an annotation for this item says of other items on the screen, by their ids."""

    item: int
    annotation: object
    same: Collection[int]
    different: Collection[int]


def shown_beside(project: Project, items: Sequence[int]) -> dict[int, list[Item]]:
    """By item, its copies that may still get their label from it, nearest first. One query, none where copies are not
    shown.
    """
    if not project.near_copies or not items:
        return {}
    copy_rows = rows(
        f"""
        SELECT c.of_id, {ITEM.sql} FROM labeling_copy c JOIN labeling_item i ON i.id = c.item_id
        WHERE c.of_id IN ({marks(len(items))}) AND i.label IS NULL AND i.excluded_at IS NULL
        AND NOT EXISTS (SELECT 1 FROM labeling_task t WHERE t.item_id = i.id) ORDER BY c.of_id, c.height, c.id
        """,
        list(items),
    )
    shown: dict[int, list[Item]] = {}
    for source, *values in copy_rows:
        beside = shown.setdefault(source, [])
        if len(beside) < project.near_copies:
            beside.append(ITEM.read(values))
    return shown


def store(words: Iterable[Word]) -> None:
    """Store the answers to copies. Of items that are no copies of the one that was answered, nothing is stored: they
    may have been taken out since, and an answer is never lost for that.
    """
    # One request may answer two tasks that show the same item.
    words = [word for word in words if word.same or word.different]
    sources = {word.item for word in words}
    if not sources:
        return
    copies = rows(
        f"SELECT c.id, c.of_id, c.item_id FROM labeling_copy c WHERE c.of_id IN ({marks(len(sources))})",
        list(sources),
    )
    values = [
        (word.annotation, copy, item not in word.different)
        for word in words
        for copy, source, item in copies
        if source == word.item and (item in word.same or item in word.different)
    ]
    if values:
        insert(CopyAnswer, ("annotation", "copy", "same"), values)
