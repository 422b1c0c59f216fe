"""The annotator's endpoints: claim, annotations, skip, release, undo, progress."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.answering import copies, queue, waiting
from labeling.answering.limits import limit_of
from labeling.answering.prompting import shown_answer
from labeling.answering.reading import indices_of
from labeling.api.label.shapes import (
    MAX_ANSWERS,
    MAX_ID,
    MAX_NAMED,
    MAX_SECONDS,
    MAX_UUID,
    AnnotationsRequest,
    ClaimedTask,
    ClaimRequest,
    ClaimResponse,
    ProgressResponse,
    ReleaseRequest,
    ReleaseResponse,
    SkipRequest,
    SubmitResponse,
)
from labeling.api.shared.base import ProjectView
from labeling.api.shared.reading import read
from labeling.api.shared.visible import visible
from labeling.items.clients import content_of
from labeling.loop.progress import progress_of
from labeling.models import Item, Project, Task
from labeling.models.project_settings import MAX_CLASSES
from labeling.models.reviews import MAX_COMMENT
from labeling.projects import access, proposals
from labeling.questions import InvalidValue


def tasks_json(tasks: Sequence[Task], project: Project) -> list[dict[str, Any]]:
    """What an annotator may know of these tasks, in this order: at most two queries, for class names and copies."""
    names = names_for(project, tasks)
    beside = copies.shown_beside(project, [task.item_key for task in tasks])
    return [
        task_json(task, project, names, place, copies=beside.get(task.item_key, ())) for place, task in enumerate(tasks)
    ]


def task_json(
    task: Task, project: Project, class_names: Mapping[int, str], place: int = 0, *, copies: Sequence[Item] = ()
) -> dict[str, Any]:
    """What an annotator may know of a task: never its truth, nor whether it is a control task.

    It holds a suggested answer if the manager allows it and the task is prompted, which control tasks are as often as
    others: the suggestion that the item came with, or what the model predicts. Both look alike. It never holds the
    model's confidence, which is higher on control tasks; nor its rank, by which a task that comes late would be known
    as one that somebody has answered: `place` is that in this reply.
    See docs/decisions/0023-nothing-tells-a-control-task.md.
    """
    item = task.shown
    shown = _item_json(item, project)
    if project.near_copies:
        shown["copies"] = [_item_json(each, project) for each in copies]
    if item.proposed is not None:
        shown["proposed"] = class_names[item.proposed]
    prompt = _shown_answer(task, project)
    if prompt is not None and _can_be_answered(prompt, project, class_names):
        shown["prediction"] = {"value": project.asks.show(prompt, class_names)}
    return {"id": task.pk, "item": shown, "batch": task.batch.number, "rank": place}


def _item_json(item: Item, project: Project) -> dict[str, Any]:
    return {"id": item.pk, **content_of(project, item)}


def names_for(project: Project, tasks: Sequence[Task]) -> dict[int, str]:
    """Names of the classes that the tasks propose, or of those offered that are suggested. No query where none are
    shown.
    """
    indices = {task.shown.proposed for task in tasks if task.shown.proposed is not None}
    if not project.asks.answers:
        prompts = (_shown_answer(task, project) for task in tasks)
        for prompt in prompts:
            indices |= set(prompt) if isinstance(prompt, list) else set() if prompt is None else {prompt}
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


class Claim(ProjectView):
    """Take tasks to answer. One's own unanswered tasks come first, then free ones in the batch's order."""

    subject = "Labeling"
    needs = {"POST": access.ANNOTATE}

    @extend_schema(request=ClaimRequest, responses=ClaimResponse)
    def post(self, request: Request, slug: str) -> Response:
        request_values = read(ClaimRequest, request.data)
        claim = queue.ON_HOLD
        if self.membership.paused_at is None:
            limit = limit_of(self.membership)
            claim = queue.claim(
                project=self.project,
                user=self.user,
                count=request_values["count"],
                same_class=request_values["same_class"],
                daily_limit=limit,
            )
        waiting.note(self.membership, claim.reason, timezone.now())
        body: dict[str, Any] = {
            "batch": claim.batch.number if claim.batch else None,
            "open_batches": list(claim.open_batches),
            "tasks": tasks_json(claim.tasks, self.project),
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
    """Hand in answers. Each is accepted or rejected by itself; an answer that is sent twice counts once."""

    subject = "Labeling"
    needs = {"POST": access.ANNOTATE}

    @extend_schema(request=AnnotationsRequest, responses=SubmitResponse)
    def post(self, request: Request, slug: str) -> Response:
        annotations = request.data.get("annotations") if isinstance(request.data, dict) else None
        if not isinstance(annotations, list):
            raise ValidationError({"annotations": "Send a list of annotations."})
        if len(annotations) > MAX_ANSWERS:
            raise ValidationError({"annotations": f"At most {MAX_ANSWERS} annotations in one request."})
        if sum(_size_of(each) for each in annotations) > MAX_CLASSES:
            raise ValidationError({"annotations": f"At most {MAX_CLASSES:,} class names in one request."})
        answers, refused = _parse_answers(self.project, annotations)
        outcome = queue.submit(project=self.project, user=self.user, answers=answers)
        return Response(_outcome_json(outcome, refused))


class Skip(ProjectView):
    """Leave a task without an answer, and say why. It counts as one of the task's answers."""

    subject = "Labeling"
    needs = {"POST": access.ANNOTATE}

    @extend_schema(request=SkipRequest, responses=SubmitResponse)
    def post(self, request: Request, slug: str) -> Response:
        values = read(SkipRequest, request.data)
        try:
            answer = _parse_skip(self.project, values)
        except InvalidValue as error:
            refused = {"id": str(values["id"]) if "id" in values else None, "code": "invalid", "detail": str(error)}
            return Response(_outcome_json(queue.Outcome(), [refused]))
        outcome = queue.submit(project=self.project, user=self.user, answers=[answer])
        return Response(_outcome_json(outcome, []))


class Release(ProjectView):
    """Give back tasks that one holds, so that others get them at once."""

    subject = "Labeling"
    needs = {"POST": access.ANNOTATE}

    @extend_schema(request=ReleaseRequest, responses=ReleaseResponse)
    def post(self, request: Request, slug: str) -> Response:
        values = read(ReleaseRequest, request.data)
        released = queue.release(
            project=self.project,
            user=self.user,
            task_ids=values.get("tasks"),
            claimed_at=values.get("claimed_at"),
        )
        return Response({"released": released})


class AnnotationDetail(ProjectView):
    """One's own answer or skip, to be taken back while the batch is open. The task comes back, held for its author."""

    subject = "Labeling"
    needs = {"DELETE": access.ANNOTATE}

    @extend_schema(responses={200: ClaimedTask})
    def delete(self, request: Request, slug: str, annotation_id: uuid.UUID) -> Response:
        task = queue.undo(project=self.project, user=self.user, annotation_id=annotation_id)
        return Response(tasks_json([task], self.project)[0])


class Progress(ProjectView):
    """Where the loop is: the batch, the background step with its share and time left, and one's own part."""

    subject = "Labeling"

    @extend_schema(responses=ProgressResponse)
    def get(self, request: Request, slug: str) -> Response:
        return Response(visible("ProgressResponse", progress_of(self.project, self.user), self.membership))


def _parse_answers(project: Project, annotations: list[Any]) -> tuple[list[queue.Answer], list[dict[str, Any]]]:
    """Check each answer by itself, so that one bad one does not hold up the rest."""
    names = (project.asks.names_in(each.get("value")) for each in annotations if isinstance(each, dict))
    indices = indices_of(project, set().union(*names))
    answers: list[queue.Answer] = []
    refused: list[dict[str, Any]] = []
    seen: set[uuid.UUID] = set()
    for each in annotations:
        try:
            answer = _parse_answer(project, each, indices)
        except (InvalidValue, ValueError, TypeError) as error:
            refused.append({"id": _shown_id(each), "code": "invalid", "detail": str(error)})
            continue
        if answer.id not in seen:  # the same answer twice in one request is one answer
            seen.add(answer.id)
            answers.append(answer)
    return answers, refused


def _size_of(annotation: Any) -> int:
    """How many class names its value may hold."""
    value = annotation.get("value") if isinstance(annotation, dict) else None
    return len(value) if isinstance(value, list) else 1


def _parse_skip(project: Project, values: Mapping[str, Any]) -> queue.Answer:
    proposed = proposals.read_name(project, values["proposed_class"]) if "proposed_class" in values else ""
    return queue.Answer(
        id=values.get("id") or uuid.uuid4(),
        task=values["task"],
        skip_reason=f"None of these: {proposed}" if proposed else values["reason"],
        proposed_class=proposed,
        seconds=values["seconds"],
        flagged=values["flagged"],
        comment=values.get("comment", ""),
        guidelines_version=_guidelines_version(project, values),
    )


def _parse_answer(project: Project, each: Any, indices: Mapping[str, int]) -> queue.Answer:
    if not isinstance(each, dict):
        raise ValueError("An annotation must be an object.")
    given_id = each.get("id")
    try:
        annotation_id = uuid.UUID(given_id if isinstance(given_id, str) and len(given_id) <= MAX_UUID else "")
    except ValueError:
        raise ValueError("An annotation needs an id that is a UUID.") from None
    task = each.get("task")
    if not isinstance(task, int) or isinstance(task, bool) or not 0 < task <= MAX_ID:
        raise ValueError("An annotation needs the id of its task.")
    seconds = each.get("seconds", 0)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds) or seconds < 0:
        raise ValueError("seconds must be a number that is not negative.")
    if "value" not in each:
        raise ValueError("An annotation needs a value.")
    return queue.Answer(
        id=annotation_id,
        task=task,
        value=project.asks.parse(each["value"], project.as_called(indices, _class_revision(project, each))),
        seconds=min(float(seconds), MAX_SECONDS),
        flagged=each.get("flagged") is True,
        comment=_comment(each.get("comment", "")),
        guidelines_version=_guidelines_version(project, each),
        same=_item_ids(each, "same"),
        different=_item_ids(each, "different"),
    )


def _item_ids(annotation: Mapping[str, Any], name: str) -> list[int]:
    ids = annotation.get(name, [])
    if not isinstance(ids, list) or len(ids) > MAX_NAMED or not all(type(each) is int for each in ids):
        raise ValueError(f"{name} must be a list of at most {MAX_NAMED} ids of items.")
    return ids


def _comment(text: Any) -> str:
    if not isinstance(text, str) or len(text) > MAX_COMMENT or "\x00" in text:
        raise ValueError(f"comment must be a text of at most {MAX_COMMENT} characters.")
    return text.strip()


def _guidelines_version(project: Project, annotation: Mapping[str, Any]) -> int:
    """The version of the guidelines that the sender had on the screen: the newest unless an older one is named."""
    newest = project.guidelines_version
    version = annotation.get("guidelines_version", newest)
    if isinstance(version, bool) or not isinstance(version, int) or not 0 <= version <= newest:
        raise InvalidValue(f"guidelines_version must be a version of this project's guidelines, 0 to {newest}.")
    return version


def _class_revision(project: Project, annotation: Mapping[str, Any]) -> int | None:
    """The revision of the classes that the sender had on the screen; None if it is not told."""
    revision = annotation.get("class_revision")
    if revision is None:
        return None
    if isinstance(revision, bool) or not isinstance(revision, int) or not 0 <= revision <= project.class_revision:
        raise InvalidValue(f"class_revision must be one of this project's, 0 to {project.class_revision}.")
    return revision


def _shown_id(each: Any) -> str | None:
    found = each.get("id") if isinstance(each, dict) else None
    return str(found)[:100] if isinstance(found, str | int) else None


def _outcome_json(outcome: queue.Outcome, refused: list[dict[str, Any]]) -> dict[str, Any]:
    rejected = [{"id": str(r.id), "code": r.code, "detail": r.detail} for r in outcome.rejected]
    return {"accepted": [str(accepted) for accepted in outcome.accepted], "rejected": refused + rejected}
