"""The labeling endpoints: claim, annotations, skip, release, undo, progress; and tasks as annotators get them."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from labeling.api.label import shapes
from labeling.api.label.parsing import names_sent, parse_answers, parse_skip
from labeling.api.shared.endpoints import ProjectView, answers
from labeling.api.shared.visible import visible
from labeling.insight.progress import progress_of
from labeling.labels.items.records import content_of
from labeling.models import Ability, Item, Project, Task, User
from labeling.models.project_settings import MAX_CLASSES
from labeling.projects import visible_files
from labeling.questions import InvalidValue
from labeling.queue import copy_answers, queue, submitting
from labeling.queue.answer import Outcome
from labeling.queue.person import count_claim, daily_limit_of
from labeling.queue.prompting import SUGGESTED, shown_answer, suggested_classes


class Claim(ProjectView):
    """Claim tasks to answer: first the caller's unanswered tasks, then free tasks in the order of the batch."""

    @answers(shapes.ClaimResponse, needs=Ability.TASKS_ANSWER, takes=shapes.ClaimRequest)
    def post(self) -> Response:
        claim = queue.ON_HOLD
        if self.membership.paused_at is None:
            claim = queue.claim(
                project=self.project, user=self.user, daily_limit=daily_limit_of(self.membership), **self.body
            )
        count_claim(self.membership, claim.reason, timezone.now())
        body: dict[str, Any] = {
            "batch": claim.batch.number if claim.batch else None,
            "open_batches": list(claim.open_batches),
            "tasks": tasks_json(claim.tasks, self.project, self.user),
            "lease_expires_at": claim.lease_expires_at,
            "claimed_at": claim.claimed_at,
            "remaining": claim.remaining,
            "class_revision": self.project.class_revision,
            "guidelines_version": self.project.guidelines_version,
        }
        if claim.reason:
            body["reason"] = claim.reason
        if claim.limit is not None:
            body["limit"] = {"answers": claim.limit.answers, "free_from": claim.limit.free_from}
        return Response(body)


class Annotations(ProjectView):
    """Submit answers. Each answer is accepted or rejected by itself; a repeated answer counts once."""

    @answers(shapes.SubmitResponse, needs=Ability.TASKS_ANSWER, takes=shapes.AnnotationsRequest)
    def post(self) -> Response:
        annotations = self.request.data.get("annotations") if isinstance(self.request.data, dict) else None
        if not isinstance(annotations, list):
            raise ValidationError({"annotations": "Send a list of annotations."})
        if len(annotations) > shapes.MAX_ANSWERS:
            raise ValidationError({"annotations": f"At most {shapes.MAX_ANSWERS} annotations in one request."})
        if names_sent(self.project, annotations) > MAX_CLASSES:
            raise ValidationError({"annotations": f"At most {MAX_CLASSES:,} class names in one request."})
        parsed, refused = parse_answers(self.project, annotations)
        outcome = submitting.submit(project=self.project, user=self.user, answers=parsed)
        return Response(_outcome_json(self.project, outcome, refused))


class Skip(ProjectView):
    """Skip a task and give the reason. A skip counts as one of the task's answers."""

    @answers(shapes.SubmitResponse, needs=Ability.TASKS_ANSWER, takes=shapes.SkipRequest)
    def post(self) -> Response:
        values = self.body
        try:
            answer = parse_skip(self.project, values)
        except InvalidValue as error:
            refused = {"id": str(values["id"]) if "id" in values else None, "code": "invalid", "detail": str(error)}
            return Response(_outcome_json(self.project, Outcome(), [refused]))
        outcome = submitting.submit(project=self.project, user=self.user, answers=[answer])
        return Response(_outcome_json(self.project, outcome, []))


class Release(ProjectView):
    """Release the caller's tasks, so that other annotators can claim them at once."""

    @answers(shapes.ReleaseResponse, needs=Ability.TASKS_ANSWER, takes=shapes.ReleaseRequest)
    def post(self) -> dict[str, int]:
        tasks, claimed_at = self.body.get("tasks"), self.body.get("claimed_at")
        return {"released": queue.release(project=self.project, user=self.user, task_ids=tasks, claimed_at=claimed_at)}


class AnnotationDetail(ProjectView):
    """Withdraw the caller's answer or skip while the batch is open, and return its task, assigned to the caller."""

    @answers(shapes.ClaimedTask, needs=Ability.TASKS_ANSWER)
    def delete(self, annotation_id: uuid.UUID) -> Response:
        task = queue.undo(project=self.project, user=self.user, annotation_id=annotation_id)
        return Response(tasks_json([task], self.project, self.user)[0])


class Progress(ProjectView):
    """Return the progress of the project and of the caller: batch, background step with its share and time left,
    counts.
    """

    @answers(shapes.ProgressResponse, needs=Ability.PROJECT_READ)
    def get(self) -> Response:
        return Response(visible("ProgressResponse", progress_of(self.project, self.user), self.membership))


def _outcome_json(project: Project, outcome: Outcome, refused: list[dict[str, Any]]) -> dict[str, Any]:
    rejected = [{"id": str(r.id), "code": r.code, "detail": r.detail} for r in outcome.rejected]
    return {
        "accepted": [str(accepted) for accepted in outcome.accepted],
        "rejected": refused + rejected,
        "class_revision": project.class_revision,
    }


def tasks_json(tasks: Sequence[Task], project: Project, user: User) -> list[dict[str, Any]]:
    """Render the tasks for the annotator `user`, in their order. At most two queries: class names and near-copies."""
    names = _names_for(project, tasks)
    beside = copy_answers.shown_beside(project, tasks)
    shown = {task: [_copy_json(each, project, user) for each in copied] for task, copied in beside.items()}
    return [_task_json(task, project, names, place, shown.get(task.pk, [])) for place, task in enumerate(tasks)]


def _task_json(
    task: Task, project: Project, class_names: Mapping[int, str], place: int, copies: list[dict[str, Any]]
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
        shown["copies"] = copies
    if item.proposed is not None:
        shown["proposed"] = class_names[item.proposed]
    prompt = _shown_answer(task, project)
    # Annotators cannot choose an archived class, so that none is suggested.
    if prompt is not None and class_names.keys() >= set(project.asks.classes_in(prompt)):
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


def _names_for(project: Project, tasks: Sequence[Task]) -> dict[int, str]:
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
