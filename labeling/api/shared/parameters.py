"""Query parameters of the published schema, made from the declarations of filters."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter

from labeling.items.filter import Filter


def parameter(each: Filter) -> OpenApiParameter:
    """Return the query parameter of a filter."""
    return OpenApiParameter(each.name, dict(each.schema), description=each.meaning)
