"""Tasks as annotators get them: what they may know of each, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labeling.answering import copies
from labeling.answering.prompting import SUGGESTED, shown_answer, suggested_classes
from labeling.items.clients import content_of
from labeling.models import Item, Project, Task, User
from labeling.projects import seeing


def tasks_json(tasks: Sequence[Task], project: Project, user: User) -> list[dict[str, Any]]:
    """What the annotator `user` may know of these tasks, in this order. At most two queries: class names and copies."""
    names = names_for(project, tasks)
    beside = copies.shown_beside(project, tasks)
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
    """What an annotator may know of a task: never its truth, nor whether it is a control task.

    It holds a suggested answer if the manager allows it and the task is prompted, which control tasks are as often as
    others: the suggestion that the item came with, or what the model predicts; where there are many classes, the
    likeliest beside it. All look alike. It never holds the model's confidence, which is higher on control tasks; nor
    its rank, by which a task that comes late would be known as one that somebody has answered: `place` is that in this
    reply.
    See docs/decisions/0023-nothing-tells-a-control-task.md.
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
    """A near-copy that is shown to `user`, with the key to its file."""
    shown = _item_json(item, project)
    if shown["media_url"]:
        shown["media_url"] += f"?key={seeing.key_for(project, user, item.pk)}"
    return shown


def names_for(project: Project, tasks: Sequence[Task]) -> dict[int, str]:
    """Names of the classes that the tasks propose, or of those offered that are suggested. No query where none are
    shown.
    """
    indices = {task.shown.proposed for task in tasks if task.shown.proposed is not None}
    if not project.asks.answers:
        for task in tasks:
            prompt = _shown_answer(task, project)
            if prompt is not None:
                indices |= set(prompt) if isinstance(prompt, list) else {prompt}
                indices |= set(suggested_classes(project, prompt, task.likely))
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
    """Whether all classes that are suggested are offered: nobody could choose one that was archived meanwhile."""
    return bool(project.asks.answers) or class_names.keys() >= set(prompt if isinstance(prompt, list) else [prompt])
