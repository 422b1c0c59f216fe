"""The pages of a project's sources."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache

from labeling import kinds
from labeling.intake.watching import changing
from labeling.models import Ability, Membership, Source
from labeling.outside import references
from labeling.outside.sources import PLACES, BadAddress, SourceProblem
from labeling.outside.waiting import AGAIN_SECONDS, Busy
from labeling.projects.quota import shown
from labeling.web.imports.import_rows import import_rows
from labeling.web.shared.pages import action, for_members, render_page
from labeling.web.sources.forms import ChangeForm, OptionsForm, SourceForm, place_named

SECTION = "project-sources"
LOST_SHOWN = 20


@never_cache
@for_members(reading=Ability.SOURCES_CHANGE, changing=Ability.SOURCES_CHANGE)
def sources(request: HttpRequest, membership: Membership) -> HttpResponse:
    """List the sources, or add one."""
    project = membership.project
    place = place_named(request.GET.get("place", ""))
    form = SourceForm(place, kinds.of(project), request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            options, secrets = changing.divided(form.cleaned_data["address"], form.options)
            values = {**form.values(), "options": options, "secrets": secrets}
            source = changing.add(project=project, user=membership.user, **values)
        except (BadAddress, ValidationError, changing.SourceRefused) as error:
            _tell(form, error)
        else:
            messages.success(request, gettext("The source is added. A worker is checking it now."))
            return redirect("project-source", project.slug, source.pk)
    states = changing.states_of(project)
    context = {
        "sources": [_source_row(each, states) for each in project.sources.all()],
        "form": form,
        "scheme": place.schemes[0],
        "places": [(each.schemes[0], gettext(each.title), each is place) for each in PLACES],
    }
    return render_page(request, membership, "project/sources.html", context, section=SECTION)


def _tell(form: forms.Form, error: Exception) -> None:
    """Show the error beside its field."""
    if isinstance(error, ValidationError) and hasattr(error, "error_dict"):
        for name, texts in error.message_dict.items():
            form.add_error(name if name in form.fields else None, texts)
    else:
        option = error.option if isinstance(error, BadAddress) else ""
        form.add_error(option if option in form.fields else None, str(error))


def _source_row(source: Source, states: changing.States) -> dict[str, Any]:
    return {"row": source, "looking": source.pk in states.looking, "parked": states.parked.get(source.pk)}


@never_cache
@for_members(reading=Ability.SOURCES_CHANGE, changing=Ability.SOURCES_CHANGE)
def source(request: HttpRequest, membership: Membership, source_id: int) -> HttpResponse:
    """Show a source with its imports, or change its name and its schedules."""
    found = _found(membership, source_id)
    if request.method != "POST":
        return _page(request, membership, found)
    form = ChangeForm(found, request.POST)
    if not form.is_valid():
        return _page(request, membership, found, form=form)
    changing.change(source=found, **form.cleaned_data)
    messages.success(request, gettext("The source is changed."))
    return _back(found)


def _found(membership: Membership, source_id: int) -> Source:
    return get_object_or_404(membership.project.sources.select_related("project"), pk=source_id)


def _place(found: Source) -> Any:
    return place_named(found.address.partition("://")[0])


def _back(found: Source) -> HttpResponse:
    return redirect("project-source", found.project.slug, found.pk)


def _page(
    request: HttpRequest,
    membership: Membership,
    found: Source,
    *,
    form: ChangeForm | None = None,
    credentials: OptionsForm | None = None,
    **more: Any,
) -> HttpResponse:
    place = _place(found)
    values = {"name": found.name, "schedule": found.schedule, "full_schedule": found.full_schedule}
    context: dict[str, Any] = {
        **_source_row(found, changing.states_of(membership.project)),
        "source": found,
        "options": [
            (gettext(each.label), found.options[each.name]) for each in place.options if each.name in found.options
        ],
        "lost": references.lost_at(found, LOST_SHOWN) if found.by_reference else [],
        "has_full": place.can_list and found.content != Source.Content.FILE,
        "imports": import_rows(membership.project, found),
        "form": form or ChangeForm(found, initial=values),
        "credentials": credentials or OptionsForm(place, initial=found.options),
        **more,
    }
    return render_page(request, membership, "project/source.html", context, section=SECTION)


@for_members(changing=Ability.SOURCES_CHANGE)
def credentials(request: HttpRequest, membership: Membership, source_id: int) -> HttpResponse:
    """Replace the options and credentials of a source."""
    found = _found(membership, source_id)
    form = OptionsForm(_place(found), request.POST)
    if form.is_valid():
        try:
            options, secrets = changing.divided(found.address, form.options)
            changing.change(source=found, options=options, secrets=secrets)
        except (BadAddress, ValidationError) as error:
            _tell(form, error)
        else:
            messages.success(request, gettext("The credentials are replaced. Failed imports continue."))
            return _back(found)
    return _page(request, membership, found, credentials=form)


@for_members(changing=Ability.SOURCES_CHANGE)
def test(request: HttpRequest, membership: Membership, source_id: int) -> HttpResponse:
    """Show the first files of the source, or the reason why they cannot be listed."""
    found = _found(membership, source_id)
    try:
        files = [
            (each.key or found.address, "" if each.size is None else shown(each.size))
            for each in changing.files_for(membership.user, found)
        ]
    except Busy as busy:
        page = _page(request, membership, found, tested=True, test_problem=str(busy))
        page.status_code, page["Retry-After"] = 429, str(AGAIN_SECONDS)
        return page
    except SourceProblem as problem:
        return _page(request, membership, found, tested=True, test_problem=str(problem))
    return _page(request, membership, found, tested=True, files=files)


@action(Ability.SOURCES_CHANGE, "project-source", "source_id", refused=(changing.SourceRefused,))
def look(request: HttpRequest, membership: Membership, source_id: int) -> str:
    """Look at the source, with `full` at all of its files."""
    changing.look_now(source=_found(membership, source_id), full=request.POST.get("full") == "yes")
    return gettext("A worker is checking the source. Reload this page to see the result.")


@action(Ability.SOURCES_CHANGE, "project-source", "source_id")
def pause(request: HttpRequest, membership: Membership, source_id: int) -> str:
    """Pause or resume the source."""
    paused = request.POST.get("paused") == "yes"
    changing.change(source=_found(membership, source_id), paused=paused)
    return (
        gettext("The source is paused.") if paused else gettext("The source is resumed. A worker is checking it now.")
    )


@action(Ability.SOURCES_CHANGE, "project-source", "source_id", refused=(changing.SourceRefused,))
def remove_source(request: HttpRequest, membership: Membership, source_id: int) -> HttpResponse:
    """Remove the source. Its items stay."""
    lose_files = request.POST.get("lose_files") == "yes"
    changing.remove_source(source=_found(membership, source_id), lose_files=lose_files)
    messages.success(request, gettext("The source is removed. Its items stay."))
    return redirect("project-sources", membership.project.slug)
