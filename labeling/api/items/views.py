"""Endpoints that list, show, change and correct items, and for comments on them."""

from dataclasses import asdict, replace
from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from labeling.api.items import shapes
from labeling.api.items.imports import ItemsUpload
from labeling.api.shared import fields
from labeling.api.shared.endpoints import ProjectView, answers, parameter
from labeling.labels import comments, corrections
from labeling.labels.items import order as ordering
from labeling.labels.items import search
from labeling.labels.items.filter import FilterError
from labeling.labels.items.filter_values import NUMBER
from labeling.labels.items.item_filters import FILTERS, Chosen, matching, read_filter
from labeling.labels.items.records import ItemRecord, lines_of, record_of
from labeling.models import Ability, BulkChange, Comment, Item
from labeling.models.reviews import MAX_COMMENT
from labeling.projects import bulk
from labeling.questions import InvalidValue
from labeling.queue.changing import ERASE, RELABEL, Change
from labeling.queue.reading import read_value
from labeling.storage.db.replica import reads

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
    @answers(shapes.ItemPageResponse, needs=Ability.ITEMS_READ, parameters=PARAMETERS)
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
            "results": [shapes.summary_json(self.project, line, names) for line in lines],
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
    @answers(shapes.BulkChangeResponse, needs=Ability.IMPORTS_READ, many=True)
    def get(self) -> QuerySet[BulkChange]:
        """List the changes of all items that match a filter: those in progress, and those that ended in the last 30
        minutes.
        """
        return bulk.under_way(self.project)

    @answers(
        {
            200: OpenApiResponse(
                shapes.ChangeResponse, description="The change is made, or with `preview` would be made."
            ),
            202: OpenApiResponse(
                shapes.BulkChangeResponse, description="The worker changes all items that match `filter`."
            ),
        },
        needs=Ability.ITEMS_CHANGE,
        takes=shapes.ChangeRequest,
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
        return Response(shapes.BulkChangeResponse(asked).data, status=status.HTTP_202_ACCEPTED)


class _OneItem(ProjectView):
    def record(self, item_id: int) -> ItemRecord:
        try:
            return record_of(self.project, item_id)
        except Item.DoesNotExist:
            raise Http404("This project has no item with this id.") from None


class ItemDetail(_OneItem):
    """Return one item with its annotations, its corrections and the reason for its selection."""

    @answers(shapes.ItemDetailResponse, needs=Ability.ITEMS_READ)
    def get(self, item_id: int) -> Response:
        return Response(shapes.record_json(self.project, self.record(item_id)))


class ItemCorrection(_OneItem):
    """A reviewer's or manager's correction of an item. It replaces the item's label and changes no annotation."""

    @answers(shapes.ItemDetailResponse, needs=Ability.REVIEW_DO, takes=shapes.CorrectionRequest)
    def put(self, item_id: int) -> Response:
        """Correct the item's label, or confirm the label by sending it again."""
        item = self.record(item_id).item
        try:
            value = read_value(self.project, self.body["value"])
        except InvalidValue as error:
            raise ValidationError({"value": [str(error)]}) from None
        corrections.correct(item=item, user=self.user, value=value, note=self.body["note"])
        return Response(shapes.record_json(self.project, self.record(item_id)))

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
