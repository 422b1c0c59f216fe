"""The labeling endpoints: claim, annotations, skip, release, undo, progress; and tasks as annotators get them."""

import math
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from labeling.api.shared import fields
from labeling.api.shared.endpoints import ProjectView, answers
from labeling.api.shared.fields import MAX_ID
from labeling.api.shared.visible import visible
from labeling.insight.progress import progress_of
from labeling.labels.items.records import content_of
from labeling.models import Ability, Batch, Item, Project, Task, User
from labeling.models.annotations import MAX_COMMENT
from labeling.models.classes import MAX_PROPOSAL
from labeling.models.project_settings import MAX_CLASSES
from labeling.projects import visible_files
from labeling.projects.classes import proposals
from labeling.questions import InvalidValue
from labeling.queue import copy_answers, queue, submitting
from labeling.queue.answer import Answer, Outcome
from labeling.queue.person import MAX_HELD, count_claim, daily_limit_of
from labeling.queue.prompting import SUGGESTED, shown_answer, suggested_classes
from labeling.queue.reading import indices_of, unfit_answers

MAX_SECONDS = 86_400.0
MAX_ANSWERS = 1000
COMMENT = "A comment on the item for the reviewers. It flags the item; the author sees the replies."
GUIDELINES_VERSION = "The number of the guidelines that the person saw; the newest if left out."
CLASS_REVISION = "The `class_revision` of the claim whose class names the answer uses; the newest if left out."
# The longest text form of a UUID, with braces, hyphens and `urn:uuid:`.
MAX_UUID = 64
# The most near-copies in an answer; no page shows as many.
MAX_NAMED = 100
COPIES = "Near-copies of this item, to show beside it. An answer says for each whether it gets the same label."
SAME = "Ids of the shown copies that get the same answer. Ids of other items are ignored."
DIFFERENT = "Ids of the shown copies that the person took out: they do not get this answer."


class ClaimRequest(fields.Shape):
    count = fields.Integer("The maximum number of tasks.", min_value=1, max_value=queue.MAX_CLAIM, default=10)
    same_class = fields.Boolean(
        "For a grid: new tasks for the caller are all of one proposed or suggested class, while there "
        "are any. Needs the project's setting `grids`.",
        default=False,
    )


@extend_schema_field({"oneOf": [{"type": "string"}, {"type": "integer"}, {"type": "boolean"}]})
class PredictedValue(serializers.JSONField):
    """A predicted value: a class name, true or false for `verify`, a number for `score`."""


class Prediction(fields.Shape):
    value = PredictedValue(help_text="A class name; for `verify` true or false, for `score` a number.")


class ShownItem(fields.Shape):
    id = fields.Integer()
    external_id = fields.Text("As it was imported.")
    data = fields.Object(  # type: ignore[assignment]  # a field that DRF has an attribute for
        "The content besides a file: `text`, or named numbers."
    )
    media_url = fields.Text("The address of the item's file; null without a file.", allow_null=True)


class TaskItem(ShownItem):
    proposed = fields.Text("The class to verify.", required=False)
    prediction = Prediction(
        required=False,
        help_text="A suggested answer from the import or the model, on half of the tasks, if the project shows "
        "suggestions.",
    )
    suggestions = fields.Texts(
        "With `prediction` and more than ten classes: the five most likely classes, the most likely first.",
        required=False,
    )
    copies = ShownItem(many=True, required=False, help_text=COPIES)


class ClaimedTask(fields.Shape):
    """A task to answer, with its item."""

    id = fields.Integer()
    item = TaskItem()
    batch = fields.Integer("The number of its batch.")
    rank = fields.Integer("Its place in this reply, from 0.")


class ReachedLimit(fields.Shape):
    answers = fields.Integer("Answers a day.")
    free_from = fields.Time("The time from which tasks are available again.")


class ClaimResponse(fields.Shape):
    batch = fields.Integer(
        "The number of the open batch; null if none is open. With two open batches, that of the first task.",
        allow_null=True,
    )
    open_batches = fields.Integers(
        "The numbers of the open batches. The next batch can open before this one is complete."
    )
    tasks = ClaimedTask(many=True)
    lease_expires_at = fields.Time(
        "Until then other annotators do not get these tasks. A claim renews the lease if an answer or "
        "skip was accepted within one lease before.",
        allow_null=True,
    )
    claimed_at = fields.Time("The time of this claim, for `release`.", allow_null=True)
    remaining = fields.Integer(
        "The number of tasks of the batch that lack answers; an estimate if some tasks may be asked of more people."
    )
    class_revision = fields.Integer("How often the classes have been changed: read them again.")
    guidelines_version = fields.Integer("The number of the present guidelines: if it grows, read them again.")
    reason = fields.Text(
        "Why there are no tasks: `all_taken`, `kept_for_others`, `limit_reached`, `paused`, `on_hold`, "
        "`no_items`, `training` …",
        required=False,
    )
    limit = ReachedLimit(required=False, help_text="With `limit_reached`: the caller's limit.")


class AnnotationRequest(fields.Shape):
    """An answer to one task."""

    id = serializers.UUIDField(
        help_text="A UUID that the client makes. A repeated answer with the same id counts once."
    )
    task = fields.Integer(min_value=1, max_value=fields.MAX_ID)
    value = fields.AnswerValue()
    seconds = fields.Float("From the item's appearance to the answer.", default=0, min_value=0)
    flagged = fields.Boolean("Whether reviewers should look at the item.", default=False)
    comment = fields.Text(COMMENT, required=False, max_length=MAX_COMMENT)
    guidelines_version = fields.Count(GUIDELINES_VERSION, required=False)
    class_revision = fields.Count(CLASS_REVISION, required=False, allow_null=True)
    same = fields.Integers(SAME, required=False, max_length=MAX_NAMED)
    different = fields.Integers(DIFFERENT, required=False, max_length=MAX_NAMED)


class AnnotationsRequest(fields.Shape):
    """Answers to accept or reject one by one; `rejected` of the response lists the rejected answers.

    All of them together may hold 20,000 class names.
    """

    annotations = fields.List(child=fields.Anything(AnnotationRequest), max_length=MAX_ANSWERS)


class SkipRequest(fields.Shape):
    task = fields.Integer(min_value=1, max_value=fields.MAX_ID)
    reason = fields.Text("Why it cannot be answered.", max_length=200)
    proposed_class = fields.Text(
        "The missing class, if the project takes proposals. The reason then names it.",
        required=False,
        max_length=MAX_PROPOSAL,
    )
    id = fields.UUID("A UUID that the client makes. A repeated skip with the same id counts once.", required=False)
    seconds = fields.Float(default=0, min_value=0, max_value=MAX_SECONDS)
    flagged = fields.Boolean(default=False)
    comment = fields.Text(COMMENT, required=False, max_length=MAX_COMMENT, allow_blank=True)
    guidelines_version = fields.Integer(GUIDELINES_VERSION, required=False, min_value=0, max_value=fields.MAX_INT)


class RefusedAnswer(fields.Shape):
    id = fields.Text("As it was sent.", allow_null=True)
    code = fields.Text("For programs: `invalid`, `taken`, `batch_closed`, `item_removed` …")
    detail = fields.Text("For people.")


class SubmitResponse(fields.Shape):
    accepted = fields.List(child=serializers.UUIDField())
    rejected = RefusedAnswer(many=True)
    class_revision = fields.Integer("How often the classes have been changed: read them again.")


class ReleaseRequest(fields.Shape):
    tasks = fields.ShortList(
        child=fields.Integer(min_value=1, max_value=fields.MAX_ID),
        required=False,
        max_length=MAX_HELD,
        help_text="The ids of the tasks; all tasks of the caller if left out.",
    )
    claimed_at = fields.Time(
        "The `claimed_at` of the last claim. Tasks claimed again since then are kept, so that a late "
        "release from a closed page takes nothing from the next page.",
        required=False,
    )


class ReleaseResponse(fields.Shape):
    released = fields.Integer("The number of released tasks.")


class OwnPart(fields.Shape):
    answered = fields.Integer()
    skipped = fields.Integer()


class ProgressResponse(fields.Shape):
    loop = fields.Choice(Project.Loop.choices)
    batch = fields.Integer("The active or last batch.", allow_null=True)
    state = fields.Choice(Batch.State.choices, "Of the batch.", allow_null=True)
    reason = fields.Text("Why the batch failed.", allow_blank=True)
    size = fields.Integer()
    remaining = fields.Integer("Tasks that lack answers.")
    answered = fields.Integer("The number of answers and skips so far.")
    answers = fields.Integer(
        "The number of answers that the batch needs; an estimate if some items may be asked of more people."
    )
    is_final = fields.Boolean("Whether no batch follows, because no item is left.")
    phase = fields.Text("The background step, in words.", allow_blank=True)
    share = fields.Float("Of the phase, from 0 to 1.", allow_null=True)
    detail = fields.Text("Details of the step in words, for example the loss of a training.", allow_blank=True)
    seconds_left = fields.Integer("Until the next batch opens.", allow_null=True)
    step_seconds_left = fields.Integer("The time until the running step is done.", allow_null=True)
    retry_at = fields.Time("The time at which the batch's step is tried again, if it did not work.", allow_null=True)
    own = OwnPart(required=False, help_text="The caller's answers and skips in the batch.")


def parse_answers(project: Project, user: User, annotations: list[Any]) -> tuple[list[Answer], list[dict[str, Any]]]:
    """Parse each answer by itself, so that a bad answer does not block the others.

    Returns the answers, and for each bad annotation its id, error code and reason. A repeated id is parsed once.
    """
    names = (project.asks.names_in(each.get("value")) for each in annotations if isinstance(each, dict))
    indices = indices_of(project, set().union(*names))
    answers: list[Answer] = []
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
    unfit = unfit_answers(project, user, answers)
    refused += [
        {"id": str(each.id), "code": "invalid", "detail": unfit[each.task]} for each in answers if each.task in unfit
    ]
    return [each for each in answers if each.task not in unfit], refused


def names_sent(project: Project, annotations: list[Any]) -> int:
    """Return the number of class names in the values of these annotations; at least one each."""
    values = (each.get("value") if isinstance(each, dict) else None for each in annotations)
    return sum(map(project.asks.names_sent, values))


def parse_skip(project: Project, values: Mapping[str, Any]) -> Answer:
    proposed = proposals.read_name(project, values["proposed_class"]) if "proposed_class" in values else ""
    return Answer(
        id=values.get("id") or uuid.uuid4(),
        task=values["task"],
        skip_reason=f"None of these: {proposed}" if proposed else values["reason"],
        proposed_class=proposed,
        seconds=values["seconds"],
        flagged=values["flagged"],
        comment=values.get("comment", ""),
        guidelines_version=_guidelines_version(project, values),
    )


def _parse_answer(project: Project, each: Any, indices: Mapping[str, int]) -> Answer:
    if not isinstance(each, dict):
        raise ValueError("An annotation must be an object.")
    text = each.get("id")
    try:
        annotation_id = uuid.UUID(text if isinstance(text, str) and len(text) <= MAX_UUID else "")
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
    return Answer(
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
    """Return the version of the guidelines that the annotator saw: `guidelines_version`, by default the newest."""
    newest = project.guidelines_version
    version = annotation.get("guidelines_version", newest)
    if isinstance(version, bool) or not isinstance(version, int) or not 0 <= version <= newest:
        raise InvalidValue(f"guidelines_version must be a version of this project's guidelines, 0 to {newest}.")
    return version


def _class_revision(project: Project, annotation: Mapping[str, Any]) -> int | None:
    """Return the revision of the classes that the annotator saw; None if the annotation has no `class_revision`."""
    revision = annotation.get("class_revision")
    if revision is None:
        return None
    if isinstance(revision, bool) or not isinstance(revision, int) or not 0 <= revision <= project.class_revision:
        raise InvalidValue(f"class_revision must be one of this project's, 0 to {project.class_revision}.")
    return revision


def _shown_id(each: Any) -> str | None:
    annotation_id = each.get("id") if isinstance(each, dict) else None
    return str(annotation_id)[:100] if isinstance(annotation_id, str | int) else None


class Claim(ProjectView):
    """Claim tasks to answer: first the caller's unanswered tasks, then free tasks in the order of the batch."""

    @answers(ClaimResponse, needs=Ability.TASKS_ANSWER, takes=ClaimRequest)
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

    @answers(SubmitResponse, needs=Ability.TASKS_ANSWER, takes=AnnotationsRequest)
    def post(self) -> Response:
        annotations = self.request.data.get("annotations") if isinstance(self.request.data, dict) else None
        if not isinstance(annotations, list):
            raise ValidationError({"annotations": "Send a list of annotations."})
        if len(annotations) > MAX_ANSWERS:
            raise ValidationError({"annotations": f"At most {MAX_ANSWERS} annotations in one request."})
        if names_sent(self.project, annotations) > MAX_CLASSES:
            raise ValidationError({"annotations": f"At most {MAX_CLASSES:,} class names in one request."})
        parsed, refused = parse_answers(self.project, self.user, annotations)
        outcome = submitting.submit(project=self.project, user=self.user, answers=parsed)
        return Response(_outcome_json(self.project, outcome, refused))


class Skip(ProjectView):
    """Skip a task and give the reason. A skip counts as one of the task's answers."""

    @answers(SubmitResponse, needs=Ability.TASKS_ANSWER, takes=SkipRequest)
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

    @answers(ReleaseResponse, needs=Ability.TASKS_ANSWER, takes=ReleaseRequest)
    def post(self) -> dict[str, int]:
        tasks, claimed_at = self.body.get("tasks"), self.body.get("claimed_at")
        return {"released": queue.release(project=self.project, user=self.user, task_ids=tasks, claimed_at=claimed_at)}


class AnnotationDetail(ProjectView):
    """Withdraw the caller's answer or skip while the batch is open, and return its task, assigned to the caller."""

    @answers(ClaimedTask, needs=Ability.TASKS_ANSWER)
    def delete(self, annotation_id: uuid.UUID) -> Response:
        task = queue.undo(project=self.project, user=self.user, annotation_id=annotation_id)
        return Response(tasks_json([task], self.project, self.user)[0])


class Progress(ProjectView):
    """Return the progress of the project and of the caller: batch, background step with its share and time left,
    counts.
    """

    @answers(ProgressResponse, needs=Ability.PROJECT_READ)
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
