"""The schema as it is served, made once in a process."""

from __future__ import annotations

from functools import cache
from typing import Any

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularAPIView
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response


@cache
def published() -> dict[str, Any]:
    """The schema. It does not change while a process runs, and takes a second to make."""
    return dict(SchemaGenerator().get_schema(public=True))


class SchemaView(SpectacularAPIView):
    """GET /api/schema/, as YAML, or as JSON with `?format=json`."""

    content_negotiation_class = DefaultContentNegotiation

    def _get_schema_response(self, request: Request) -> Response:
        return Response(published())
