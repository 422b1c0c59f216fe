"""A project's settings, each with its consequence."""

from __future__ import annotations

import copy

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_safe

from labeling import access
from labeling.models import Membership, Project
from labeling.web.consequences import Pool, consequence
from labeling.web.forms import SettingsForm
from labeling.web.members import for_members
from labeling.web.pages import render_page
from labeling.web.training_form import TrainingForm

# What the sentence about the next batch depends on.
TELLING = ("strategy", "batch_size", "candidate_factor", "control_share")


@require_http_methods(["GET", "HEAD", "POST"])
@for_members(access.MANAGE)
def settings(request: HttpRequest, membership: Membership) -> HttpResponse:
    """The form; what is saved holds for the next batch."""
    project = membership.project
    data = request.POST if request.method == "POST" else None
    # A copy, for the form changes its instance even when it turns out to be wrong.
    form = SettingsForm(data, instance=copy.copy(project))
    training = TrainingForm(data, training=project.training)
    # Both, so that all errors are told at once.
    if data is not None and all([form.is_valid(), training.is_valid()]):
        _save(form, training)
        messages.success(request, "Saved. It holds from the next batch on; the lease and the texts hold at once.")
        return redirect("project-settings", project.slug)
    context = {
        "form": form,
        "training": training,
        "consequence": consequence(_pool(project), **{name: getattr(project, name) for name in TELLING}),
    }
    status = 400 if data is not None else 200
    return render_page(request, membership, "project/settings.html", context, section="project-settings", status=status)


def _save(form: SettingsForm, training: TrainingForm) -> None:
    """Write what has changed and nothing else: the worker keeps counts on the same row."""
    project = form.instance
    project.training = training.cleaned_data
    project.save(update_fields=[*form.changed_data, "training"])


@require_safe
@for_members(access.MANAGE)
def settings_consequence(request: HttpRequest, membership: Membership) -> JsonResponse:
    """What the settings in the query would lead to; empty for values that would not be taken."""
    form = SettingsForm(request.GET, instance=copy.copy(membership.project))
    form.full_clean()
    if any(name in form.errors for name in TELLING):
        return JsonResponse({"text": ""})
    values = {name: form.cleaned_data[name] for name in TELLING}
    return JsonResponse({"text": consequence(_pool(membership.project), **values)})


def _pool(project: Project) -> Pool:
    unlabeled = project.items.unlabeled()
    return Pool(unlabeled=unlabeled.count(), reserved=unlabeled.filter(is_control=True).count())
