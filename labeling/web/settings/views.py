"""The pages of settings, with their consequences, and of the project's model."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext

from labeling.insight import clusterings
from labeling.models import Ability, Membership
from labeling.projects.settings import SECTIONS, recording_changes
from labeling.web.models.version_words import fit_of, thresholds
from labeling.web.settings import consequences
from labeling.web.settings.encoder import ModelForm
from labeling.web.settings.forms import SettingsForm, TrainingForm, changed_in, form_of, index_of, sections_of, url_of
from labeling.web.settings.standing import standing_of
from labeling.web.shared.pages import errors_as_messages, for_members, render_page


@for_members(reading=Ability.SETTINGS_READ, changing=Ability.SETTINGS_CHANGE)
def settings(request: HttpRequest, membership: Membership, page: str = SECTIONS[0].name) -> HttpResponse:
    """Show a page of the settings, or save it for the next batch."""
    project = membership.project
    sections = sections_of(project)
    section = next((each for each in sections if each.name == page), None)
    if section is None:
        raise Http404
    data = request.POST if request.method == "POST" else None
    form = form_of(section, project, data)
    if data is not None and form.is_valid():
        _save(form)
        messages.success(
            request, gettext("Saved. Applies from the next batch on; the lease and the texts apply at once.")
        )
        return redirect(url_of(project, section))
    told = isinstance(form, SettingsForm) and data is not None and not _wrong(form)
    typed = form.instance if told else project
    context: dict[str, Any] = {
        "form": form,
        "part": section,
        "index": index_of(project),
        "changed": changed_in(project, section),
        "unknown": data is not None and typed is project,
        "fit": fit_of(clusterings.clustering_of(project)) if section.name == "batch" else None,
        "thresholds": thresholds(),
    }
    if section.leads_to:
        standing = standing_of(project, timezone.now())
        context["consequences"] = consequences.consequences_of(standing, project, typed, section.leads_to)
    return render_page(request, membership, "project/settings.html", context, section="project-settings")


def _save(form: SettingsForm | TrainingForm) -> None:
    """Update only the changed fields, because the worker writes counts to the same row."""
    with recording_changes(form.instance, form.updates):
        form.instance.save(update_fields=form.updates)


@for_members(reading=Ability.SETTINGS_READ)
def settings_consequence(request: HttpRequest, membership: Membership) -> JsonResponse:
    """Return the consequences of the settings in the query and of the saved ones; for invalid settings, the errors.

    The query replaces the saved settings that it names. With a `page`, only its consequences are returned.
    """
    project = membership.project
    leads_to = next((each.leads_to for each in SECTIONS if each.name == request.GET.get("page")), None)
    saved = SettingsForm(project=project).initial
    form = SettingsForm({**saved, **request.GET.dict()}, project=project)
    form.full_clean()
    if wrong := _wrong(form):
        return JsonResponse({"errors": wrong})
    changed = consequences.consequences_of(standing_of(project, timezone.now()), project, form.instance, leads_to)
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
    if request.POST.get("back") == "settings":
        return redirect("project-settings-page", project.slug, "batch")
    return redirect("project", project.slug)


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
        title = dict(form.fields["name"].choices)[project.model["name"]]  # type: ignore[attr-defined]
        messages.success(request, gettext("The model of this project is now: %(model)s.") % {"model": title})
        return redirect("project-learner", project.slug)
    context = {"form": form, "index": index_of(project)}
    return render_page(request, membership, "project/learner.html", context, section="project-settings")
