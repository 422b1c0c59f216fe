"""Parameters of the published schema, made of declarations."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter

from labeling.items.filter import Filter


def parameter(each: Filter) -> OpenApiParameter:
    """The query parameter that sets the filter."""
    return OpenApiParameter(each.name, dict(each.schema), description=each.meaning)
