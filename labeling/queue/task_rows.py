"""Tasks, their items and batches, with only the columns that annotators' requests need."""

from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import NamedTuple

from labeling.models import Batch, Item, Project, Task, User
from labeling.storage.db.statements import Columns, marks, rows

# The columns that annotators' requests and the code for assignments read.
BATCH_FIELDS = (
    "id", "project_id", "number", "state", "size", "further", "remaining", "overlap", "overlap_max", "answers_expected",
    "opened_at", "in_parts",
)  # fmt: skip
BATCH = Columns(Batch, "b", only=BATCH_FIELDS)
TASK = Columns(
    Task,
    "t",
    only=(
        "id", "batch_id", "item_id", "repeats_id", "is_gold", "rank", "predicted", "likely", "prompted", "prompted_by",
        "copies_shown", "free", "outstanding",
    ),
)  # fmt: skip
ITEM = Columns(Item, "i", only=("id", "project_id", "external_id", "data", "media", "proposed", "suggestion"))


def tasks_with_items(ids: Sequence[int]) -> list[Task]:
    """Return the tasks with these ids and their items, in this order. Tasks that were dropped since the claim are left
    out.
    """
    if not ids:
        return []
    task_rows = rows(
        f"SELECT {TASK.sql}, {ITEM.sql} FROM labeling_task t "
        "JOIN labeling_item i ON i.id = COALESCE(t.item_id, t.repeats_id) "
        f"WHERE t.id IN ({marks(len(ids))})",
        ids,
    )
    tasks = {}
    for row in task_rows:
        task = TASK.read(row[: len(TASK)])
        task.shown = ITEM.read(row[len(TASK) :])
        tasks[task.pk] = task
    return [tasks[pk] for pk in ids if pk in tasks]


class Place(StrEnum):
    """The state of a user's assignment of a task."""

    HELD = "held"
    ENDED = "ended"
    ANSWERED = "answered"


class TaskOfUser(NamedTuple):
    """A task with its batch, and the state of the user's assignment; None if the user never held the task."""

    task: Task
    place: Place | None


def tasks_of_user(project: Project, ids: Collection[int], user: User) -> dict[int, TaskOfUser]:
    """Return the project's tasks with these ids, by id."""
    if not ids:
        return {}
    task_rows = rows(
        f"""
        SELECT CASE WHEN a.id IS NULL THEN NULL WHEN a.ended_at IS NOT NULL THEN 'ended'
            WHEN a.answered_at IS NULL THEN 'held' ELSE 'answered' END, {TASK.sql}, {BATCH.sql}
        FROM labeling_task t JOIN labeling_batch b ON b.id = t.batch_id
        LEFT JOIN labeling_assignment a ON a.task_id = t.id AND a.user_id = %s
        WHERE t.id IN ({marks(len(ids))}) AND b.project_id = %s
        """,
        [user.pk, *ids, project.pk],
    )
    tasks = {}
    for place, *row in task_rows:
        task = TASK.read(row[: len(TASK)])
        task.batch = BATCH.read(row[len(TASK) :])
        tasks[task.pk] = TaskOfUser(task, None if place is None else Place(place))
    return tasks
