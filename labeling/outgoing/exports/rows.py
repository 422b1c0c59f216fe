"""Pages of export rows, read by key: for each page one query for tasks, one for annotations and one for corrections.

A page has the state at the time of its queries. Batches that are done never change; people may answer tasks of an open
batch, or undo answers, while the export runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

import orjson
from django.core.exceptions import EmptyResultSet
from django.db import connection

from labeling import kinds
from labeling.intake.row_labels import ORIGIN
from labeling.labels.resolving.origins import Origin
from labeling.models import Copy, Project, Task
from labeling.models.tasks import PromptedBy
from labeling.outgoing.exports.answers import UNCORRECTED, Answers, Asked, answers_of, corrections_of
from labeling.outgoing.exports.choice import Choice
from labeling.outgoing.exports.columns import NOTHING, compact
from labeling.outgoing.exports.frozen_rows import manifest_of
from labeling.outgoing.exports.lineage import BatchFacts, History, Training, first_learned_by, history_of
from labeling.outgoing.exports.unasked_rows import (
    certified_among,
    certified_pages,
    chosen_copies,
    copy_pages,
    count_certified,
    count_copies,
    unasked,
)
from labeling.outgoing.exports.weights import Weights
from labeling.outgoing.formats import Page, Row
from labeling.storage.db.statements import among, as_moment, marks, moment, one_of, rows

PAGE = 500
LABELS_KEPT = 4096


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


@dataclass(frozen=True, slots=True)
class Export:
    """The values that all rows of an export share. `show` turns a stored answer into its text."""

    project: Project
    is_file: bool
    names: Mapping[int, str]
    show: Callable[[str], Any]
    weights: Weights
    trainings: list[Training]
    asked_again: bool
    """Whether some items have further tasks, which ask people about them again."""


def count_rows(project: Project, choice: Choice | None = None, *, at_most: int | None = None) -> int:
    """Count the rows of an export, up to `at_most` + 1 of each origin. Takes one query to three."""
    choice = choice or Choice()
    if dataset := choice.get("dataset"):
        return int(dataset.rows)
    tables, condition, values = chosen_tasks(project, choice)
    sql = f"SELECT 1 FROM {tables} WHERE {condition}"
    if at_most is not None:
        sql += " LIMIT %s"
        values.append(at_most + 1)
    [(count,)] = rows(f"SELECT COUNT(*) FROM ({sql}) counted", values)
    return int(count) + count_copies(project, choice) + count_certified(project, choice, at_most=at_most)


def chosen_tasks(project: Project, choice: Choice) -> tuple[str, str, list[Any]]:
    """Return the chosen tasks with their `item` as parts of a statement: the tables, the condition and its values."""
    condition, values = choice.condition()
    condition = f"batch.project_id = %s AND {condition}"
    if batches := choice.get("batch"):
        condition += f" AND batch.number IN ({marks(len(batches))})"
    tables = """labeling_task task JOIN labeling_item item ON item.id = task.item_id
        JOIN labeling_batch batch ON batch.id = task.batch_id"""
    return tables, condition, [project.pk, *values, *(batches or ())]


def fields_of(project: Project, choice: Choice, *, most: int, only: Sequence[int] | None = None) -> list[str]:
    """Return the names of the fields that the chosen items were imported with, at most `most`, the most frequent
    first. `only`: those of these items alone. One query, or two.
    """
    if dataset := choice.get("dataset"):
        return list(manifest_of(dataset)["fields"])[:most]
    on_postgres = connection.vendor == "postgresql"
    of_item = "jsonb_object_keys(item.data) AS field(key)" if on_postgres else "json_each(item.data) AS field"
    items = [chosen_tasks(project, choice)]
    if choice.get("certified"):
        with suppress(EmptyResultSet):  # Django's way to say that the filters leave no certified label
            keys, of_keys = unasked(project, choice).values("pk").query.sql_with_params()
            items.append(("labeling_item item", f"item.id IN ({keys})", list(of_keys)))
    counts: Counter[str] = Counter()
    for tables, condition, values in items:
        if only is not None:
            these = among(only)
            condition, values = f"{condition} AND item.id IN ({these.sql})", [*values, *these.params]
        sql = f"""
            SELECT field.key, COUNT(*) FROM {tables} JOIN {of_item} ON true WHERE {condition}
            GROUP BY field.key ORDER BY COUNT(*) DESC, field.key LIMIT %s"""
        counts.update(dict(rows(sql, [*values, most])))
    return [name for name, _ in counts.most_common(most)]


class _Names(dict[int, str]):
    """The names of a project's classes by index. A class that is added later is read when it is first asked for."""

    def __init__(self, project: Project) -> None:
        super().__init__(project.classes.values_list("index", "name"))
        self._project = project

    def __missing__(self, index: int) -> str:
        self[index] = name = self._project.classes.values_list("name", flat=True).get(index=index)
        return name


def names_of(project: Project, choice: Choice) -> Mapping[int, str]:
    """Return the names of the project's classes, by index: the present ones, or those of the chosen dataset version.
    At most one query.
    """
    if dataset := choice.get("dataset"):
        return {each["index"]: each["name"] for each in manifest_of(dataset)["classes"]}
    return _Names(project)


def pages(
    project: Project,
    choice: Choice | None = None,
    *,
    size: int = PAGE,
    names: Mapping[int, str] | None = None,
    history: History | None = None,
    items: Sequence[int] | None = None,
) -> Iterator[Page]:
    """Yield pages of the chosen rows (without a choice, all labeled items), by batch and rank, up to `size` rows each;
    then the certified labels by item. `names`: the names of the classes; None to read them. `history`: that of the
    project; None to read it. `items`: only the rows of these items, in any order.

    Takes at most eight queries, one for each `size` tasks of the batches, and two or three for each page.
    """
    choice = choice or Choice()
    names = names_of(project, choice) if names is None else names
    history = history or history_of(project)
    asks = project.asks
    # A label out of a few comes again and again; a set of classes may be new in every row.
    show = lru_cache(LABELS_KEPT)(lambda text: asks.show(orjson.loads(text), names))
    asked_again = Task.objects.further().filter(batch__project=project, is_gold=False).exists()
    is_file = kinds.get(project.kind).is_file
    shared = Export(project, is_file, names, show, history.weights, history.trainings, asked_again)

    def shown(label: Any) -> Any:
        return asks.show(project.follow(label), names)

    numbers = choice.get("batch")
    of_batch = {facts.id: facts for facts in history.facts if numbers is None or facts.number in numbers}
    reader = _Reader(choice, shared, shown, of_batch)
    copies = chosen_copies(project, choice).filter(batch__in=of_batch) if choice.get("copies") else Copy.objects.none()
    if items is not None:
        for start in range(0, len(items), size):
            part = items[start : start + size]
            yield from reader.pages(_tasks_among(part, choice), size)
            yield from copy_pages(copies.filter(item__in=among(part)), shown, is_file=shared.is_file, size=size)
            yield from certified_pages(project, choice, shown, names, is_file=shared.is_file, size=size, items=part)
        return
    for facts in of_batch.values():
        yield from reader.pages(_tasks_of(facts, choice, size), size)
        yield from copy_pages(copies.filter(batch=facts.id), shown, is_file=shared.is_file, size=size)
    yield from certified_pages(project, choice, shown, names, is_file=shared.is_file, size=size)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Turns chosen tasks into rows."""

    choice: Choice
    shared: Export
    shown: Callable[[Any], Any]
    batches: Mapping[int, BatchFacts]
    """By id."""

    def pages(self, chosen: Iterator[_Task], size: int) -> Iterator[Page]:
        """Yield pages of rows of these tasks; tasks of other batches than `batches` are left out."""
        shared = self.shared
        while read := list(islice(chosen, size)):
            tasks = [task for task in read if task.batch in self.batches]
            asked = {task.id: Asked(self.batches[task.batch].number, task.prompted) for task in tasks}
            answers = answers_of(asked, show=shared.show, asked_again=shared.asked_again)
            corrections = corrections_of([task.item for task in tasks])
            unlabeled = [task.item for task in tasks if task.label is None] if self.choice.get("certified") else []
            certified = certified_among(unlabeled, self.shown) if unlabeled else {}
            page = [
                _export_row(
                    task,
                    answers[task.id],
                    corrections.get(task.item, UNCORRECTED),
                    self.batches[task.batch],
                    shared,
                )
                for task in tasks
            ]
            for row in page if certified else ():
                row |= certified.get(row["item"], {})
            yield page


def _tasks_of(facts: BatchFacts, choice: Choice, size: int) -> Iterator[_Task]:
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
    while tasks := [_Task._make(row) for row in rows(sql, [*values, facts.id, rank])]:
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


def _export_row(
    task: _Task, answers: Answers, corrected: tuple[Row, str | None], facts: BatchFacts, shared: Export
) -> Row:
    correction, corrected_to = corrected
    values = answers.values if corrected_to is None else [corrected_to]
    is_control, is_labeled = task.is_control, task.label is not None
    weighs = is_control and is_labeled and not task.prompted
    return {
        **NOTHING,
        "item": task.item,
        "external_id": task.external_id,
        "source": task.source,
        # Text from here on: all formats hold the same characters, and numbers of any length survive.
        "data": compact(task.data),
        # A file of vectors holds many items, so its name does not identify one.
        "media": (task.media or None) if shared.is_file else None,
        "proposed": None if task.proposed is None else shared.names[task.proposed],
        "label": shared.show(task.label) if task.label is not None else None,
        "agreement": task.agreement,
        "label_probability": task.probability,
        "label_distribution": _distribution(task.distribution, shared),
        "annotations": answers.annotations,
        "skips": answers.skips,
        "batch": facts.number,
        "rank": task.rank,
        "model_version": facts.selected_by[task.selection],
        "learned_by": first_learned_by(values, correction["corrected_at"], facts, shared.trainings, shared.project)
        if is_labeled and not is_control
        else None,
        "is_control": is_control,
        "prompted": task.prompted,
        "prompted_by": _prompted_by(task),
        "control_probability": facts.control_probability if is_control else None,
        "control_weight": shared.weights.of(task.row) if weighs else None,
        "margin": task.margin,
        "cluster": task.cluster,
        "cluster_size": task.cluster_size,
        "draw_pass": task.draw_pass,
        "selection": task.selection,
        "imported": facts.imported,
        "labeled_at": as_moment(task.labeled_at),
        **correction,
        ORIGIN: _origin(correction, facts) if is_labeled else None,
    }


def _origin(correction: Row, facts: BatchFacts) -> Origin:
    if correction["corrected_by"] is not None:
        return Origin.CORRECTED
    return Origin.IMPORTED if facts.imported else Origin.PERSON


def _distribution(text: str | None, shared: Export) -> str | None:
    """Return pairs of an answer's text and its probability, as JSON text."""
    if text is None:
        return None
    pairs = orjson.loads(text)
    return orjson.dumps([[shared.show(orjson.dumps(value).decode()), p] for value, p in pairs]).decode()


def _prompted_by(task: _Task) -> str | None:
    """Return the source of the answer that a prompted task showed its annotators; None for other tasks."""
    if not task.prompted or task.prompted_by == PromptedBy.NOTHING:
        return None
    return task.prompted_by or PromptedBy.MODEL.value
