"""The page of the schema."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from labeling.api.published.reference import shapes, subjects


@require_safe
@login_required
def api_docs(request: HttpRequest) -> HttpResponse:
    """Every endpoint, by subject, from the published schema: no query but those of the session."""
    context = {
        "subjects": subjects(),
        "shapes": shapes(),
        "origin": request.build_absolute_uri("/").rstrip("/"),
    }
    return render(request, "api/docs.html", context)
