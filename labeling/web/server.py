"""The page about the server, for its operators; and, with `DEBUG` only (`config/urls.py`), the page with the parts that
pages are made of, for maintainers.
"""

import json
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from labeling.insight import server
from labeling.models import User
from labeling.models.job_kinds import Kind
from labeling.projects.limits import PROJECTS
from labeling.projects.people import access
from labeling.projects.quota import shown
from labeling.web.shared.forms import figure_input
from labeling.web.shared.pages import for_people
from labeling.web.shared.words import phase_in_words

A_PAGE = 50


@never_cache
@for_people("GET", "HEAD")
def server_page(request: HttpRequest, user: User) -> HttpResponse:
    """Show the versions, workers, people, failed steps and projects of the server to staff."""
    if not access.is_operator(user):
        raise PermissionDenied(gettext("Only staff may see the state of the server."))
    now = timezone.now()
    sizes = server.sizes()
    page = Paginator(sizes, A_PAGE).get_page(request.GET.get("page"))
    context = {
        "versions": server.versions(),
        "backup": _backup(),
        "people": server.people_at(now),
        "signed_in_days": server.SIGNED_IN_DAYS,
        "workers": server.workers_at(now),
        "failed": [(job, phase_in_words(Kind(job.kind).facts.phase)) for job in server.failed_steps()],
        "n_projects": len(sizes),
        "project_limit": PROJECTS.allowed(),
        "bytes": shown(sum(each.bytes for each in sizes)),
        "page": page,
        "rows": [{"size": each, "bytes": shown(each.bytes), "limit": shown(each.limit)} for each in page],
    }
    return render(request, "server.html", context)


def _backup() -> dict[str, Any] | None:
    entry = server.last_backup()
    if entry is None:
        return None
    return {"at": entry.at, "bytes": shown(sum(json.loads(entry.after).values()))}


SIZES = ("s", "m", "l", "xl")
SPACES = range(1, 7)
COLOURS = (
    "page", "surface", "sunken", "line", "control", "ink", "muted", "accent", "accent-soft", "warn", "warn-soft",
    "danger", "danger-soft",
)  # fmt: skip


class Rows(forms.Form):
    """One form row of each kind."""

    name = forms.CharField(label="A text", help_text="What it leads to, in one sentence. A second one is folded away.")
    number = forms.IntegerField(label="A figure", required=False, widget=figure_input(is_whole=True))
    kind = forms.ChoiceField(label="One of few", choices=[("a", "The first"), ("b", "The second")])
    one = forms.ChoiceField(
        label="One of few, each with words", widget=forms.RadioSelect, choices=[("a", "This one"), ("b", "That one")]
    )
    check = forms.BooleanField(label="Yes or no", required=False, help_text="What happens with yes.")


@require_safe
def styleguide(request: HttpRequest) -> HttpResponse:
    """Show each part in each of its states."""
    wrong = Rows({"number": "many", "kind": "a", "one": "b"}, prefix="wrong")
    context = {"sizes": SIZES, "spaces": SPACES, "colours": COLOURS, "form": Rows(), "wrong": wrong}
    return render(request, "styleguide.html", context)
