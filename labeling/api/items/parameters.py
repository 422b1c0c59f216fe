"""The query parameters that filter and sort the list of items."""

from __future__ import annotations

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from labeling.api.shared.parameters import parameter
from labeling.items.filters import FILTERS
from labeling.items.order import SORTS

MAX_PAGE_SIZE = 1000
PAGE_SIZE = 100
PARAMETERS = [
    *map(parameter, FILTERS.values()),
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
