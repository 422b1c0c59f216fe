"""The page of a project's model."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext

from labeling.models import Ability, Membership
from labeling.projects.settings import recording_changes
from labeling.web.settings.choice_form import ModelForm
from labeling.web.shared.pages import render_page
from labeling.web.shared.permissions import for_members


@for_members(reading=Ability.SETTINGS_READ, changing=Ability.SETTINGS_CHANGE)
def model(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Show the form that chooses the model, or save the choice. The worker restarts a running training with it."""
    project = membership.project
    form = ModelForm(request.POST if request.method == "POST" else None, project=project)
    if form.is_bound and form.is_valid():
        project.model = form.choice()
        with recording_changes(project, ["model"]):
            project.save(update_fields=["model"])
        messages.success(
            request, gettext("The next version is trained by %(model)s.") % {"model": project.model["name"]}
        )
        return redirect("project-learner", project.slug)
    status = 400 if form.errors else 200
    context = {"form": form}
    return render_page(request, membership, "project/learner.html", context, section="project-settings", status=status)
