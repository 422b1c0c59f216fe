"""The annotator's endpoints: claim, annotations, skip, release, undo, progress."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from typing import Any

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import kinds
from labeling.answering import queue
from labeling.answering.reading import indices_of
from labeling.api.label.shapes import (
    MAX_ANSWERS,
    MAX_ID,
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
from labeling.loop.progress import progress_of
from labeling.models import Project, Task
from labeling.models.projects import MAX_CLASSES
from labeling.projects import access
from labeling.questions import InvalidValue


def task_json(task: Task, project: Project, class_names: Mapping[int, str]) -> dict[str, Any]:
    """What an annotator may know of a task: never its truth, nor whether it is a control task.

    It holds what the model predicts if the manager allows it and the task is prompted, which control tasks are as often
    as others. It never holds the model's confidence, which is higher on control tasks.
    See docs/decisions/0023-nothing-tells-a-control-task.md.
    """
    item = task.item
    has_file = kinds.of(project).is_file and item.media
    shown: dict[str, Any] = {
        "id": item.pk,
        "external_id": item.external_id,
        "data": item.data,
        "media_url": reverse("api:item-media", args=[project.slug, item.pk]) if has_file else None,
    }
    if item.proposed is not None:
        shown["proposed"] = class_names[item.proposed]
    if project.show_predictions and task.prompted and task.predicted is not None:
        shown["prediction"] = {"value": project.asks.predicted(task.predicted, class_names)}
    return {"id": task.pk, "item": shown, "rank": task.rank}


def names_for(project: Project, tasks: list[Task]) -> dict[int, str]:
    """Names of the classes that the tasks propose or predict; no query where there are none to be shown."""
    indices = {task.item.proposed for task in tasks if task.item.proposed is not None}
    if project.show_predictions:
        indices |= {task.predicted for task in tasks if task.prompted and task.predicted is not None}
    return project.class_names(indices)


class Claim(ProjectView):
    """Take tasks to answer. One's own unanswered tasks come first, then free ones in the batch's order."""

    subject = "Labeling"
    needs = {"POST": access.ANNOTATE}

    @extend_schema(request=ClaimRequest, responses=ClaimResponse)
    def post(self, request: Request, slug: str) -> Response:
        count = read(ClaimRequest, request.data)["count"]
        claim = queue.claim(project=self.project, user=self.user, count=count)
        names = names_for(self.project, claim.tasks)
        body: dict[str, Any] = {
            "batch": claim.batch.number if claim.batch else None,
            "tasks": [task_json(task, self.project, names) for task in claim.tasks],
            "lease_expires_at": claim.lease_expires_at,
            "claimed_at": claim.claimed_at,
            "remaining": claim.remaining,
        }
        if claim.reason:
            body["reason"] = claim.reason
        return Response(body)


class Annotations(ProjectView):
    """Hand in answers. Each is accepted or rejected by itself; an answer that is sent twice counts once."""

    subject = "Labeling"
    needs = {"POST": access.ANNOTATE}

    @extend_schema(request=AnnotationsRequest, responses=SubmitResponse)
    def post(self, request: Request, slug: str) -> Response:
        given = request.data.get("annotations") if isinstance(request.data, dict) else None
        if not isinstance(given, list):
            raise ValidationError({"annotations": "Send a list of annotations."})
        if len(given) > MAX_ANSWERS:
            raise ValidationError({"annotations": f"At most {MAX_ANSWERS} annotations in one request."})
        if sum(_size_of(each) for each in given) > MAX_CLASSES:
            raise ValidationError({"annotations": f"At most {MAX_CLASSES:,} class names in one request."})
        answers, refused = _parse_answers(self.project, given)
        outcome = queue.submit(project=self.project, user=self.user, answers=answers)
        return Response(_outcome_json(outcome, refused))


class Skip(ProjectView):
    """Leave a task without an answer, and say why. It counts as one of the task's answers."""

    subject = "Labeling"
    needs = {"POST": access.ANNOTATE}

    @extend_schema(request=SkipRequest, responses=SubmitResponse)
    def post(self, request: Request, slug: str) -> Response:
        values = read(SkipRequest, request.data)
        answer = queue.Answer(
            id=values.get("id") or uuid.uuid4(),
            task=values["task"],
            skip_reason=values["reason"],
            seconds=values["seconds"],
            flagged=values["flagged"],
        )
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
        return Response(task_json(task, self.project, names_for(self.project, [task])))


class Progress(ProjectView):
    """Where the loop is: the batch, the background step with its share and time left, and one's own part."""

    subject = "Labeling"

    @extend_schema(responses=ProgressResponse)
    def get(self, request: Request, slug: str) -> Response:
        return Response(visible("ProgressResponse", progress_of(self.project, self.user), self.membership))


def _parse_answers(project: Project, given: list[Any]) -> tuple[list[queue.Answer], list[dict[str, Any]]]:
    """Check each answer by itself, so that one bad one does not hold up the rest."""
    names = (project.asks.names_in(each.get("value")) for each in given if isinstance(each, dict))
    indices = indices_of(project, set().union(*names))
    answers: list[queue.Answer] = []
    refused: list[dict[str, Any]] = []
    seen: set[uuid.UUID] = set()
    for each in given:
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
        value=project.asks.parse(each["value"], indices),
        seconds=min(float(seconds), MAX_SECONDS),
        flagged=each.get("flagged") is True,
    )


def _shown_id(each: Any) -> str | None:
    found = each.get("id") if isinstance(each, dict) else None
    return str(found)[:100] if isinstance(found, str | int) else None


def _outcome_json(outcome: queue.Outcome, refused: list[dict[str, Any]]) -> dict[str, Any]:
    rejected = [{"id": str(r.id), "code": r.code, "detail": r.detail} for r in outcome.rejected]
    return {"accepted": [str(accepted) for accepted in outcome.accepted], "rejected": refused + rejected}
