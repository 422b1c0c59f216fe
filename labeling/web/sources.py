"""The pages of a project's sources."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.cache import never_cache

from labeling import kinds
from labeling.intake.readers.layout import LABELS_AS, Layout
from labeling.intake.watching import changing
from labeling.kinds import Kind
from labeling.models import Ability, Membership, Source
from labeling.outside import references
from labeling.outside.sources import MAX_ADDRESS, PLACES, BadAddress, Option, Remote, SourceProblem
from labeling.outside.waiting import AGAIN_SECONDS, Busy
from labeling.projects.quota import shown
from labeling.web.imports.import_rows import import_rows
from labeling.web.shared.forms import ErrorsInForm, translated, translated_choices
from labeling.web.shared.pages import action, for_members, render_page

PLAIN = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
FOLDERS = {
    "ignore": gettext_lazy("nothing: people label all items"),
    "trusted": gettext_lazy("classes: the model trains on them at once"),
    "suggestions": gettext_lazy("classes: annotators see them as suggestions"),
    "truth": gettext_lazy("classes, hidden from everyone who labels"),
}
assert FOLDERS.keys() <= LABELS_AS.keys()


def place_named(scheme: str) -> type[Remote]:
    """Return the kind of place with this scheme; the first one for an unknown scheme."""
    return next((each for each in PLACES if scheme in each.schemes), PLACES[0])


class SecretArea(forms.Textarea):
    """A text area that shows nothing of what was typed, as a password field does."""

    def format_value(self, value: Any) -> None:
        return None


class OptionsForm(forms.Form):
    """The options and credentials of a place. Credentials are never shown again."""

    def __init__(self, place: type[Remote], *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        for option in place.options:
            self.fields[option.name] = _field(option)

    @property
    def options(self) -> dict[str, str]:
        """The texts that were entered, by the names of the options."""
        return {name: text for name, text in self.cleaned_data.items() if name not in self.base_fields}


def _field(option: Option) -> forms.CharField:
    widget: forms.Widget = forms.TextInput(attrs=PLAIN)
    if option.long:
        widget = SecretArea(attrs={**PLAIN, "rows": 4})
    elif option.secret:
        widget = forms.PasswordInput(attrs={**PLAIN, "autocomplete": "new-password"})
    return forms.CharField(
        label=translated(option.label),
        help_text=translated(option.help),
        required=False,
        max_length=10_000,
        widget=widget,
    )


class Schedules(forms.Form):
    """When a source is looked at."""

    schedule = forms.ChoiceField(
        label=gettext_lazy("Check for new files"),
        choices=lambda: translated_choices(Source.Every.choices),
        initial=Source.Every.DAY,
        help_text=gettext_lazy(
            "A quick check lists only files that sort after the last one, so it costs little even with many files."
        ),
    )
    full_schedule = forms.ChoiceField(
        label=gettext_lazy("Check all files"),
        choices=lambda: translated_choices(Source.Every.choices),
        initial=Source.Every.WEEK,
        help_text=gettext_lazy(
            "A full check also finds files whose names sort before the last one, and files with rows "
            "that have changed. It lists every file: ten million of them take ten thousand requests."
        ),
    )


class SourceForm(OptionsForm, Schedules):
    """A new source."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=100,
        help_text=gettext_lazy("Shown to the members of this project."),
        widget=forms.TextInput(attrs=PLAIN),
    )
    address = forms.CharField(label=gettext_lazy("URL"), max_length=MAX_ADDRESS, widget=forms.TextInput(attrs=PLAIN))
    content = forms.ChoiceField(
        label=gettext_lazy("What is there?"),
        choices=lambda: translated_choices(Source.Content.choices),
        widget=forms.RadioSelect,
    )
    by_reference = forms.BooleanField(
        label=gettext_lazy("The files stay there"),
        required=False,
        help_text=gettext_lazy(
            "This includes files that rows name. They are not copied: the server fetches each file when it is "
            "needed. An item whose file changes or disappears there can no longer be shown."
        ),
    )
    folders = forms.ChoiceField(
        label=gettext_lazy("The names of its folders are"),
        choices=list(FOLDERS.items()),
        help_text=gettext_lazy(
            "For files that are an item each. Folders that are not named after a class are ignored."
        ),
    )

    def __init__(self, place: type[Remote], kind: Kind, *args: Any, **more: Any) -> None:
        super().__init__(place, *args, **more)
        self.fields["address"].help_text = gettext("Such as %(example)s") % {"example": place.example}
        contents = [Source.Content.FILE, *([Source.Content.FILES] if place.can_list else [])]
        if kind.is_file and place.can_list:
            contents.insert(0, Source.Content.MEDIA)
        self.fields["content"].choices = translated_choices((each.value, each.label) for each in contents)  # type: ignore[attr-defined]
        self.fields["content"].initial = contents[0]
        if Source.Content.MEDIA not in contents:
            del self.fields["folders"]
        if not kind.is_file:
            del self.fields["by_reference"]
        if not place.can_list:
            del self.fields["full_schedule"]
        self.order_fields(
            ["name", "address", *(each.name for each in place.options), "content", "by_reference", "folders"]
        )

    def values(self) -> dict[str, Any]:
        """Return the values of `changing.add`, without options."""
        data = self.cleaned_data
        is_media = data["content"] == Source.Content.MEDIA
        return {
            "name": data["name"],
            "address": data["address"],
            "content": data["content"],
            "layout": Layout(labels_as=data["folders"]) if is_media else None,
            "by_reference": data.get("by_reference", False),
            "schedule": data["schedule"],
            "full_schedule": data.get("full_schedule", Source.Every.OFF),
        }


class ChangeForm(Schedules):
    """The name and the schedules of a source."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=100, widget=forms.TextInput(attrs=PLAIN))
    field_order = ("name",)

    def __init__(self, source: Source, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        if source.content == Source.Content.FILE:
            del self.fields["full_schedule"]


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
        with ErrorsInForm(form, BadAddress, ValidationError, changing.SourceRefused):
            options, secrets = changing.divided(form.cleaned_data["address"], form.options)
            values = {**form.values(), "options": options, "secrets": secrets}
            source = changing.add(project=project, user=membership.user, **values)
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


def _page(request: HttpRequest, membership: Membership, found: Source, **more: Any) -> HttpResponse:
    """Show the source; `more` has the result of a test, and the form that was sent in place of one with its values."""
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
        "form": ChangeForm(found, initial=values),
        "credentials": OptionsForm(place, initial=found.options),
        **more,
    }
    return render_page(request, membership, "project/source.html", context, section=SECTION)


@for_members(changing=Ability.SOURCES_CHANGE)
def credentials(request: HttpRequest, membership: Membership, source_id: int) -> HttpResponse:
    """Replace the options and credentials of a source."""
    found = _found(membership, source_id)
    form = OptionsForm(_place(found), request.POST)
    if form.is_valid():
        with ErrorsInForm(form, BadAddress, ValidationError):
            options, secrets = changing.divided(found.address, form.options)
            changing.change(source=found, options=options, secrets=secrets)
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
