"""The page that exports labels, and the form with its filters, whose parameters and errors equal those of the API;
and the pages of dataset versions.
"""

import re
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Prefetch, Sum
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from labeling.insight.progress import is_stalled
from labeling.labels.items.filter import FilterError
from labeling.models import Ability, DatasetVersion, Membership, Project
from labeling.outgoing.datasets.comparing import TooManyRows, compare_for_people
from labeling.outgoing.datasets.creating import create
from labeling.outgoing.datasets.manifest import verify
from labeling.outgoing.exports import FILTERS, Choice, choose, count_rows, formats_of
from labeling.outgoing.exports.choice import OF_THE_FILE, ExportFilter
from labeling.outgoing.exports.chosen import count_certified
from labeling.outgoing.exports.columns import COLUMNS
from labeling.outgoing.exports.frozen_rows import manifest_of
from labeling.outgoing.formats import FORMATS, GROUPS
from labeling.storage.db.replica import reads
from labeling.storage.disk.files import FileDamaged
from labeling.web.shared.forms import ErrorsInForm, filter_field, translated, translated_choices
from labeling.web.shared.pages import for_members, render_page
from labeling.web.shared.words import count, number

IN_VIEW = ("certified", "columns", "delimiter")
"""The filters beside the downloads; the others are in a fold."""
ELSEWHERE = ("dataset",)
"""The page of a dataset version has the downloads of its rows."""
DAY = re.compile(r"(\d{4}-\d\d-\d\d)?", re.ASCII)


class ExportForm(forms.Form):
    """The filters of an export, from the query of the address. `choice`: the chosen rows of a valid form."""

    use_required_attribute = False

    def __init__(self, project: Project, query: QueryDict, numbers: list[int]) -> None:
        """Make the form of an export. `numbers`: the numbers of the project's batches, ascending.

        Before a person has chosen anything, certified labels are included if the project has some. One query.
        """
        self.certifies = project.certificates.standing().exists()
        if self.certifies and not query:
            query = QueryDict("certified=true")
        super().__init__(query)
        self._project = project
        self._query = query
        self.choice = Choice()
        self.fields |= {name: _field(each, query.get(name, "")) for name, each in FILTERS.items()}
        # Unset, the page's CSV is short, and has commas.
        self.fields |= {name: filter_field(FILTERS[name]) for name in ("columns", "delimiter")}
        self.fields["batch"].help_text = _batches_hint(numbers)

    def rows(self) -> list[forms.BoundField]:
        """Return the fields that choose rows. Near-copies need a project that has some."""
        hidden = {*IN_VIEW, *ELSEWHERE, "name", "note", *(() if self._project.near_copies else ("copies",))}
        return [field for field in self if field.name not in hidden]

    def file(self) -> list[forms.BoundField]:
        """Return the fields that are always in view. Certified labels need a project that has some."""
        return [self[name] for name in IN_VIEW if self.certifies or name != "certified"]

    def chooses_rows(self) -> bool:
        """Return whether a field that chooses rows is set or wrong."""
        return any(field.errors or self._query.get(field.name) for field in self.rows())

    def clean(self) -> dict[str, Any]:
        # A field with its own error is left out, because the page shows that error.
        choices = {name: self._query.get(name, "") for name in FILTERS if name not in self.errors}
        with ErrorsInForm(self, FilterError):
            self.choice = choose(self._project, choices)
        return self.cleaned_data

    def text_of(self, name: str) -> str:
        """Return the text of a filter, as it was sent."""
        return str(self._query.get(name, "")).strip()

    def query(self) -> str:
        """Return the set filters as a query string, for the page and the API."""
        set_ones = {name: self.text_of(name) for name in FILTERS}
        return urlencode({name: text for name, text in set_ones.items() if text}, safe=":,")


def _field(each: ExportFilter, text: str) -> forms.Field:
    """Make the field of a filter. A text that a date input would drop gets a text input."""
    texts: dict[str, Any] = {"label": translated(each.label), "required": False, "help_text": translated(each.hint)}
    if each.schema["type"] == "boolean":
        return forms.BooleanField(**texts)
    if each.choices:
        return forms.ChoiceField(**texts, choices=translated_choices([("", each.unset), *each.choices]))
    field = filter_field(each)
    field.help_text = texts["help_text"]
    if field.widget.input_type == "date" and not DAY.fullmatch(text):
        field.widget.input_type = "text"
    return field


def _batches_hint(numbers: list[int]) -> str:
    if not numbers:
        return gettext("No batch yet.")
    if len(numbers) == 1:
        return gettext("The only batch is %(n)s.") % {"n": numbers[0]}
    return gettext("Batches %(first)s to %(last)s. For example 3, or 1,4, or 2-5, or 6- for all from 6 on.") % {
        "first": numbers[0],
        "last": numbers[-1],
    }


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
        "columns": {name: column.meaning for name, column in COLUMNS.items()},
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


SHOWN = 200


class DatasetForm(ExportForm):
    """A new dataset version: its name, a note, and the filters of its rows."""

    name = forms.CharField(
        required=False,
        max_length=100,
        label=gettext_lazy("Name"),
        help_text=gettext_lazy("If empty, the name is v and its number."),
    )
    note = forms.CharField(required=False, max_length=1000, label=gettext_lazy("Note"))


@for_members(reading=Ability.LABELS_READ, changing=Ability.DATASETS_CHANGE)
def datasets(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Show the dataset versions and the form for a new one, or make one."""
    project, now = membership.project, timezone.now()
    numbers = list(project.batches.exclude(size=0).order_by("number").values_list("number", flat=True))
    form = DatasetForm(project, request.POST, numbers)
    if request.method == "POST" and form.is_valid():
        filters = {name: form.text_of(name) for name in FILTERS if name not in OF_THE_FILE}
        values = {name: form.cleaned_data[name] for name in ("name", "note")}
        with ErrorsInForm(form, ValidationError, FilterError):
            made = create(project, membership.user, filters=filters, **values)
            text = gettext("A worker is writing %(name)s, with the labels as they are now or a moment later.")
            messages.success(request, text % {"name": made.name})
            return redirect("project-datasets", project.slug)
    versions = Prefetch("versions", project.versions.order_by("number"))
    shown = project.datasets.defer("manifest").select_related("created_by").prefetch_related(versions)[: SHOWN + 1]
    context: dict[str, Any] = {
        "form": form if request.method == "POST" else DatasetForm(project, request.GET, numbers),
        "rows": shown[:SHOWN],
        "more": len(shown) > SHOWN,
        "stalled": any(each.state == "waiting" for each in shown) and is_stalled(project, now),
    }
    status = 400 if request.method == "POST" else 200
    return render_page(request, membership, "project/datasets.html", context, section="project-datasets", status=status)


@for_members(reading=Ability.LABELS_READ)
def dataset(request: HttpRequest, membership: Membership, name: str) -> HttpResponse:
    """Show one version; `with`: the differences from an earlier one; `verify`: whether its files are whole."""
    project, now = membership.project, timezone.now()
    version = get_object_or_404(project.datasets.select_related("created_by", "project").named(name))
    context: dict[str, Any] = {
        "dataset": version,
        "models": list(version.versions.order_by("number").values_list("number", flat=True)),
        "stalled": version.state == "waiting" and is_stalled(project, now),
    }
    if version.state == DatasetVersion.State.WHOLE:
        context |= _whole(request, version)
    return render_page(request, membership, "project/dataset.html", context, section="project-datasets")


def _whole(request: HttpRequest, version: DatasetVersion) -> dict[str, Any]:
    project = version.project
    manifest = manifest_of(version)
    others = project.datasets.whole().exclude(pk=version.pk).order_by("-number")
    earlier = others.named(request.GET.get("with", "")).first()
    problem, differences = "", None
    try:
        differences = earlier and compare_for_people(earlier, version)
    except TooManyRows as error:
        problem = f"{error}."
    except FileDamaged as damage:
        problem = gettext("A file of these versions is damaged: %(problem)s.") % {"problem": damage.problem}
    return {
        "labels": sorted(manifest["by_label"].items()),
        "origins": sorted(manifest["by_origin"].items()),
        "files": manifest["files"],
        "removed": manifest["removed"],
        "rows_sha256": manifest["rows_sha256"],
        "formats": [
            (fmt, f"{version.project.slug}-{version.name}{fmt.suffix}") for fmt in formats_of(project).values()
        ],
        "others": list(others.values_list("name", flat=True)[:SHOWN]),
        "earlier": earlier,
        "differences": differences,
        "problem": problem,
        "verified": verify(version) if "verify" in request.GET else None,
    }
