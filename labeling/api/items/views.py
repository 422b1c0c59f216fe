"""Items on their way out: found by what is known of them, and corrected."""

from __future__ import annotations

from typing import Any, ClassVar

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.answering import corrections
from labeling.answering.reading import read_value
from labeling.api.items.imports import ItemsUpload
from labeling.api.items.shapes import (
    MAX_PAGE_SIZE,
    PAGE_SIZE,
    PARAMETERS,
    CorrectionRequest,
    ItemDetailResponse,
    ItemPageResponse,
    record_json,
    summary_json,
)
from labeling.api.shared.base import ProjectView
from labeling.api.shared.reading import read
from labeling.items.filters import NUMBER, READERS, FilterError, ItemFilter, matching, read_filter
from labeling.items.order import (
    NEWEST,
    ORDERS,
    ItemPage,
    Order,
    count_up_to,
    order_for,
    page_after,
    page_before,
    read_position,
)
from labeling.items.records import ItemRecord, lines_of, record_of
from labeling.models import Item
from labeling.projects import access
from labeling.questions import InvalidValue

KNOWN = (*READERS, "sort", "page_size", "after", "before")


class Items(ItemsUpload):
    """The project's items, found by what is known of them. The filters that are given must all hold."""

    needs: ClassVar[dict[str, str]] = {**ItemsUpload.needs, "GET": access.EXPORT}

    @extend_schema(parameters=PARAMETERS, responses=ItemPageResponse)
    def get(self, request: Request, slug: str) -> Response:
        given = request.query_params
        wanted, order, size = self._read(request)
        items = matching(self.project, wanted)
        try:
            if before := given.get("before"):
                page = page_before(items, order, read_position(before, order), size)
            else:
                after = given.get("after")
                page = page_after(items, order, read_position(after, order) if after else None, size)
        except ValueError:
            field = "before" if given.get("before") else "after"
            raise ValidationError({field: ["Take it from the page before, with the same sort."]}) from None
        lines, names = lines_of(self.project, page.ids)
        count, more = count_up_to(items)
        body = {
            "count": count,
            "more": more,
            **self._ways(request, page),
            "results": [summary_json(self.project, line, names) for line in lines],
        }
        return Response(body)

    def _read(self, request: Request) -> tuple[ItemFilter, Order, int]:
        """A parameter that does not exist is refused: misspelt, it would filter nothing."""
        given = request.query_params
        errors = {
            name: f"There is no such parameter; there are {', '.join(KNOWN)}." for name in given if name not in KNOWN
        }
        wanted, size = ItemFilter(), given.get("page_size") or str(PAGE_SIZE)
        try:
            wanted = read_filter(self.project, given)
        except FilterError as error:
            errors |= error.fields
        if (sort := given.get("sort") or NEWEST) not in ORDERS:
            errors["sort"] = f"Choose one of {', '.join(ORDERS)}."
        if not NUMBER.fullmatch(size) or not 1 <= int(size) <= MAX_PAGE_SIZE:
            errors["page_size"] = f"Enter a whole number from 1 to {MAX_PAGE_SIZE}."
        if errors:
            raise ValidationError({name: [text] for name, text in errors.items()})
        return wanted, order_for(wanted, sort), int(size)

    def _ways(self, request: Request, page: ItemPage) -> dict[str, str | None]:
        """The addresses of the pages behind and in front of this one."""

        def way(name: str, place: Any) -> str | None:
            if place is None:
                return None
            query = request.query_params.copy()
            for other in ("after", "before"):
                query.pop(other, None)
            query[name] = str(place)
            return request.build_absolute_uri(f"{request.path}?{query.urlencode()}")

        return {"next": way("after", page.after), "previous": way("before", page.before)}


class _OneItem(ProjectView):
    """What concerns one item."""

    subject = "Items"

    def record(self, item_id: int) -> ItemRecord:
        try:
            return record_of(self.project, item_id)
        except Item.DoesNotExist:
            raise Http404("There is no such item in this project.") from None


class ItemDetail(_OneItem):
    """One item, with its annotations, its corrections and why it was picked."""

    needs: ClassVar[dict[str, str]] = {"GET": access.EXPORT}

    @extend_schema(responses=ItemDetailResponse)
    def get(self, request: Request, slug: str, item_id: int) -> Response:
        return Response(record_json(self.project, self.record(item_id)))


class ItemCorrection(_OneItem):
    """A manager's word on an item: while it stands it is the item's label. The annotations stay as they are."""

    needs: ClassVar[dict[str, str]] = {"PUT": access.MANAGE, "DELETE": access.MANAGE}

    @extend_schema(request=CorrectionRequest, responses=ItemDetailResponse)
    def put(self, request: Request, slug: str, item_id: int) -> Response:
        """Correct the label, or confirm it by giving it again."""
        item = self.record(item_id).item
        given = read(CorrectionRequest, request.data)
        try:
            value = read_value(self.project, given["value"])
        except InvalidValue as error:
            raise ValidationError({"value": [str(error)]}) from None
        corrections.correct(item=item, user=self.user, value=value, note=given["note"])
        return Response(record_json(self.project, self.record(item_id)))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, item_id: int) -> Response:
        """Withdraw the correction that stands: the label is again what the annotators answered."""
        corrections.withdraw(item=self.record(item_id).item, user=self.user)
        return Response(status=204)
