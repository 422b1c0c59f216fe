"""Near-copies on the annotators' screens: the copies beside an item, and the answers to them.

Control, gold and ordinary tasks all show copies of their item, in similar numbers (`labeling.steps.batch_copies`), so
the copies do not identify the kind of a task.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from labeling.models import CopyAnswer, Item, Project, Task
from labeling.queue.task_rows import ITEM
from labeling.storage.db.statements import change, insert, marks, rows


class AnswerToCopies(NamedTuple):
    """An annotation of an item, and the ids of the copies on the screen that it applies to and does not apply to."""

    item: int
    annotation: object
    same: Collection[int]
    different: Collection[int]


def shown_beside(project: Project, tasks: Sequence[Task]) -> dict[int, list[Item]]:
    """Return, by task id, the near-copies of the task's item that the task shows, nearest first.

    Only copies without a label and without a task are shown, at most the number of the task and of the project. One
    query; none if the project shows no copies.

    The item of a check is itself a copy. Its task shows the other copies of its source, to which the answer does not
    apply: a task without copies would be recognised as a check.
    """
    if not project.near_copies or not tasks:
        return {}
    items = list({task.item_key for task in tasks})
    can_be_shown = """i.label IS NULL AND i.excluded_at IS NULL
        AND NOT EXISTS (SELECT 1 FROM labeling_task t WHERE t.item_id = i.id)"""
    copy_rows = rows(
        f"""
        SELECT c.of_id, c.height, c.id, {ITEM.sql} FROM labeling_copy c JOIN labeling_item i ON i.id = c.item_id
        WHERE c.of_id IN ({marks(len(items))}) AND {can_be_shown}
        UNION ALL
        SELECT k.item_id, c.height, c.id, {ITEM.sql} FROM labeling_copy k JOIN labeling_copy c ON c.of_id = k.of_id
        JOIN labeling_item i ON i.id = c.item_id
        WHERE k.item_id IN ({marks(len(items))}) AND k.is_check AND c.id <> k.id AND {can_be_shown}
        ORDER BY 1, 2, 3
        """,
        [*items, *items],
    )
    copies: dict[int, list[Item]] = {}
    for source, _, _, *values in copy_rows:
        copies.setdefault(source, []).append(ITEM.read(values))
    return {task.pk: copies.get(task.item_key, [])[: _most(project, task)] for task in tasks}


def _most(project: Project, task: Task) -> int:
    return project.near_copies if task.copies_shown is None else min(project.near_copies, task.copies_shown)


def store_copy_answers(answers: Iterable[AnswerToCopies]) -> None:
    """Store the answers to copies. Ids of items that are no copies of the answered item are ignored: the copies may
    have been removed since the claim, and the annotation must still be accepted.
    """
    # One request may answer two tasks with the same item.
    answers = [each for each in answers if each.same or each.different]
    sources = {each.item for each in answers}
    if not sources:
        return
    copies = rows(
        f"SELECT c.id, c.of_id, c.item_id FROM labeling_copy c WHERE c.of_id IN ({marks(len(sources))})",
        list(sources),
    )
    values = [
        (each.annotation, copy, item not in each.different)
        for each in answers
        for copy, source, item in copies
        if source == each.item and (item in each.same or item in each.different)
    ]
    if values:
        insert(CopyAnswer, ("annotation", "copy", "same"), values)
    else:  # a check takes as many statements as other tasks, so that the time of the reply does not identify it
        change(f"UPDATE labeling_copy SET is_check = is_check WHERE item_id IN ({marks(len(sources))})", list(sources))
