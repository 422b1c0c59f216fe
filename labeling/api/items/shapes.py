"""Serializers and functions that check requests for items and render items; the schema is made of the serializers."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from labeling.api.shared.fields import MAX_ID, AnswerValue, Moment, StrictText
from labeling.labels.items.item_filters import LONGEST, State
from labeling.labels.items.records import ItemLine, ItemRecord, Names, media_url, task_of
from labeling.models import Item, Project
from labeling.queue.changing import ACTIONS, MAX_ITEMS


class ShownAnswer(serializers.JSONField):
    """An answer or a label, with the names of its classes. The context has the `project` and the `names`."""

    def to_representation(self, value: Any) -> Any:
        return self.context["project"].asks.show(value, self.context["names"])


class PropagatedLabel(serializers.Serializer[Any]):
    """The label that an item without answers takes from another item."""

    item = serializers.IntegerField(source="of_id", help_text="The id of that item.")
    external_id = serializers.CharField(source="of.external_id", help_text="Of that item.")
    label = ShownAnswer(  # type: ignore[assignment]
        source="of.label", help_text="A class name, or a list of class names."
    )
    height = serializers.FloatField(help_text="At which the dendrogram merges the two.")


class CertifiedLabelResponse(serializers.Serializer[Any]):
    """A label that a model gave and that a certificate covers."""

    label = ShownAnswer(source="value", help_text="As an answer.")  # type: ignore[assignment]
    probability = serializers.FloatField(help_text="By the model and its calibration.")
    certificate = serializers.IntegerField(source="certificate.number", help_text="The number of the certificate.")
    version = serializers.IntegerField(
        source="certificate.audit.version.number", help_text="The number of the model version."
    )


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
    gold = serializers.BooleanField(help_text="Whether the item has a known answer, which checks annotators.")
    queued = serializers.BooleanField(help_text="Whether a manager wants it in the next batch.")
    excluded = serializers.BooleanField(help_text="Whether the item is excluded: not picked, trained on or measured.")
    deleted = serializers.BooleanField(help_text="Whether the item is deleted. It is removed for good 30 days later.")


class ItemPageResponse(serializers.Serializer[Any]):
    count = serializers.IntegerField(help_text="The number of matching items, counted up to 10,000.")
    more = serializers.BooleanField(help_text="Whether more may match than `count`.")
    unindexed = serializers.IntegerField(
        allow_null=True,
        help_text="With `q`: the number of recent items that the search cannot find yet, up to 10,000.",
    )
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    results = ItemSummary(many=True)


class GivenAnnotation(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    annotator = serializers.CharField(source="user.username")
    value = ShownAnswer(allow_null=True)
    skip_reason = serializers.CharField(allow_blank=True)
    flagged = serializers.BooleanField()
    seconds = serializers.FloatField()
    created_at = Moment()
    undone_at = Moment(allow_null=True, help_text="When it was taken back.")


class CorrectionResponse(serializers.Serializer[Any]):
    value = ShownAnswer()
    by = serializers.CharField(source="user.username")
    note = serializers.CharField(allow_blank=True)
    created_at = Moment()
    withdrawn_at = Moment(allow_null=True)
    withdrawn_by = serializers.CharField(source="withdrawn_by.username", allow_null=True)


class BulkChangeResponse(serializers.Serializer[Any]):
    """A background change of all items that match a filter, with its progress."""

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
    by = serializers.CharField(source="user.username")
    created_at = Moment()
    ended_at = Moment(allow_null=True)
    ended_by = serializers.CharField(source="ended_by.username", allow_null=True)


class Selection(serializers.Serializer[Any]):
    """Why the item was picked, and the prediction of the model version that picked it."""

    selected_by = serializers.IntegerField(allow_null=True, help_text="The model version; none for a first batch.")
    selection = serializers.IntegerField(help_text="Which selection of its batch: 2 if it was picked again.")
    replaces = serializers.IntegerField(
        allow_null=True, help_text="The id of the item that it replaced, because all annotators skipped that item."
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
    correctable = serializers.BooleanField(
        help_text="Whether the task has all its answers, or the label is certified or corrected."
    )
    selection = Selection(allow_null=True)
    annotations = GivenAnnotation(many=True)
    corrections = CorrectionResponse(many=True, help_text="The newest first. At most the newest is in force.")
    removals = RemovalResponse(many=True, help_text="When it was excluded or deleted, the newest first.")
    propagated = PropagatedLabel(allow_null=True, help_text="The label that it has as a near-copy of another item.")
    certified = CertifiedLabelResponse(
        allow_null=True, help_text="A model’s label that a certificate covers. No person was asked."
    )
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
        help_text="Instead of `items`: parameters of the list of items. The worker changes all matching items.",
    )
    reason = StrictText(
        max_length=300, allow_blank=True, default="", help_text="The reason, for people who look at the item later."
    )
    value = AnswerValue(required=False, help_text="For `relabel`: the label.")
    preview = serializers.BooleanField(default=False, help_text="Show the effect without making the change.")


class ChangeResponse(serializers.Serializer[Any]):
    """The effect of a change. Named items that the change does not fit stay as they are."""

    items = serializers.IntegerField(help_text="Items that it changes, or has changed.")
    labels = serializers.IntegerField(help_text="Those of them that have a label.")
    tasks = serializers.IntegerField(help_text="Those of them whose task in the open batch is closed.")


def summary_json(project: Project, line: ItemLine, names: Names) -> dict[str, Any]:
    annotators = [username for username, _ in line.answers]
    return _summary(project, line.item, names, line.state, annotators, flagged=line.flagged, corrected=line.corrected)


def record_json(project: Project, record: ItemRecord) -> dict[str, Any]:
    item, names = record.item, record.names
    standing = [each.user.username for each in record.annotations if each.undone_at is None]
    corrected, context = record.correction is not None, {"project": project, "names": names}
    return {
        **_summary(project, item, names, record.state, standing, flagged=record.flagged, corrected=corrected),
        "data": item.data,
        "source": item.source,
        "proposed": None if item.proposed is None else names[item.proposed],
        "encode_error": item.encode_error,
        "correctable": record.can_be_corrected,
        "selection": _selection(project, record),
        "annotations": GivenAnnotation(record.annotations, many=True, context=context).data,
        "corrections": CorrectionResponse(record.corrections, many=True, context=context).data,
        "removals": RemovalResponse(record.removals, many=True).data,
        "propagated": record.near_copy and PropagatedLabel(record.near_copy, context=context).data,
        "certified": record.certified and CertifiedLabelResponse(record.certified, context=context).data,
        "learned_by": record.learned_by(project.versions.select_related("batch")) if record.task else [],
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
    version = task.batch.selection_numbered(task.selection).selected_by
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
