"""Serializers of the labeling endpoints: they check request bodies and describe both bodies in the published schema."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from labeling.api.shared import fields
from labeling.models import Batch, Project
from labeling.models.classes import MAX_PROPOSAL
from labeling.models.reviews import MAX_COMMENT
from labeling.queue import queue
from labeling.queue.person import MAX_HELD

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
