"""Pagination of lists, with a bounded page size."""

from typing import Any

from rest_framework import serializers
from rest_framework.pagination import PageNumberPagination

MAX_PAGE = 2**31 - 1


class PageRequest(serializers.Serializer[Any]):
    page = serializers.IntegerField(min_value=1, max_value=MAX_PAGE, required=False)
    page_size = serializers.IntegerField(min_value=1, max_value=1000, required=False)


class Pages(PageNumberPagination):
    """Pagination by number. A page that is no number answers 400, a page after the last 404."""

    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 1000

    def paginate_queryset(self, queryset: Any, request: Any, view: Any = None) -> Any:
        PageRequest(data=request.query_params.dict()).is_valid(raise_exception=True)
        return super().paginate_queryset(queryset, request, view)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return [
            _parameter("page", "Which page.", maximum=MAX_PAGE, default=1),
            _parameter("page_size", "Entries on a page.", maximum=self.max_page_size, default=self.page_size),
        ]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the schema of a page, in which all four keys are required."""
        link = {"type": "string", "format": "uri", "nullable": True}
        return {
            "type": "object",
            "required": ["count", "next", "previous", "results"],
            "properties": {
                "count": {"type": "integer", "minimum": 0, "description": "Entries on all pages together."},
                "next": {**link, "description": "The address of the next page; null on the last."},
                "previous": {**link, "description": "The address of the page before; null on the first."},
                "results": schema,
            },
        }


def _parameter(name: str, text: str, *, maximum: int, default: int) -> dict[str, Any]:
    bounds = {"type": "integer", "minimum": 1, "maximum": maximum, "default": default}
    return {"name": name, "in": "query", "required": False, "description": text, "schema": bounds}
