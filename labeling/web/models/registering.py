"""The page that registers a model that was trained elsewhere, and lists the files so far."""

from __future__ import annotations

import json

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.cache import never_cache

from labeling.insight.progress import is_stalled
from labeling.intake import registering
from labeling.intake.registering import RegisterRefused
from labeling.models import Ability, Membership
from labeling.projects.encoders.encoder_settings import encoders_for
from labeling.projects.privacy import ledger
from labeling.web.shared import words
from labeling.web.shared.forms import FileForm, translated
from labeling.web.shared.pages import render_page
from labeling.web.shared.permissions import for_members

SHOWN, CLASSES_SHOWN = 20, 50


@never_cache
@for_members(reading=Ability.MODELS_READ, changing=Ability.MODELS_CHANGE, takes_files=True)
def register(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Store a file with a model, or show the form, what a file needs, and the files so far."""
    project = membership.project
    form = FileForm(request)
    if form.is_valid() and _receive(form, membership):
        return redirect("project-model-register", project.slug)
    now = timezone.now()
    newest = project.registrations.select_related("version", "created_by")[:SHOWN]
    rows = list(newest)
    waiting = any(each.state == each.State.WAITING for each in rows)
    expected = registering.manifest_for(project, most_classes=CLASSES_SHOWN)
    context = {
        "form": form,
        "max_mb": words.number(settings.MAX_UPLOAD_MB),
        "private": translated(registering.PRIVATE) if ledger.is_private(project) else "",
        "manifest": json.dumps(expected, indent=2, ensure_ascii=False),
        "encoder": next(
            (each for each in encoders_for(project.kind) if each.name == expected["encoder"]["name"]), None
        ),
        "rows": rows,
        "waiting": waiting,
        "stalled": waiting and is_stalled(project, now),
    }
    return render_page(request, membership, "project/register.html", context, section="project-models")


def _receive(form: FileForm, membership: Membership) -> bool:
    """Store the file. Return False, with the reason in the form, if it is refused."""
    named = {"project": membership.project, "user": membership.user}
    return form.hand_to(registering.receive, RegisterRefused, **named) is not None
