"""The answers and corrections of exported rows: a query each for a page of tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from labeling.outgoing.formats import Row
from labeling.storage.db.statements import as_moment, as_uuid_text, moment, one_of, rows

UNCORRECTED: tuple[Row, str | None] = ({"corrected_by": None, "corrected_at": None}, None)


class Asked(NamedTuple):
    """The number of a task's batch, and whether its annotators could see a suggested answer."""

    batch: int
    prompted: bool


class Answers(NamedTuple):
    """The answers of one task in the order of their times: annotations with a value, their stored values, skips."""

    annotations: list[Row]
    values: list[str]
    skips: list[Row]


def answers_of(tasks: Mapping[int, Asked], *, show: Callable[[str], Any], asked_again: bool) -> dict[int, Answers]:
    """Return the standing annotations of each task.

    `asked_again`: whether further tasks may ask about the items again; their answers are included. `show` turns a
    stored answer into its text.
    """
    by_task = {task: Answers([], [], []) for task in tasks}
    asked = dict(tasks)
    if asked_again:
        these, values = one_of("first.id", list(tasks))
        further = rows(
            "SELECT task.id, first.id, batch.number, task.prompted FROM labeling_task first "
            "JOIN labeling_task task ON task.repeats_id = first.item_id "
            f"JOIN labeling_batch batch ON batch.id = task.batch_id WHERE NOT task.is_gold AND {these}",
            values,
        )
        by_task |= {task: by_task[first] for task, first, _, _ in further}
        asked |= {task: Asked(number, bool(prompted)) for task, _, number, prompted in further}
    these, values = one_of("annotation.task_id", list(asked))
    sql = f"""
        SELECT annotation.task_id, annotation.id, person.username, annotation.value, annotation.skip_reason,
            annotation.seconds, annotation.flagged, annotation.guidelines_version,
            {moment("annotation.created_at")}
        FROM labeling_annotation annotation JOIN labeling_user person ON person.id = annotation.user_id
        WHERE annotation.undone_at IS NULL AND {these}
        ORDER BY annotation.created_at, annotation.id"""
    for task, pk, annotator, value, reason, seconds, flagged, guidelines, created_at in rows(sql, values):
        answers, (batch, prompted) = by_task[task], asked[task]
        if value is None:
            which, name, content = answers.skips, "reason", reason
        else:
            which, name, content = answers.annotations, "value", show(value)
            answers.values.append(value)
        which.append(
            {
                "id": as_uuid_text(pk),
                "annotator": annotator,
                name: content,
                "seconds": seconds,
                "flagged": flagged,
                "guidelines_version": guidelines,
                "created_at": as_moment(created_at),
                "batch": batch,
                "prompted": prompted,
            }
        )
    return by_task


def corrections_of(items: Sequence[int]) -> dict[int, tuple[Row, str | None]]:
    """Return the standing corrections of these items: their authors, times and labels."""
    these, values = one_of("correction.item_id", items)
    sql = f"""
        SELECT correction.item_id, correction.value, person.username, {moment("correction.created_at")}
        FROM labeling_correction correction JOIN labeling_user person ON person.id = correction.user_id
        WHERE correction.withdrawn_at IS NULL AND {these}"""
    return {
        item: ({"corrected_by": name, "corrected_at": as_moment(at)}, value)
        for item, value, name, at in rows(sql, values)
    }
