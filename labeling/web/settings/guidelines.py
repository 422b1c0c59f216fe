"""How guidelines will look, before they are saved."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST


@require_POST
@login_required
def preview(request: HttpRequest) -> HttpResponse:
    """What stands in the form's `guidelines`, as annotators will read it. Nothing is stored."""
    return render(request, "guidelines/preview.html", {"text": request.POST.get("guidelines", "").strip()})
