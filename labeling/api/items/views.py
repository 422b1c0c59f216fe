"""Endpoints that list, show, change and correct items, and for comments on them."""

from dataclasses import asdict, replace
from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from labeling.api.items.imports import ItemsUpload
from labeling.api.shared import fields
from labeling.api.shared.endpoints import ProjectView, answers, parameter
from labeling.labels import comments, corrections
from labeling.labels.items import order as ordering
from labeling.labels.items import search
from labeling.labels.items.filter import FilterError
from labeling.labels.items.filter_values import NUMBER
from labeling.labels.items.item_filters import FILTERS, LONGEST, Chosen, State, matching, read_filter
from labeling.labels.items.records import ItemLine, ItemRecord, Names, lines_of, media_url, record_of, task_of
from labeling.models import Ability, BulkChange, Comment, Item, Project
from labeling.models.annotations import MAX_COMMENT
from labeling.projects import bulk
from labeling.questions import InvalidValue
from labeling.queue.changing import ACTIONS, ERASE, MAX_ITEMS, RELABEL, Change, Effect
from labeling.queue.reading import read_value
from labeling.storage.db.replica import reads


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


MAX_PAGE_SIZE = 1000
PAGE_SIZE = 100
PARAMETERS = [
    *map(parameter, FILTERS.values()),
    OpenApiParameter(
        "sort",
        OpenApiTypes.STR,
        enum=list(ordering.SORTS),
        description="Their order: `newest` by default, and with `like` that of `alike`.",
    ),
    OpenApiParameter("page_size", OpenApiTypes.INT, default=PAGE_SIZE, description=f"1 to {MAX_PAGE_SIZE}."),
    OpenApiParameter("after", OpenApiTypes.STR, description="From `next`: the page behind this place."),
    OpenApiParameter("before", OpenApiTypes.STR, description="From `previous`: the page in front of this place."),
]
KNOWN = (*FILTERS, "sort", "page_size", "after", "before")


class Items(ItemsUpload):
    """List the project's items. An item must match all filters of the request."""

    @reads()
    @answers(ItemPageResponse, needs=Ability.ITEMS_READ, parameters=PARAMETERS)
    def get(self) -> Response:
        query = self.request.query_params
        chosen, order, size = self._read()
        items = matching(self.project, chosen)
        try:
            if before := query.get("before"):
                page = ordering.page_before(items, order, ordering.read_position(before, order), size)
            else:
                after = query.get("after")
                page = ordering.page_after(items, order, ordering.read_position(after, order) if after else None, size)
        except ValueError:
            field = "before" if query.get("before") else "after"
            raise ValidationError({field: ["Take it from the page before, with the same sort."]}) from None
        lines, names = lines_of(self.project, page.keys)
        count, more = ordering.count_matching(self.project, chosen)
        body = {
            "count": count,
            "more": more,
            "unindexed": ordering.count_up_to(search.unindexed(self.project))[0] if "q" in chosen else None,
            **self._ways(page),
            "results": [summary_json(self.project, line, names) for line in lines],
        }
        return Response(body)

    def _read(self) -> tuple[Chosen, ordering.Order, int]:
        """Return the filter, the order and the page size. Raises `ValidationError` for a bad value or an unknown
        parameter.
        """
        query = self.request.query_params
        errors = {name: f"Unknown parameter. Known: {', '.join(KNOWN)}." for name in query if name not in KNOWN}
        chosen: Chosen = {}
        size = query.get("page_size") or str(PAGE_SIZE)
        try:
            chosen = read_filter(self.project, query)
        except FilterError as error:
            errors |= error.fields
        if (sort := query.get("sort", "")) and sort not in ordering.SORTS:
            errors["sort"] = f"Choose one of {', '.join(ordering.SORTS)}."
        if not NUMBER.fullmatch(size) or not 1 <= int(size) <= MAX_PAGE_SIZE:
            errors["page_size"] = f"Enter a whole number from 1 to {MAX_PAGE_SIZE}."
        if errors:
            raise ValidationError({name: [text] for name, text in errors.items()})
        return chosen, ordering.order_for(chosen, sort), int(size)

    def _ways(self, page: ordering.KeyPage) -> dict[str, str | None]:
        """Return the addresses of the next and the previous page."""

        def way(name: str, place: Any) -> str | None:
            if place is None:
                return None
            query = self.request.query_params.copy()
            for other in ("after", "before"):
                query.pop(other, None)
            query[name] = str(place)
            return self.request.build_absolute_uri(f"{self.request.path}?{query.urlencode()}")

        return {"next": way("after", page.after), "previous": way("before", page.before)}


class ItemChanges(ProjectView):
    @answers(BulkChangeResponse, needs=Ability.IMPORTS_READ, many=True)
    def get(self) -> QuerySet[BulkChange]:
        """List the changes of all items that match a filter: those in progress, and those that ended in the last 30
        minutes.
        """
        return bulk.under_way(self.project)

    @answers(
        {
            200: OpenApiResponse(
                fields.shape_of(Effect, "ChangeResponse"),
                description="The change is made, or with `preview` would be made.",
            ),
            202: OpenApiResponse(BulkChangeResponse, description="The worker changes all items that match `filter`."),
        },
        needs=Ability.ITEMS_CHANGE,
        takes=ChangeRequest,
    )
    def post(self) -> Response:
        """Exclude, include, delete, restore or erase items, queue them for the next batch, or correct their labels.

        Deleted items can be restored for 30 days. `erase` needs `items` and a `reason`: a worker erases them for good
        in the next minutes, also from all dataset versions, and they cannot be restored. A repeated request has no
        further effect. Items that the change does not fit stay as they are.
        """
        body = self.body
        change = Change(body["action"], body.get("items", ()), body["reason"])
        if ("items" in body) == ("filter" in body):
            raise ValidationError({"items": ["Name the items, or give a filter; not both."]})
        if change.action == ERASE and "items" not in body:
            raise ValidationError({"items": ["Name the items that are to be erased."]})
        if change.action == ERASE and not change.reason.strip() and not body["preview"]:
            raise ValidationError({"reason": ["Give a reason, such as the number of a request."]})
        if change.action == RELABEL:
            try:
                change = replace(change, value=read_value(self.project, body.get("value")))
            except InvalidValue as error:
                raise ValidationError({"value": [str(error)]}) from None
        if "filter" in body:
            return self._all_that_match(change, body["filter"], preview=body["preview"])
        effect = change.preview(self.project) if body["preview"] else change.carry_out(self.project, self.user)
        return Response(asdict(effect))

    def _all_that_match(self, change: Change, filters: dict[str, str], *, preview: bool) -> Response:
        if unknown := sorted(filters.keys() - FILTERS.keys()):
            raise ValidationError({"filter": [f"There is no {unknown[0][:60]!r}; there are {', '.join(FILTERS)}."]})
        try:
            if preview:
                items = matching(self.project, read_filter(self.project, filters))
                return Response(asdict(change.effect_on(items)))
            asked = bulk.ask(project=self.project, user=self.user, filters=filters, change=change)
        except FilterError as error:
            raise ValidationError({"filter": [str(error)]}) from None
        return Response(BulkChangeResponse(asked).data, status=status.HTTP_202_ACCEPTED)


class _OneItem(ProjectView):
    def record(self, item_id: int) -> ItemRecord:
        try:
            return record_of(self.project, item_id)
        except Item.DoesNotExist:
            raise Http404("This project has no item with this id.") from None


class ItemDetail(_OneItem):
    """Return one item with its annotations, its corrections and the reason for its selection."""

    @answers(ItemDetailResponse, needs=Ability.ITEMS_READ)
    def get(self, item_id: int) -> Response:
        return Response(record_json(self.project, self.record(item_id)))


class ItemCorrection(_OneItem):
    """A reviewer's or manager's correction of an item. It replaces the item's label and changes no annotation."""

    @answers(ItemDetailResponse, needs=Ability.REVIEW_DO, takes=CorrectionRequest)
    def put(self, item_id: int) -> Response:
        """Correct the item's label, or confirm the label by sending it again."""
        item = self.record(item_id).item
        try:
            value = read_value(self.project, self.body["value"])
        except InvalidValue as error:
            raise ValidationError({"value": [str(error)]}) from None
        corrections.correct(item=item, user=self.user, value=value, note=self.body["note"])
        return Response(record_json(self.project, self.record(item_id)))

    @answers(needs=Ability.REVIEW_DO)
    def delete(self, item_id: int) -> None:
        """Withdraw the correction. The item's label is resolved from its annotations again."""
        corrections.withdraw(item=self.record(item_id).item, user=self.user)


class CommentRequest(fields.Shape):
    text = fields.Text(max_length=MAX_COMMENT)
    to = fields.Text(
        "The username of an annotator who has answered the item, and reads this. Empty: reviewers and "
        "managers alone read it.",
        max_length=150,
        default="",
        allow_blank=True,
    )


class CommentResponse(fields.Shape):
    user = fields.Text("Who wrote it.", source="user.username")
    to = fields.Text("The annotator who reads it, if one does.", source="to.username", allow_null=True)
    text = fields.Text()
    created_at = fields.Moment()
    read_at = fields.Moment("When the annotator had it on the screen.", allow_null=True)


class ThreadResponse(fields.Shape):
    item = fields.Text("The external id of the item.", source="item.external_id")
    unread = fields.Boolean("Whether an answer has come that was not marked as read.")
    comments = CommentResponse(many=True, help_text="One's own, and what was answered to them, in order.")


class ReadResponse(fields.Shape):
    read = fields.Integer("How many answers were new.")


class ItemComments(ProjectView):
    @answers(CommentResponse, needs=Ability.ITEMS_READ, many=True)
    def get(self, item_id: int) -> QuerySet[Comment]:
        """List all comments on the item, the oldest first."""
        item = get_object_or_404(self.project.items, pk=item_id)
        return item.comments.select_related("user", "to").order_by("pk")

    @answers(CommentResponse, 201, needs=Ability.REVIEW_DO, takes=CommentRequest)
    def post(self, item_id: int) -> Comment:
        """Write a comment on the item, either to an annotator who answered the item or for reviewers and managers
        alone.

        Respond with 409 if the annotator in `to` has not answered the item.
        """
        item = get_object_or_404(self.project.items, pk=item_id)
        return comments.write_reviewers_comment(item=item, user=self.user, **self.body)


class OwnComments(ProjectView):
    """The caller's own comments, by item, with the replies to them. The item's other fields are hidden."""

    @answers(ThreadResponse, needs=Ability.TASKS_ANSWER, many=True)
    def get(self) -> list[comments.Thread]:
        """List the caller's comments and the replies to them, by item, the newest first, at most 100 items."""
        return comments.threads_of(self.project, self.user)

    @answers(ReadResponse, needs=Ability.TASKS_ANSWER)
    def post(self) -> dict[str, int]:
        """Mark all replies to the caller's comments as read."""
        return {"read": comments.mark_read(self.project, self.user)}
