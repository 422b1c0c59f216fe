"""The pages of the audit log: of a project, and of the server."""

import datetime
import json
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.core.validators import MaxValueValidator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext, gettext_lazy
from django.utils.translation import gettext_noop as _
from django.views.decorators.cache import never_cache

from labeling.models import Ability, LogEntry, LogKind, Membership, Project, User
from labeling.observing.auditlog import writing
from labeling.projects.people import access
from labeling.projects.settings import ON_PAGE
from labeling.web.shared.pages import for_members, for_people, render_page
from labeling.web.shared.words import figure

LONGEST = 200
"""The most characters of a value that the page shows; the whole one is in the entry as it is stored."""
IN_SENTENCE = 60
NONE = "–"


@dataclass(frozen=True, slots=True)
class Change:
    """A field with its value before and after, in words."""

    name: str
    before: str
    after: str


def changes_of(entry: LogEntry) -> list[Change]:
    """Return the fields of the entry's values. Fields that are no settings have the name that is stored."""
    before, after = _fields(entry.before), _fields(entry.after)
    return [
        Change(_name(each), _words(before.get(each)), _words(after.get(each)))
        for each in dict.fromkeys([*before, *after])
    ]


def sentence(entry: LogEntry, changes: list[Change], *, who: str, whom: str) -> SafeString:
    """Say who did what. `who` and `whom` are names; `whom` may be empty."""
    if is_in_sentence(entry, changes):
        [change] = changes
        names = {"who": who, "setting": change.name, "before": change.before, "after": change.after}
        text = gettext("{who} changed {setting} from {before} to {after}.")
        return format_html(text, **{name: _isolated(value) for name, value in names.items()})
    meanings = {kind.value: gettext(kind.meaning) for kind in LogKind}
    about = " ".join(filter(None, [whom, "" if entry.kind == LogKind.SETTINGS_CHANGED else entry.subject]))
    text = gettext("{who} {did}: {about}.") if about else gettext("{who} {did}.")
    return format_html(text, who=_isolated(who), did=meanings.get(entry.kind, entry.kind), about=_isolated(about))


def is_in_sentence(entry: LogEntry, changes: list[Change]) -> bool:
    """Return whether the sentence says all of a change: of one setting, with short values."""
    if entry.kind != LogKind.SETTINGS_CHANGED or len(changes) != 1:
        return False
    return len(changes[0].before) <= IN_SENTENCE and len(changes[0].after) <= IN_SENTENCE


def _isolated(text: str) -> SafeString:
    return format_html("<bdi>{}</bdi>", text)


def _fields(text: str) -> dict[str, Any]:
    """Return the fields of a stored value; a value without fields is one without a name."""
    if not text:
        return {}
    try:
        value = json.loads(text)
    except ValueError:  # a changed entry: its hash shows that
        value = text
    return value if isinstance(value, dict) else {"": value}


def _name(field: str) -> str:
    return gettext(ON_PAGE[field].label) if field in ON_PAGE else field.replace("_", " ")


def _words(value: Any) -> str:
    if value is None or value == "":
        return NONE
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if isinstance(value, int | float):
        return figure(value)
    if isinstance(value, list) and all(isinstance(each, str | int) for each in value):
        text = ", ".join(map(str, value)) or NONE
    else:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


A_PAGE = 50
WITHOUT_A_PERSON = {"command": _("a command"), "worker": _("the worker")}
VISITOR = _("a visitor")
LAST_DAY = datetime.date(9000, 1, 1)


class LogForm(forms.Form):
    """The filters of the page."""

    kind = forms.ChoiceField(
        label=gettext_lazy("Kind"),
        required=False,
        choices=lambda: [
            ("", gettext("any")),
            *((kind.value, f"{kind.value}: {gettext(kind.meaning)}") for kind in LogKind),
        ],
    )
    person = forms.CharField(label=gettext_lazy("Person"), required=False, max_length=150)
    since = forms.DateField(label=gettext_lazy("From"), required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(
        label=gettext_lazy("To"),
        required=False,
        validators=[MaxValueValidator(LAST_DAY)],
        widget=forms.DateInput(attrs={"type": "date"}),
    )

    @property
    def filters(self) -> bool:
        """Whether any field is filled in."""
        return any(self.data.get(name) for name in self.fields)

    def query(self) -> dict[str, Any]:
        """Return the filters as `entries_of` takes them: the last day is included."""
        values = self.cleaned_data
        days = {"since": values["since"], "until": values["until"] and values["until"] + datetime.timedelta(days=1)}
        return {
            "kind": values["kind"],
            "person": values["person"],
            **{
                name: day and datetime.datetime.combine(day, datetime.time(), datetime.UTC)
                for name, day in days.items()
            },
        }


@never_cache
@for_members(reading=Ability.AUDITLOG_READ)
def project_log(request: HttpRequest, membership: Membership) -> HttpResponse:
    """List the entries of the project, the newest first."""
    context = _context(request, membership.project)
    context["file"] = reverse("api:auditlog-file", args=[membership.project.slug])
    return render_page(request, membership, "project/auditlog.html", context, section="project-auditlog")


@never_cache
@for_people("GET", "HEAD")
def server_log(request: HttpRequest, user: User) -> HttpResponse:
    """List the entries of the server, for staff."""
    if not access.is_operator(user):
        raise PermissionDenied(gettext("Only staff may read the audit log of the server."))
    context = {**_context(request, None), "file": reverse("api:server-auditlog-file")}
    return render(request, "auditlog.html", context, status=400 if context["form"].errors else 200)


def _row(entry: LogEntry, names: dict[int | None, str]) -> dict[str, Any]:
    changes = changes_of(entry)
    who = names.get(entry.who) or capfirst(gettext(WITHOUT_A_PERSON.get(entry.via, VISITOR)))
    return {
        "entry": entry,
        "sentence": sentence(entry, changes, who=who, whom=names.get(entry.whom, "")),
        "changes": [] if is_in_sentence(entry, changes) else changes,
        "has_before": bool(entry.before),
    }


def _context(request: HttpRequest, project: Project | None) -> dict[str, Any]:
    form = LogForm(request.GET)
    entries = writing.entries_of(project, **form.query()) if form.is_valid() else writing.entries_of(project).none()
    page = Paginator(entries, A_PAGE).get_page(request.GET.get("page"))
    names = writing.names_of(page)
    rows = [_row(each, names) for each in page]
    query = request.GET.copy()
    query.pop("page", None)
    text = query.urlencode()
    return {"form": form, "page": page, "rows": rows, "query": f"{text}&" if text else ""}
