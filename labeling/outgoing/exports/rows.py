"""Pages of export rows, read by key: for each page one query for tasks, one for annotations and one for corrections.

A page has the state at the time of its queries. Batches that are done never change; people may answer tasks of an open
batch, or undo answers, while the export runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

from labeling.intake.row_labels import ORIGIN
from labeling.labels.resolving.origins import Origin
from labeling.models import Batch, Project, Task
from labeling.models.tasks import PromptedBy
from labeling.outgoing.exports.choice import Choice
from labeling.outgoing.exports.chosen import chosen_copies
from labeling.outgoing.exports.columns import HOW, NOTHING, answer_fields, compact
from labeling.outgoing.exports.facts import Facts, facts_of
from labeling.outgoing.exports.lineage import BatchFacts, History, first_learned_by, history_of
from labeling.outgoing.exports.unasked_rows import certified_among, certified_pages, copy_pages
from labeling.outgoing.formats import Page, Row
from labeling.storage.db.statements import among, as_moment, as_uuid_text, moment, one_of, rows

PAGE = 500
LABELS_KEPT = 4096
ANSWER = tuple(answer_fields("value", pa.null()))
SKIP = tuple(answer_fields("reason", pa.null()))

UNCORRECTED: tuple[Row, str | None] = ({"corrected_by": None, "corrected_at": None}, None)


class _Task(NamedTuple):
    """A task and its item as the database has them: `data` and `label` are JSON."""

    chosen: bool | None
    id: int
    batch: int
    item: int
    rank: int
    is_control: bool
    prompted: bool
    prompted_by: str
    margin: float | None
    cluster: int | None
    cluster_size: int | None
    draw_pass: int | None
    selection: int
    row: int | None
    external_id: str
    source: str
    data: str
    media: str
    proposed: int | None
    label: str | None
    agreement: float | None
    probability: float | None
    distribution: str | None
    labeled_at: Any


def pages(
    project: Project,
    choice: Choice | None = None,
    *,
    size: int = PAGE,
    facts: Facts | None = None,
    history: History | None = None,
    items: Sequence[int] | None = None,
) -> Iterator[Page]:
    """Yield pages of the chosen rows (without a choice, all labeled items), by batch and rank, up to `size` rows each;
    then the certified labels by item. `facts`, `history`: those of the export and the project; None to read them.
    `items`: only the rows of these items, in any order.

    Takes at most eight queries, one for each `size` tasks of the batches, and two or three for each page.
    """
    choice = choice or Choice()
    reader = _Reader(facts or facts_of(project, choice), history or history_of(project))
    copies = chosen_copies(project, choice).filter(batch__in=reader.batches)
    if items is not None:
        for start in range(0, len(items), size):
            part = items[start : start + size]
            yield from reader.pages(_tasks_among(part, choice), size)
            yield from copy_pages(reader.facts, copies.filter(item__in=among(part)), size)
            yield from certified_pages(reader.facts, size, items=part)
        return
    for of_batch in reader.batches.values():
        yield from reader.pages(_tasks_of(of_batch.batch, choice, size), size)
        yield from copy_pages(reader.facts, copies.filter(batch=of_batch.batch), size)
    yield from certified_pages(reader.facts, size)


class _Reader:
    """Turns chosen tasks into rows. `batches`: the chosen ones by id."""

    def __init__(self, facts: Facts, history: History) -> None:
        asks, numbers = facts.question, facts.choice.get("batch")
        self.facts, self._history = facts, history
        self.batches = {
            each.batch.pk: each for each in history.batches if numbers is None or each.batch.number in numbers
        }
        # A label out of a few comes again and again; a set of classes may be new in every row.
        self._show = lru_cache(LABELS_KEPT)(lambda text: asks.show(orjson.loads(text), facts.names))
        self._asked_again = Task.objects.further().filter(batch__project=facts.project, is_gold=False).exists()

    def pages(self, chosen: Iterator[_Task], size: int) -> Iterator[Page]:
        """Yield pages of rows of these tasks; tasks of other batches than `batches` are left out."""
        while read := list(islice(chosen, size)):
            tasks = [task for task in read if task.batch in self.batches]
            asked = {task.id: Asked(self.batches[task.batch].batch.number, task.prompted) for task in tasks}
            answers = answers_of(asked, show=self._show, asked_again=self._asked_again)
            corrections = corrections_of([task.item for task in tasks])
            page = [self._row(task, answers[task.id], *corrections.get(task.item, UNCORRECTED)) for task in tasks]
            unlabeled = [task.item for task in tasks if task.label is None]
            if unlabeled and self.facts.choice.get("certified"):
                certified = certified_among(self.facts, unlabeled)
                for row in page:
                    row |= certified.get(row["item"], {})
            yield page

    def _row(self, task: _Task, answers: Answers, correction: Row, corrected_to: str | None) -> Row:
        of_batch = self.batches[task.batch]
        values = answers.values if corrected_to is None else [corrected_to]
        is_control, is_labeled = task.is_control, task.label is not None
        weighs = is_control and is_labeled and not task.prompted
        learned_by = None
        if is_labeled and not is_control:
            learned_by = first_learned_by(
                values, correction["corrected_at"], of_batch, self._history, self.facts.project
            )
        return {
            **NOTHING,
            "item": task.item,
            "external_id": task.external_id,
            "source": task.source,
            # Text from here on: all formats hold the same characters, and numbers of any length survive.
            "data": compact(task.data),
            "media": self.facts.media(task.media),
            "proposed": None if task.proposed is None else self.facts.names[task.proposed],
            "label": None if task.label is None else self._show(task.label),
            "agreement": task.agreement,
            "label_probability": task.probability,
            "label_distribution": self._distribution(task.distribution),
            "annotations": answers.annotations,
            "skips": answers.skips,
            "batch": of_batch.batch.number,
            "rank": task.rank,
            "model_version": of_batch.selected_by[task.selection],
            "learned_by": learned_by,
            "is_control": is_control,
            "prompted": task.prompted,
            "prompted_by": _prompted_by(task),
            "control_probability": of_batch.control_probability if is_control else None,
            "control_weight": self._history.weights.of(task.row) if weighs else None,
            "margin": task.margin,
            "cluster": task.cluster,
            "cluster_size": task.cluster_size,
            "draw_pass": task.draw_pass,
            "selection": task.selection,
            "imported": of_batch.imported,
            "labeled_at": as_moment(task.labeled_at),
            **correction,
            ORIGIN: _origin(correction, of_batch) if is_labeled else None,
        }

    def _distribution(self, text: str | None) -> str | None:
        """Return pairs of an answer's text and its probability, as JSON text."""
        if text is None:
            return None
        pairs = orjson.loads(text)
        return orjson.dumps([[self._show(orjson.dumps(value).decode()), p] for value, p in pairs]).decode()


def _tasks_of(batch: Batch, choice: Choice, size: int) -> Iterator[_Task]:
    """Yield the tasks of a batch that were chosen, by rank; `size` of the batch are read at a time.

    Whether a task is chosen is a column, not a condition. By statistics that are older than the labels, PostgreSQL
    would expect few chosen tasks, and look for them in the whole batch, page by page. The number of tasks is part of
    the statement, so that a prepared plan knows it.
    """
    condition, values = choice.condition()
    sql = f"""
        SELECT ({condition}), {_columns()}
        FROM (SELECT * FROM labeling_task WHERE batch_id = %s AND rank > %s ORDER BY rank LIMIT {size:d}) task
        JOIN labeling_item item ON item.id = task.item_id ORDER BY task.rank"""
    rank = -1
    while tasks := [_Task._make(row) for row in rows(sql, [*values, batch.pk, rank])]:
        yield from (task for task in tasks if task.chosen)
        if len(tasks) < size:
            return
        rank = tasks[-1].rank


def _tasks_among(items: Sequence[int], choice: Choice) -> Iterator[_Task]:
    """Return the chosen tasks of these items."""
    condition, values = choice.condition()
    these, keys = one_of("task.item_id", list(items))
    sql = f"""
        SELECT ({condition}), {_columns()}
        FROM labeling_task task JOIN labeling_item item ON item.id = task.item_id WHERE {these}"""
    return (task for task in (_Task._make(row) for row in rows(sql, [*values, *keys])) if task.chosen)


def _columns() -> str:
    """Return the columns of `_Task` after the first."""
    return f"""task.id, task.batch_id, task.item_id, task.rank, task.is_control, task.prompted, task.prompted_by,
            task.margin, task.cluster, task.cluster_size, task.draw_pass, task.selection, item."row", item.external_id,
            item.source, item.data, item.media, item.proposed, item.label, item.agreement, item.label_probability,
            item.label_distribution, {moment("item.labeled_at")}"""


def _origin(correction: Row, facts: BatchFacts) -> Origin:
    if correction["corrected_by"] is not None:
        return Origin.CORRECTED
    return Origin.IMPORTED if facts.imported else Origin.PERSON


def _prompted_by(task: _Task) -> str | None:
    """Return the source of the answer that a prompted task showed its annotators; None for other tasks."""
    if not task.prompted or task.prompted_by == PromptedBy.NOTHING:
        return None
    return task.prompted_by or PromptedBy.MODEL.value


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
    """Return the standing annotations of each task, and if `asked_again` also those of further tasks about its item.
    `show` turns a stored answer into its text.
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
        SELECT annotation.task_id, annotation.value, annotation.skip_reason, annotation.id, person.username,
            {moment("annotation.created_at")}, {", ".join(f"annotation.{name}" for name in HOW)}
        FROM labeling_annotation annotation JOIN labeling_user person ON person.id = annotation.user_id
        WHERE annotation.undone_at IS NULL AND {these}
        ORDER BY annotation.created_at, annotation.id"""
    for task, value, reason, pk, annotator, created_at, *how in rows(sql, values):
        answers = by_task[task]
        if value is None:
            which, names, content = answers.skips, SKIP, reason
        else:
            which, names, content = answers.annotations, ANSWER, show(value)
            answers.values.append(value)
        fields = (as_uuid_text(pk), annotator, content, *how, as_moment(created_at), *asked[task])
        which.append(dict(zip(names, fields, strict=True)))
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
