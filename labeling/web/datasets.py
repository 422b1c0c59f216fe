"""The pages of dataset versions: the list with a form for a new one, and one version."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from labeling.insight.progress import is_stalled
from labeling.labels.items.filter import FilterError
from labeling.models import Ability, DatasetVersion, Membership
from labeling.outgoing.datasets.comparing import TooManyRows, compare_for_people
from labeling.outgoing.datasets.creating import create
from labeling.outgoing.datasets.manifest import verify
from labeling.outgoing.exports import FILTERS, formats_of
from labeling.outgoing.exports.choice import OF_THE_FILE
from labeling.outgoing.exports.frozen_rows import manifest_of
from labeling.storage.disk.files import FileDamaged
from labeling.web.export import ExportForm
from labeling.web.shared.forms import ErrorsInForm
from labeling.web.shared.pages import for_members, render_page

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
