"""Functions that render tasks for annotators, without any field that tells control tasks from others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labeling.labels.items.records import content_of
from labeling.models import Item, Project, Task, User
from labeling.projects import visible_files
from labeling.queue import copy_answers
from labeling.queue.prompting import SUGGESTED, shown_answer, suggested_classes


def tasks_json(tasks: Sequence[Task], project: Project, user: User) -> list[dict[str, Any]]:
    """Render the tasks for the annotator `user`, in their order. At most two queries: class names and near-copies."""
    names = names_for(project, tasks)
    beside = copy_answers.shown_beside(project, tasks)
    shown = {task: [_copy_json(each, project, user) for each in copied] for task, copied in beside.items()}
    return [task_json(task, project, names, place, copies=shown.get(task.pk, ())) for place, task in enumerate(tasks)]


def task_json(
    task: Task,
    project: Project,
    class_names: Mapping[int, str],
    place: int = 0,
    *,
    copies: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """Render a task for an annotator, without the item's truth and without its kind (control, gold, check).

    Where the manager allows suggestions and the task is prompted, the task has a suggested answer: the item's imported
    suggestion, or the model's prediction, with the likeliest classes beside it where there are many. Control tasks are
    prompted as often as others, and all suggestions look alike.

    The task has no confidence, because control tasks have a higher one. It has no rank, because a late task would be
    recognised as one that another annotator answered; `place` is its position in this response. See
    docs/decisions/07-nothing-tells-a-task.md.
    """
    item = task.shown
    shown = _item_json(item, project)
    if project.near_copies:
        shown["copies"] = list(copies)
    if item.proposed is not None:
        shown["proposed"] = class_names[item.proposed]
    prompt = _shown_answer(task, project)
    if prompt is not None and _can_be_answered(prompt, project, class_names):
        shown["prediction"] = {"value": project.asks.show(prompt, class_names)}
        if classes := suggested_classes(project, prompt, task.likely):
            shown["suggestions"] = [class_names[index] for index in classes if index in class_names][:SUGGESTED]
    return {"id": task.pk, "item": shown, "batch": task.batch.number, "rank": place}


def _item_json(item: Item, project: Project) -> dict[str, Any]:
    return {"id": item.pk, **content_of(project, item)}


def _copy_json(item: Item, project: Project, user: User) -> dict[str, Any]:
    """Render a near-copy for `user`, with the signed key to its file."""
    shown = _item_json(item, project)
    if shown["media_url"]:
        shown["media_url"] += f"?key={visible_files.key_for(project, user, item.pk)}"
    return shown


def names_for(project: Project, tasks: Sequence[Task]) -> dict[int, str]:
    """Return the names of the classes that the tasks propose or suggest; no query if they show no class."""
    indices = {task.shown.proposed for task in tasks if task.shown.proposed is not None}
    for task in tasks:
        prompt = _shown_answer(task, project)
        if prompt is not None:
            indices.update(project.asks.classes_in(prompt), suggested_classes(project, prompt, task.likely))
    return project.class_names(indices, offered=not project.asks.proposes)


def _shown_answer(task: Task, project: Project) -> Any:
    return shown_answer(
        project,
        prompted=task.prompted,
        prompted_by=task.prompted_by,
        predicted=task.predicted,
        suggestion=task.shown.suggestion,
    )


def _can_be_answered(prompt: Any, project: Project, class_names: Mapping[int, str]) -> bool:
    """Return whether the project still offers all suggested classes; annotators cannot choose an archived class."""
    return class_names.keys() >= set(project.asks.classes_in(prompt))
