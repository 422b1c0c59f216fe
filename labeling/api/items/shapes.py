"""Serializers and functions that check requests for items and render items; the schema is made of the serializers."""

from typing import Any

from rest_framework import serializers

from labeling.api.shared import fields
from labeling.labels.items.item_filters import LONGEST, State
from labeling.labels.items.records import ItemLine, ItemRecord, Names, media_url, task_of
from labeling.models import Item, Project
from labeling.queue.changing import ACTIONS, MAX_ITEMS


class ShownAnswer(serializers.JSONField):
    """An answer or a label, with the names of its classes. The context has the `project` and the `names`."""

    def to_representation(self, value: Any) -> Any:
        return self.context["project"].asks.show(value, self.context["names"])


class PropagatedLabel(fields.Shape):
    """The label that an item without answers takes from another item."""

    item = fields.Integer("The id of that item.", source="of_id")
    external_id = fields.Text("Of that item.", source="of.external_id")
    label = ShownAnswer(  # type: ignore[assignment]
        source="of.label", help_text="A class name, or a list of class names."
    )
    height = fields.Float("At which the dendrogram merges the two.")


class CertifiedLabelResponse(fields.Shape):
    """A label that a model gave and that a certificate covers."""

    label = ShownAnswer(source="value", help_text="As an answer.")  # type: ignore[assignment]
    probability = fields.Float("By the model and its calibration.")
    certificate = fields.Integer("The number of the certificate.", source="certificate.number")
    version = fields.Integer("The number of the model version.", source="certificate.audit.version.number")


class ItemSummary(fields.Shape):
    id = fields.Integer()
    external_id = fields.Text()
    media_url = fields.Text("Of its file, where an item is one.", allow_null=True)
    state = fields.Choice(State.choices, "Empty until it is encoded.", allow_null=True)
    label = serializers.JSONField(  # type: ignore[assignment]  # a field that DRF has an attribute for
        allow_null=True, help_text="A class name, a list of class names, or true or false."
    )
    agreement = fields.Float(allow_null=True)
    labeled_at = fields.Time(allow_null=True)
    batch = fields.Integer(allow_null=True)
    rank = fields.Integer(allow_null=True)
    margin = fields.Float(allow_null=True)
    is_control = fields.Boolean()
    annotators = fields.Texts()
    flagged = fields.Boolean()
    corrected = fields.Boolean()
    gold = fields.Boolean("Whether the item has a known answer, which checks annotators.")
    queued = fields.Boolean("Whether a manager wants it in the next batch.")
    excluded = fields.Boolean("Whether the item is excluded: not picked, trained on or measured.")
    deleted = fields.Boolean("Whether the item is deleted. It is removed for good 30 days later.")


class ItemPageResponse(fields.Shape):
    count = fields.Integer("The number of matching items, counted up to 10,000.")
    more = fields.Boolean("Whether more may match than `count`.")
    unindexed = fields.Integer(
        "With `q`: the number of recent items that the search cannot find yet, up to 10,000.", allow_null=True
    )
    next = fields.Text(allow_null=True)
    previous = fields.Text(allow_null=True)
    results = ItemSummary(many=True)


class GivenAnnotation(fields.Shape):
    id = serializers.UUIDField()
    annotator = fields.Text(source="user.username")
    value = ShownAnswer(allow_null=True)
    skip_reason = fields.Text(allow_blank=True)
    flagged = fields.Boolean()
    seconds = fields.Float()
    created_at = fields.Moment()
    undone_at = fields.Moment("When it was taken back.", allow_null=True)


class CorrectionResponse(fields.Shape):
    value = ShownAnswer()
    by = fields.Text(source="user.username")
    note = fields.Text(allow_blank=True)
    created_at = fields.Moment()
    withdrawn_at = fields.Moment(allow_null=True)
    withdrawn_by = fields.Text(source="withdrawn_by.username", allow_null=True)


class BulkChangeResponse(fields.Shape):
    """A background change of all items that match a filter, with its progress."""

    id = fields.Integer()
    action = fields.Text()
    filter = fields.Object(source="filters", child=fields.Text())
    by = fields.Text(source="user.username")
    total = fields.Integer("Items that matched when it was asked for.")
    seen = fields.Integer("Items that were looked at.")
    changed = fields.Integer()
    failure = fields.Text("Why it stopped before its end.", allow_blank=True)
    created_at = fields.Time()
    finished_at = fields.Time(allow_null=True)


class RemovalResponse(fields.Shape):
    deleted = fields.Boolean("Deleted, not only excluded.")
    reason = fields.Text(allow_blank=True)
    by = fields.Text(source="user.username")
    created_at = fields.Moment()
    ended_at = fields.Moment(allow_null=True)
    ended_by = fields.Text(source="ended_by.username", allow_null=True)


class Selection(fields.Shape):
    """Why the item was picked, and the prediction of the model version that picked it."""

    selected_by = fields.Integer("The model version; none for a first batch.", allow_null=True)
    selection = fields.Integer("Which selection of its batch: 2 if it was picked again.")
    replaces = fields.Integer(
        "The id of the item that it replaced, because all annotators skipped that item.", allow_null=True
    )
    margin = fields.Float(allow_null=True)
    cluster = fields.Integer(allow_null=True)
    cluster_size = fields.Integer(allow_null=True)
    draw_pass = fields.Integer("The pass over the clusters, counted from 0.", allow_null=True)
    predicted = serializers.JSONField(allow_null=True)
    confidence = fields.Float(allow_null=True)


class ItemDetailResponse(ItemSummary):
    data = fields.Object()  # type: ignore[assignment]  # a field that DRF has an attribute for
    source = fields.Text(allow_blank=True)  # type: ignore[assignment]
    proposed = fields.Text("The class to verify.", allow_null=True)
    encode_error = fields.Text(allow_blank=True)
    correctable = fields.Boolean("Whether the task has all its answers, or the label is certified or corrected.")
    selection = Selection(allow_null=True)
    annotations = GivenAnnotation(many=True)
    corrections = CorrectionResponse(many=True, help_text="The newest first. At most the newest is in force.")
    removals = RemovalResponse(many=True, help_text="When it was excluded or deleted, the newest first.")
    propagated = PropagatedLabel(allow_null=True, help_text="The label that it has as a near-copy of another item.")
    certified = CertifiedLabelResponse(
        allow_null=True, help_text="A model’s label that a certificate covers. No person was asked."
    )
    learned_by = fields.Integers("The model versions that have learned from it.")


class CorrectionRequest(fields.Shape):
    value = fields.AnswerValue()
    note = fields.Text(max_length=300, allow_blank=True, default="")


class ChangeRequest(fields.Shape):
    action = serializers.ChoiceField(choices=list(ACTIONS))
    items = fields.List(
        "Their ids.",
        child=serializers.IntegerField(min_value=0, max_value=fields.MAX_ID),
        min_length=1,
        max_length=MAX_ITEMS,
        required=False,
    )
    filter = fields.Object(
        "Instead of `items`: parameters of the list of items. The worker changes all matching items.",
        child=fields.Text(max_length=LONGEST, allow_blank=True),
        required=False,
    )
    reason = fields.Text(
        "The reason, for people who look at the item later.", max_length=300, allow_blank=True, default=""
    )
    value = fields.AnswerValue(required=False, help_text="For `relabel`: the label.")
    preview = serializers.BooleanField(default=False, help_text="Show the effect without making the change.")


class ChangeResponse(fields.Shape):
    """The effect of a change. Named items that the change does not fit stay as they are."""

    items = fields.Integer("Items that it changes, or has changed.")
    labels = fields.Integer("Those of them that have a label.")
    tasks = fields.Integer("Those of them whose task in the open batch is closed.")


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
