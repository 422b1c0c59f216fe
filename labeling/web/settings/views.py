"""The pages of settings, with their consequences, and of the project's model."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext

from labeling.insight import clusterings
from labeling.models import Ability, Membership
from labeling.projects.settings import recording_changes
from labeling.web.models.fit import fit_of, thresholds
from labeling.web.settings import consequences
from labeling.web.settings.choice_form import ModelForm
from labeling.web.settings.settings_form import SettingsForm, TrainingForm
from labeling.web.settings.standing import standing_of
from labeling.web.shared.pages import errors_as_messages, for_members, render_page


@for_members(reading=Ability.SETTINGS_READ, changing=Ability.SETTINGS_CHANGE)
def settings(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Show the settings, or save them for the next batch."""
    project = membership.project
    data = request.POST if request.method == "POST" else None
    form = SettingsForm(data, project=project)
    training = TrainingForm(data, training=project.training)
    # Both are checked, so that the page shows all errors at once.
    if data is not None and all([form.is_valid(), training.is_valid()]):
        _save(form, training)
        messages.success(
            request, gettext("Saved. Applies from the next batch on; the lease and the texts apply at once.")
        )
        return redirect("project-settings", project.slug)
    now = timezone.now()
    typed = form.instance if data is not None and not _wrong(form) else project
    context = {
        "form": form,
        "training": training,
        "unknown": data is not None and typed is project,
        "consequences": consequences.consequences_of(standing_of(project, now), project, typed),
        "fit": fit_of(clusterings.clustering_of(project)),
        "thresholds": thresholds(),
    }
    return render_page(request, membership, "project/settings.html", context, section="project-settings")


def _save(form: SettingsForm, training: TrainingForm) -> None:
    """Update only the changed fields, because the worker writes counts to the same row."""
    project = form.instance
    project.training = training.cleaned_data
    changed = [*form.changed_data, "training"]
    with recording_changes(project, changed):
        project.save(update_fields=changed)


@for_members(reading=Ability.SETTINGS_READ)
def settings_consequence(request: HttpRequest, membership: Membership) -> JsonResponse:
    """Return the consequences of the settings in the query and of the saved ones; for invalid settings, the errors.

    The query replaces the saved settings that it names.
    """
    project = membership.project
    saved = SettingsForm(project=project).initial
    form = SettingsForm({**saved, **request.GET.dict()}, project=project)
    form.full_clean()
    if wrong := _wrong(form):
        return JsonResponse({"errors": wrong})
    changed = consequences.consequences_of(standing_of(project, timezone.now()), project, form.instance)
    rows = [*changed.batch, *changed.picked, *changed.over_all]
    return JsonResponse(
        {
            "rows": {row.key: {"was": row.was, "now": row.now, "detail": row.detail} for row in rows},
            "changes": consequences.changes(rows),
            "warnings": changed.warnings,
        }
    )


@for_members(changing=Ability.MODELS_CHANGE)
def cluster_anew(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Request a rebuild of the clustering before the next batch; with `keep`, withdraw the request."""
    project = membership.project
    if "keep" in request.POST:
        clusterings.withdraw_rebuild(project=project)
        messages.success(request, gettext("The clustering stays as it is."))
    else:
        with errors_as_messages(request, clusterings.ClusteringError):
            clusterings.ask_rebuild(project=project)
            messages.success(request, gettext("The pool will be clustered again before the next batch."))
    return redirect("project-settings" if request.POST.get("back") == "settings" else "project", project.slug)


def _wrong(form: SettingsForm) -> list[str]:
    """Return the errors of the fields with consequences, each with the field's name."""
    return [f"{form.fields[name].label}: {form.errors[name][0]}" for name in form.telling if name in form.errors]


@for_members(reading=Ability.SETTINGS_READ, changing=Ability.SETTINGS_CHANGE)
def model(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Show the form that chooses the model, or save the choice. The worker restarts a running training with it."""
    project = membership.project
    form = ModelForm(request.POST if request.method == "POST" else None, project=project)
    if form.is_valid():
        project.model = form.choice()
        with recording_changes(project, ["model"]):
            project.save(update_fields=["model"])
        messages.success(
            request, gettext("The next version is trained by %(model)s.") % {"model": project.model["name"]}
        )
        return redirect("project-learner", project.slug)
    return render_page(request, membership, "project/learner.html", {"form": form}, section="project-settings")
