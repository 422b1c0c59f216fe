"""What goes into the annotator's endpoints and comes out: for validation, and for the published schema."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from labeling import queue

MAX_SECONDS = 86_400.0
MAX_ID = 2**63 - 1


class ClaimRequest(serializers.Serializer[Any]):
    count = serializers.IntegerField(min_value=1, max_value=queue.MAX_CLAIM, default=10)


class Prediction(serializers.Serializer[Any]):
    value = serializers.JSONField()
    confidence = serializers.FloatField()


class TaskItem(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    external_id = serializers.CharField()
    data = serializers.DictField()  # type: ignore[assignment]  # a field that DRF has an attribute for
    media_url = serializers.CharField(allow_null=True)
    proposed = serializers.CharField(required=False, help_text="The class to verify.")
    prediction = Prediction(required=False, help_text="What the model thinks, if the manager allows it to be shown.")


class ClaimedTask(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    item = TaskItem()
    rank = serializers.IntegerField()


class ClaimResponse(serializers.Serializer[Any]):
    batch = serializers.IntegerField(allow_null=True)
    tasks = ClaimedTask(many=True)
    lease_expires_at = serializers.DateTimeField(allow_null=True)
    remaining = serializers.IntegerField()
    reason = serializers.CharField(required=False, help_text="Why there are no tasks.")


class AnnotationRequest(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    task = serializers.IntegerField()
    value = serializers.JSONField(help_text="A class name, a list of class names, or true or false.")
    seconds = serializers.FloatField(default=0, min_value=0, max_value=MAX_SECONDS)
    flagged = serializers.BooleanField(default=False)


class AnnotationsRequest(serializers.Serializer[Any]):
    annotations = AnnotationRequest(many=True)


class SkipRequest(serializers.Serializer[Any]):
    task = serializers.IntegerField(min_value=1, max_value=MAX_ID)
    reason = serializers.CharField(max_length=200)
    id = serializers.UUIDField(required=False)
    seconds = serializers.FloatField(default=0, min_value=0, max_value=MAX_SECONDS)
    flagged = serializers.BooleanField(default=False)


class RefusedAnswer(serializers.Serializer[Any]):
    id = serializers.CharField()
    code = serializers.CharField()
    detail = serializers.CharField()


class SubmitResponse(serializers.Serializer[Any]):
    accepted = serializers.ListField(child=serializers.UUIDField())
    rejected = RefusedAnswer(many=True)


class ReleaseRequest(serializers.Serializer[Any]):
    tasks = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=MAX_ID),
        required=False,
        help_text="Task ids; all that are held if left out.",
    )
    lease_expires_at = serializers.DateTimeField(
        required=False,
        help_text="As the last claim told it: leases that were renewed since then are kept. A page that is left sends "
        "it, so that a release that arrives late takes nothing from the page that follows.",
    )


class ReleaseResponse(serializers.Serializer[Any]):
    released = serializers.IntegerField()


class OwnPart(serializers.Serializer[Any]):
    answered = serializers.IntegerField()
    skipped = serializers.IntegerField()


class ProgressResponse(serializers.Serializer[Any]):
    loop = serializers.CharField()
    batch = serializers.IntegerField(allow_null=True)
    state = serializers.CharField(allow_null=True)
    reason = serializers.CharField(allow_blank=True, help_text="Why the batch failed.")
    size = serializers.IntegerField()
    remaining = serializers.IntegerField()
    phase = serializers.CharField(allow_blank=True)
    share = serializers.FloatField(allow_null=True, help_text="Of the phase, from 0 to 1.")
    seconds_left = serializers.IntegerField(allow_null=True, help_text="Until the next batch opens.")
    own = OwnPart(required=False)
