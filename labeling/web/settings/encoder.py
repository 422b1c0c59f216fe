"""The page of a project's encoder."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from labeling.models import Ability, Membership
from labeling.projects.create import EncoderSettled, choose_encoder
from labeling.projects.encoder_settings import packaged_weights
from labeling.web.settings.choice_form import EncoderForm
from labeling.web.shared.pages import render_page
from labeling.web.shared.permissions import for_members


@for_members(reading=Ability.SETTINGS_READ, changing=Ability.SETTINGS_CHANGE)
def encoder(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Show the form that chooses the encoder, or the chosen encoder once an item is encoded."""
    project = membership.project
    form = EncoderForm(request.POST if request.method == "POST" else None, project=project)
    if form.is_bound and form.is_valid():
        try:
            choose_encoder(project=project, choice=form.choice())
        except EncoderSettled as error:
            messages.error(request, str(error))
        else:
            messages.success(request, f"Items are encoded by {form.choice()['name']}.")
        return redirect("project-encoder", project.slug)
    context = {
        "form": form,
        "settled": project.features_generation > 0,
        "packaged": packaged_weights(project.kind, project.encoder),
    }
    status = 400 if form.errors else 200
    return render_page(request, membership, "project/encoder.html", context, section="project-settings", status=status)
