"""Items and their corrections as they come out of the API, and what goes in: for rendering and the published schema."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from labeling.answering.changing import ACTIONS, MAX_ITEMS
from labeling.api.shared.fields import AnswerValue, StrictText
from labeling.items.clients import media_url
from labeling.items.filters import LONGEST, MARKS, STATES, State
from labeling.items.order import SORTS
from labeling.items.records import ItemLine, ItemRecord, Names, task_of
from labeling.models import Annotation, Correction, Item, Project, Removal

MAX_PAGE_SIZE = 1000
MAX_ID = 2**63 - 1
PAGE_SIZE = 100

_ASKED = {
    "flagged": "Whether an annotator flagged them.",
    "disagreement": "Whether their answers differ from the label. `false`: all agree.",
    "skips": "Whether somebody skipped them.",
    "corrected": "Whether a manager has settled them.",
    "control": "Whether they are kept for the control slice.",
    "gold": "Whether their answer is known, and checks annotators.",
    "queued": "Whether a manager wants them in the next batch.",
    "propagated": "Whether they are near-copies that have the label of another item.",
    "excluded": "Whether they are out of the pool.",
    "deleted": "Deleted ones alone. Without it, and with `false`, there are none.",
}
_ANSWERED = {
    "answered": "A class that somebody (with `annotator`, this person) answered, or for `verify` yes or no.",
    "against": "A class that another person answered in the same task. As on the page of agreement, tasks with a known "
    "answer and those with a prediction in view do not count, here and for `divided` and `unlike`.",
    "divided": "A class that some people chose and some did not, in the same task.",
    "unlike": "Somebody who answered the same task differently.",
    "known": "The known answer of gold items: a class, or for `verify` yes or no.",
}
PARAMETERS = [
    OpenApiParameter(
        "q",
        OpenApiTypes.STR,
        description="What they say: text, external id and other fields. All words must occur, the last may go on; "
        '`"quoted words"` are a phrase; `key:value` asks for a field that begins so. Case and accents do not matter.',
    ),
    OpenApiParameter(
        "search",
        OpenApiTypes.STR,
        description="A part of their external id, or of their place in the import (a file's name), in any case.",
    ),
    OpenApiParameter(
        "like",
        {"type": "integer", "minimum": 1},
        description="The id of an item: only the 240 nearest to it, by the embeddings that the pool was clustered by, "
        "or else by the encoder's features. The nearest come first.",
    ),
    OpenApiParameter("label", OpenApiTypes.STR, description="Their label: a class, or for `verify` yes or no."),
    OpenApiParameter("state", OpenApiTypes.STR, enum=list(STATES), description="`skipped`: by everybody."),
    OpenApiParameter("batch", {"type": "integer", "minimum": 1}, description="The number of their batch."),
    OpenApiParameter(
        "cluster",
        OpenApiTypes.STR,
        description="`BATCH:CLUSTER`, as in `2:17`: picked from this cluster of this batch.",
    ),
    OpenApiParameter(
        "predicted",
        OpenApiTypes.STR,
        description="`VERSION:CLASS`, as in `3:owl`, or for `verify` `3:yes`: labeled control items that this model "
        "version predicts to be of this class. With `label`, a cell of its confusion matrix. Not for `multi`.",
    ),
    OpenApiParameter("annotator", OpenApiTypes.STR, description="Somebody who answered or skipped them."),
    *(OpenApiParameter(name, OpenApiTypes.STR, description=text) for name, text in _ANSWERED.items()),
    *(OpenApiParameter(name, OpenApiTypes.BOOL, description=_ASKED[name]) for name in MARKS),
    OpenApiParameter(
        "sort",
        OpenApiTypes.STR,
        enum=list(SORTS),
        description="Their order: `newest` by default, and with `like` that of `alike`.",
    ),
    OpenApiParameter("page_size", OpenApiTypes.INT, default=PAGE_SIZE, description=f"1 to {MAX_PAGE_SIZE}."),
    OpenApiParameter("after", OpenApiTypes.STR, description="From `next`: the page behind this place."),
    OpenApiParameter("before", OpenApiTypes.STR, description="From `previous`: the page in front of this place."),
]


class PropagatedLabel(serializers.Serializer[Any]):
    """Nobody was asked about this item: it has the label of another."""

    item = serializers.IntegerField(help_text="The id of that item.")
    external_id = serializers.CharField(help_text="Of that item.")
    label = serializers.JSONField(help_text="A class name, or a list of class names.")  # type: ignore[assignment]
    height = serializers.FloatField(help_text="At which the dendrogram merges the two.")


class ItemSummary(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    external_id = serializers.CharField()
    media_url = serializers.CharField(allow_null=True, help_text="Of its file, where an item is one.")
    state = serializers.ChoiceField(choices=State.choices, allow_null=True, help_text="Empty until it is encoded.")
    label = serializers.JSONField(  # type: ignore[assignment]  # a field that DRF has an attribute for
        allow_null=True, help_text="A class name, a list of class names, or true or false."
    )
    agreement = serializers.FloatField(allow_null=True)
    labeled_at = serializers.DateTimeField(allow_null=True)
    batch = serializers.IntegerField(allow_null=True)
    rank = serializers.IntegerField(allow_null=True)
    margin = serializers.FloatField(allow_null=True)
    is_control = serializers.BooleanField()
    annotators = serializers.ListField(child=serializers.CharField())
    flagged = serializers.BooleanField()
    corrected = serializers.BooleanField()
    gold = serializers.BooleanField(help_text="Whether its answer is known, and checks annotators.")
    queued = serializers.BooleanField(help_text="Whether a manager wants it in the next batch.")
    excluded = serializers.BooleanField(help_text="Whether it is out of the pool: not picked nor learned from.")
    deleted = serializers.BooleanField(help_text="Whether it is removed for good 30 days after it was deleted.")


class ItemPageResponse(serializers.Serializer[Any]):
    count = serializers.IntegerField(help_text="How many match; at most 10,000 are counted.")
    more = serializers.BooleanField(help_text="Whether more may match than `count`.")
    unindexed = serializers.IntegerField(
        allow_null=True,
        help_text="With `q`: how many items came in lately and cannot be found by their words yet, up to 10,000.",
    )
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    results = ItemSummary(many=True)


class GivenAnnotation(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    annotator = serializers.CharField()
    value = serializers.JSONField(allow_null=True)
    skip_reason = serializers.CharField(allow_blank=True)
    flagged = serializers.BooleanField()
    seconds = serializers.FloatField()
    created_at = serializers.DateTimeField()
    undone_at = serializers.DateTimeField(allow_null=True, help_text="When it was taken back.")


class CorrectionResponse(serializers.Serializer[Any]):
    value = serializers.JSONField()
    by = serializers.CharField()
    note = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()
    withdrawn_at = serializers.DateTimeField(allow_null=True)
    withdrawn_by = serializers.CharField(allow_null=True)


class BulkChangeResponse(serializers.Serializer[Any]):
    """A change of all items that match, and how far it is."""

    id = serializers.IntegerField()
    action = serializers.CharField()
    filter = serializers.DictField(source="filters", child=serializers.CharField())
    by = serializers.CharField(source="user.username")
    total = serializers.IntegerField(help_text="Items that matched when it was asked for.")
    seen = serializers.IntegerField(help_text="Items that were looked at.")
    changed = serializers.IntegerField()
    failure = serializers.CharField(allow_blank=True, help_text="Why it stopped before its end.")
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class RemovalResponse(serializers.Serializer[Any]):
    deleted = serializers.BooleanField(help_text="Deleted, not only excluded.")
    reason = serializers.CharField(allow_blank=True)
    by = serializers.CharField()
    created_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    ended_by = serializers.CharField(allow_null=True)


class Selection(serializers.Serializer[Any]):
    """Why the item was picked, and what the model that picked it took it for."""

    selected_by = serializers.IntegerField(allow_null=True, help_text="The model version; none for a first batch.")
    selection = serializers.IntegerField(help_text="Which selection of its batch: 2 if it was picked again.")
    replaces = serializers.IntegerField(
        allow_null=True, help_text="The id of the item whose place it took, because everybody skipped that."
    )
    margin = serializers.FloatField(allow_null=True)
    cluster = serializers.IntegerField(allow_null=True)
    cluster_size = serializers.IntegerField(allow_null=True)
    draw_pass = serializers.IntegerField(allow_null=True, help_text="The pass over the clusters, counted from 0.")
    predicted = serializers.JSONField(allow_null=True)
    confidence = serializers.FloatField(allow_null=True)


class ItemDetailResponse(ItemSummary):
    data = serializers.DictField()  # type: ignore[assignment]  # a field that DRF has an attribute for
    source = serializers.CharField(allow_blank=True)  # type: ignore[assignment]
    proposed = serializers.CharField(allow_null=True, help_text="The class to verify.")
    encode_error = serializers.CharField(allow_blank=True)
    correctable = serializers.BooleanField(help_text="Whether it has all the answers that it will get.")
    selection = Selection(allow_null=True)
    annotations = GivenAnnotation(many=True)
    corrections = CorrectionResponse(many=True, help_text="The newest first; at most that one stands.")
    removals = RemovalResponse(many=True, help_text="When it was excluded or deleted, the newest first.")
    propagated = PropagatedLabel(allow_null=True, help_text="The label that it has as a near-copy of another item.")
    learned_by = serializers.ListField(
        child=serializers.IntegerField(), help_text="The model versions that have learned from it."
    )


class CorrectionRequest(serializers.Serializer[Any]):
    value = AnswerValue()
    note = StrictText(max_length=300, allow_blank=True, default="")


class ChangeRequest(serializers.Serializer[Any]):
    action = serializers.ChoiceField(choices=list(ACTIONS))
    items = serializers.ListField(
        child=serializers.IntegerField(min_value=0, max_value=MAX_ID),
        min_length=1,
        max_length=MAX_ITEMS,
        required=False,
        help_text="Their ids.",
    )
    filter = serializers.DictField(
        child=StrictText(max_length=LONGEST, allow_blank=True),
        required=False,
        help_text="In place of `items`: parameters of the list of items. All that match are changed by the worker.",
    )
    reason = StrictText(max_length=300, allow_blank=True, default="", help_text="Why, for whoever looks at it later.")
    value = AnswerValue(required=False, help_text="For `relabel`: the label.")
    preview = serializers.BooleanField(default=False, help_text="Only tell what it would mean.")


class ChangeResponse(serializers.Serializer[Any]):
    """What a change means. The rest of the items that were named stay as they are."""

    items = serializers.IntegerField(help_text="Items that it changes, or has changed.")
    labels = serializers.IntegerField(help_text="Those of them that have a label.")
    tasks = serializers.IntegerField(help_text="Those of them whose task in the open batch is closed.")


def summary_json(project: Project, line: ItemLine, names: Names) -> dict[str, Any]:
    annotators = [username for username, _ in line.answers]
    return _summary(project, line.item, names, line.state, annotators, flagged=line.flagged, corrected=line.corrected)


def record_json(project: Project, record: ItemRecord) -> dict[str, Any]:
    item, names = record.item, record.names
    standing = [each.user.username for each in record.annotations if each.undone_at is None]
    corrected = record.correction is not None
    return {
        **_summary(project, item, names, record.state, standing, flagged=record.flagged, corrected=corrected),
        "data": item.data,
        "source": item.source,
        "proposed": None if item.proposed is None else names[item.proposed],
        "encode_error": item.encode_error,
        "correctable": record.can_be_corrected,
        "selection": _selection(project, record),
        "annotations": [_annotation(project, each, names) for each in record.annotations],
        "corrections": [correction_json(project, each, names) for each in record.corrections],
        "removals": [_removal(each) for each in record.removals],
        "propagated": _propagated(project, record),
        "learned_by": record.learned_by(project.versions.select_related("batch")) if record.task else [],
    }


def _propagated(project: Project, record: ItemRecord) -> dict[str, Any] | None:
    copy = record.near_copy
    if copy is None:
        return None
    return {
        "item": copy.of_id,
        "external_id": copy.of.external_id,
        "label": project.asks.show(copy.of.label, record.names),
        "height": copy.height,
    }


def correction_json(project: Project, correction: Correction, names: Names) -> dict[str, Any]:
    return {
        "value": project.asks.show(correction.value, names),
        "by": correction.user.username,
        "note": correction.note,
        "created_at": correction.created_at,
        "withdrawn_at": correction.withdrawn_at,
        "withdrawn_by": correction.withdrawn_by.username if correction.withdrawn_by else None,
    }


def _summary(
    project: Project, item: Item, names: Names, state: str | None, annotators: list[str], **marks: bool
) -> dict[str, Any]:
    task = task_of(item)
    return {
        "id": item.pk,
        "external_id": item.external_id,
        "media_url": media_url(project, item),
        "state": state,
        "label": project.asks.show(item.label, names),
        "agreement": item.agreement,
        "labeled_at": item.labeled_at,
        "batch": task.batch.number if task else None,
        "rank": task.rank if task else None,
        "margin": task.margin if task else None,
        "is_control": item.reserved,
        "annotators": annotators,
        "gold": item.gold is not None,
        "queued": item.queued_at is not None and task is None,
        "excluded": item.excluded_at is not None,
        "deleted": item.deleted_at is not None,
        **marks,
    }


def _selection(project: Project, record: ItemRecord) -> dict[str, Any] | None:
    task = record.task
    if task is None:
        return None
    version = task.batch.selection_of(task).selected_by
    return {
        "selected_by": version.number if version else None,
        "selection": task.selection,
        "replaces": task.replaces.item_id if task.replaces else None,
        "margin": task.margin,
        "cluster": task.cluster,
        "cluster_size": task.cluster_size,
        "draw_pass": task.draw_pass,
        "predicted": record.predicted,
        "confidence": task.confidence,
    }


def _removal(each: Removal) -> dict[str, Any]:
    return {
        "deleted": each.deleted,
        "reason": each.reason,
        "by": each.user.username,
        "created_at": each.created_at,
        "ended_at": each.ended_at,
        "ended_by": each.ended_by.username if each.ended_by else None,
    }


def _annotation(project: Project, each: Annotation, names: Names) -> dict[str, Any]:
    return {
        "id": str(each.pk),
        "annotator": each.user.username,
        "value": project.asks.show(each.value, names),
        "skip_reason": each.skip_reason,
        "flagged": each.flagged,
        "seconds": each.seconds,
        "created_at": each.created_at,
        "undone_at": each.undone_at,
    }
