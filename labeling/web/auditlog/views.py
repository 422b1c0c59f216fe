"""The pages of the audit log: of a project, and of the server."""

import datetime
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.core.validators import MaxValueValidator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext, gettext_lazy
from django.utils.translation import gettext_noop as _
from django.views.decorators.cache import never_cache

from labeling.models import Ability, LogEntry, LogKind, Membership, Project, User
from labeling.observing.auditlog import reading
from labeling.projects.people import access
from labeling.web.auditlog import words
from labeling.web.shared.pages import for_members, for_people, render_page

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
    changes = words.changes_of(entry)
    who = names.get(entry.who) or capfirst(gettext(WITHOUT_A_PERSON.get(entry.via, VISITOR)))
    return {
        "entry": entry,
        "sentence": words.sentence(entry, changes, who=who, whom=names.get(entry.whom, "")),
        "changes": [] if words.is_in_sentence(entry, changes) else changes,
        "has_before": bool(entry.before),
    }


def _context(request: HttpRequest, project: Project | None) -> dict[str, Any]:
    form = LogForm(request.GET)
    entries = reading.entries_of(project, **form.query()) if form.is_valid() else reading.entries_of(project).none()
    page = Paginator(entries, A_PAGE).get_page(request.GET.get("page"))
    names = reading.names_of(page)
    rows = [_row(each, names) for each in page]
    query = request.GET.copy()
    query.pop("page", None)
    text = query.urlencode()
    return {"form": form, "page": page, "rows": rows, "query": f"{text}&" if text else ""}
