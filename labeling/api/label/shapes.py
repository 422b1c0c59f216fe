"""Serializers of the labeling endpoints: they check request bodies and describe both bodies in the published schema."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from labeling.api.shared.fields import (
    MAX_ID,
    MAX_INT,
    AnswerValue,
    Anything,
    ShortList,
    StrictBoolean,
    StrictFloat,
    StrictInteger,
    StrictText,
    StrictUUID,
)
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


class ClaimRequest(serializers.Serializer[Any]):
    count = StrictInteger(min_value=1, max_value=queue.MAX_CLAIM, default=10, help_text="The maximum number of tasks.")
    same_class = StrictBoolean(
        default=False,
        help_text="For a grid: new tasks for the caller are all of one proposed or suggested class, while there "
        "are any. Needs the project's setting `grids`.",
    )


@extend_schema_field({"oneOf": [{"type": "string"}, {"type": "integer"}, {"type": "boolean"}]})
class PredictedValue(serializers.JSONField):
    """A predicted value: a class name, true or false for `verify`, a number for `score`."""


class Prediction(serializers.Serializer[Any]):
    value = PredictedValue(help_text="A class name; for `verify` true or false, for `score` a number.")


class ShownItem(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    external_id = serializers.CharField(help_text="As it was imported.")
    data = serializers.DictField(  # type: ignore[assignment]  # a field that DRF has an attribute for
        help_text="The content besides a file: `text`, or named numbers."
    )
    media_url = serializers.CharField(allow_null=True, help_text="The address of the item's file; null without a file.")


class TaskItem(ShownItem):
    proposed = serializers.CharField(required=False, help_text="The class to verify.")
    prediction = Prediction(
        required=False,
        help_text="A suggested answer from the import or the model, on half of the tasks, if the project shows "
        "suggestions.",
    )
    suggestions = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="With `prediction` and more than ten classes: the five most likely classes, the most likely first.",
    )
    copies = ShownItem(many=True, required=False, help_text=COPIES)


class ClaimedTask(serializers.Serializer[Any]):
    """A task to answer, with its item."""

    id = serializers.IntegerField()
    item = TaskItem()
    batch = serializers.IntegerField(help_text="The number of its batch.")
    rank = serializers.IntegerField(help_text="Its place in this reply, from 0.")


class ReachedLimit(serializers.Serializer[Any]):
    answers = serializers.IntegerField(help_text="Answers a day.")
    free_from = serializers.DateTimeField(help_text="The time from which tasks are available again.")


class ClaimResponse(serializers.Serializer[Any]):
    batch = serializers.IntegerField(
        allow_null=True,
        help_text="The number of the open batch; null if none is open. With two open batches, that of the first task.",
    )
    open_batches = serializers.ListField(
        child=serializers.IntegerField(),
        help_text="The numbers of the open batches. The next batch can open before this one is complete.",
    )
    tasks = ClaimedTask(many=True)
    lease_expires_at = serializers.DateTimeField(
        allow_null=True,
        help_text="Until then other annotators do not get these tasks. A claim renews the lease if an answer or "
        "skip was accepted within one lease before.",
    )
    claimed_at = serializers.DateTimeField(allow_null=True, help_text="The time of this claim, for `release`.")
    remaining = serializers.IntegerField(
        help_text="The number of tasks of the batch that lack answers; an estimate if some tasks may be asked of "
        "more people."
    )
    class_revision = serializers.IntegerField(help_text="How often the classes have been changed: read them again.")
    guidelines_version = serializers.IntegerField(
        help_text="The number of the present guidelines: if it grows, read them again."
    )
    reason = serializers.CharField(
        required=False,
        help_text="Why there are no tasks: `all_taken`, `kept_for_others`, `limit_reached`, `paused`, `on_hold`, "
        "`no_items`, `training` …",
    )
    limit = ReachedLimit(required=False, help_text="With `limit_reached`: the caller's limit.")


class AnnotationRequest(serializers.Serializer[Any]):
    """An answer to one task."""

    id = serializers.UUIDField(
        help_text="A UUID that the client makes. A repeated answer with the same id counts once."
    )
    task = serializers.IntegerField(min_value=1, max_value=MAX_ID)
    value = AnswerValue()
    seconds = serializers.FloatField(default=0, min_value=0, help_text="From the item's appearance to the answer.")
    flagged = serializers.BooleanField(default=False, help_text="Whether reviewers should look at the item.")
    comment = serializers.CharField(required=False, max_length=MAX_COMMENT, help_text=COMMENT)
    guidelines_version = serializers.IntegerField(required=False, min_value=0, help_text=GUIDELINES_VERSION)
    class_revision = serializers.IntegerField(required=False, allow_null=True, min_value=0, help_text=CLASS_REVISION)
    same = serializers.ListField(child=serializers.IntegerField(), required=False, max_length=MAX_NAMED, help_text=SAME)
    different = serializers.ListField(
        child=serializers.IntegerField(), required=False, max_length=MAX_NAMED, help_text=DIFFERENT
    )


class AnnotationsRequest(serializers.Serializer[Any]):
    """Answers to accept or reject one by one; `rejected` of the response lists the rejected answers.

    All of them together may hold 20,000 class names.
    """

    annotations = serializers.ListField(child=Anything(AnnotationRequest), max_length=MAX_ANSWERS)


class SkipRequest(serializers.Serializer[Any]):
    task = StrictInteger(min_value=1, max_value=MAX_ID)
    reason = StrictText(max_length=200, help_text="Why it cannot be answered.")
    proposed_class = StrictText(
        required=False,
        max_length=MAX_PROPOSAL,
        help_text="The missing class, if the project takes proposals. The reason then names it.",
    )
    id = StrictUUID(
        required=False, help_text="A UUID that the client makes. A repeated skip with the same id counts once."
    )
    seconds = StrictFloat(default=0, min_value=0, max_value=MAX_SECONDS)
    flagged = StrictBoolean(default=False)
    comment = StrictText(required=False, max_length=MAX_COMMENT, allow_blank=True, help_text=COMMENT)
    guidelines_version = StrictInteger(required=False, min_value=0, max_value=MAX_INT, help_text=GUIDELINES_VERSION)


class RefusedAnswer(serializers.Serializer[Any]):
    id = serializers.CharField(allow_null=True, help_text="As it was sent.")
    code = serializers.CharField(help_text="For programs: `invalid`, `taken`, `batch_closed`, `item_removed` …")
    detail = serializers.CharField(help_text="For people.")


class SubmitResponse(serializers.Serializer[Any]):
    accepted = serializers.ListField(child=serializers.UUIDField())
    rejected = RefusedAnswer(many=True)
    class_revision = serializers.IntegerField(help_text="How often the classes have been changed: read them again.")


class ReleaseRequest(serializers.Serializer[Any]):
    tasks = ShortList(
        child=StrictInteger(min_value=1, max_value=MAX_ID),
        required=False,
        max_length=MAX_HELD,
        help_text="The ids of the tasks; all tasks of the caller if left out.",
    )
    claimed_at = serializers.DateTimeField(
        required=False,
        help_text="The `claimed_at` of the last claim. Tasks claimed again since then are kept, so that a late "
        "release from a closed page takes nothing from the next page.",
    )


class ReleaseResponse(serializers.Serializer[Any]):
    released = serializers.IntegerField(help_text="The number of released tasks.")


class OwnPart(serializers.Serializer[Any]):
    answered = serializers.IntegerField()
    skipped = serializers.IntegerField()


class ProgressResponse(serializers.Serializer[Any]):
    loop = serializers.ChoiceField(choices=Project.Loop.choices)
    batch = serializers.IntegerField(allow_null=True, help_text="The active or last batch.")
    state = serializers.ChoiceField(choices=Batch.State.choices, allow_null=True, help_text="Of the batch.")
    reason = serializers.CharField(allow_blank=True, help_text="Why the batch failed.")
    size = serializers.IntegerField()
    remaining = serializers.IntegerField(help_text="Tasks that lack answers.")
    answered = serializers.IntegerField(help_text="The number of answers and skips so far.")
    answers = serializers.IntegerField(
        help_text="The number of answers that the batch needs; an estimate if some items may be asked of more people."
    )
    is_final = serializers.BooleanField(help_text="Whether no batch follows, because no item is left.")
    phase = serializers.CharField(allow_blank=True, help_text="The background step, in words.")
    share = serializers.FloatField(allow_null=True, help_text="Of the phase, from 0 to 1.")
    detail = serializers.CharField(
        allow_blank=True, help_text="Details of the step in words, for example the loss of a training."
    )
    seconds_left = serializers.IntegerField(allow_null=True, help_text="Until the next batch opens.")
    step_seconds_left = serializers.IntegerField(allow_null=True, help_text="The time until the running step is done.")
    retry_at = serializers.DateTimeField(
        allow_null=True, help_text="The time at which the batch's step is tried again, if it did not work."
    )
    own = OwnPart(required=False, help_text="The caller's answers and skips in the batch.")
