"""The page that exports labels."""

from __future__ import annotations

from typing import Any

from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext

from labeling.models import Ability, Membership, Project
from labeling.outgoing.exports import Choice, count_rows, formats_of
from labeling.outgoing.exports.unasked_rows import count_certified
from labeling.outgoing.formats import FORMATS, GROUPS
from labeling.storage.db.replica import reads
from labeling.web.export.columns import MEANINGS
from labeling.web.export.form import ExportForm
from labeling.web.shared.pages import render_page
from labeling.web.shared.permissions import for_members
from labeling.web.shared.words import count, number

# The page counts rows while the user types, up to this number.
COUNTED = 100_000


@for_members(reading=Ability.LABELS_READ)
@reads()
def export(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Show the form that filters rows, their number, and the columns; with `format`, redirect to the file."""
    project = membership.project
    numbers = list(project.batches.exclude(size=0).order_by("number").values_list("number", flat=True))
    form = ExportForm(project, request.GET, numbers)
    url = reverse("api:export", args=[project.slug])
    file_format = request.GET.get("format", "")
    formats = formats_of(project)
    if form.is_valid() and file_format in formats:
        return redirect(f"{url}?{_query(form, file_format)}")
    rows = _rows(project, form.choice) if form.is_valid() else None
    context: dict[str, Any] = {
        "form": form,
        "labeled": bool(rows) or project.items.labeled().exists(),
        "rows": rows,
        "counted": _counted(rows),
        "files": {name: form.choice.file_name(project, fmt.suffix) for name, fmt in formats.items()},
        "groups": {title: [each for name, each in group.items() if name in formats] for title, group in GROUPS.items()},
        "columns": MEANINGS,
        "address": request.build_absolute_uri(f"{url}?{_query(form, 'parquet')}"),
        "file": form.choice.file_name(project, FORMATS["parquet"].suffix),
    }
    # Invalid filters are an error only in a request for a file.
    status = 400 if form.errors and file_format else 200
    return render_page(request, membership, "project/export.html", context, section="project-export", status=status)


def _rows(project: Project, choice: Choice) -> int:
    """Count the chosen rows. A counter has the number of all items with labels by people."""
    if not choice.values.keys() - {"columns", "delimiter", "certified"}:
        by_people = int(project.batches.aggregate(n=Sum("labeled", default=0))["n"])
        return by_people + count_certified(project, choice, at_most=COUNTED)
    return count_rows(project, choice, at_most=COUNTED)


def _query(form: ExportForm, format_name: str) -> str:
    query = form.query()
    own = "columns=short" if "columns=" not in query else "" if "delimiter=" in query else "delimiter=comma"
    # The page's CSV is for spreadsheets.
    return "&".join(filter(None, (f"format={format_name}", query, own if format_name == "csv" else "")))


def _counted(rows: int | None) -> str:
    if rows is None:
        return ""
    return gettext("more than %(n)s rows") % {"n": number(COUNTED)} if rows > COUNTED else count(rows, "row")
