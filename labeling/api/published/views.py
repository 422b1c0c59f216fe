"""The published schema for programs, and the API's page for people."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.views import SpectacularAPIView
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.published.reference import published, shapes, subjects


class SchemaView(SpectacularAPIView):
    """Serve GET /api/schema/ as YAML, or as JSON with `?format=json`."""

    content_negotiation_class = DefaultContentNegotiation

    def _get_schema_response(self, request: Request) -> Response:
        return Response(published())


@require_safe
@login_required
def api_docs(request: HttpRequest) -> HttpResponse:
    """Render the page that lists every endpoint by subject. It queries the database for the session alone."""
    context = {
        "subjects": subjects(),
        "shapes": shapes(),
        "version": published()["info"]["version"],
        "origin": request.build_absolute_uri("/").rstrip("/"),
    }
    return render(request, "api/docs.html", context)
