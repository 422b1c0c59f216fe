"""The pages of model versions: their accuracy, their training, and their files."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from labeling.insight.control_slice import ControlSlice
from labeling.insight.status import models_of
from labeling.models import Ability, Membership, ModelVersion, Project, Release, TrackedVersion
from labeling.outgoing import artifacts, tracking
from labeling.projects import version_in_use
from labeling.projects.encoders.encoder_settings import name_of, reason_for_encoder
from labeling.projects.privacy import ledger
from labeling.storage.db.replica import reads
from labeling.web.charts.learning import Accuracy, accuracy_of
from labeling.web.charts.reliability import reliability_diagram
from labeling.web.models import blind_words, version_words
from labeling.web.models.version_words import gate_finding, picking_of
from labeling.web.shared.pages import action, damaged_files, errors_as_messages, for_members, render_page
from labeling.web.shared.words import duration, number, percent
from models_store import metrics

# The most classes in a matrix, and the most mistakes in the list that replaces a larger matrix.
SIDE, LISTED = 20, 30
# Column names are rotated if there are more than UPRIGHT or longer ones than SHORT, because the matrix would be too
# wide.
UPRIGHT, SHORT = 6, 4
# The shades of a cell, by its share of the row.
SHADES = 10


@dataclass(frozen=True, slots=True)
class Cell:
    """The control items of one class that the model predicts as one class. `shade`: 1 to SHADES, or 0 for no items."""

    n: str
    share: str
    means: str
    url: str
    shade: int
    right: bool


def confusion_of(project: Project, version: ModelVersion, control: ControlSlice) -> dict[str, Any]:
    """Return the matrix of the occurring classes, or for many classes the most frequent mistakes.

    Takes one query. Returns nothing for a version without stored predictions.
    """
    confusion = control.confusion(version)
    if confusion is None:
        return {}
    truth, predicted, k = confusion.truth, confusion.predicted, len(confusion.classes)
    if k <= SIDE:
        counts = metrics.confusion(truth, predicted, k)
        pairs = [(i, j, int(counts[i, j])) for i in range(k) for j in range(k)]
    else:
        pairs = metrics.confused_pairs(truth, predicted, limit=LISTED)
    indices = {place: int(confusion.classes[place]) for i, j, _ in pairs for place in (i, j)}
    called = project.answer_names(indices.values())
    names = {place: called.get(index, str(index)) for place, index in indices.items()}
    of = np.bincount(truth, minlength=k)
    cells = {(i, j): _cell(project, version, names[i], names[j], n, int(of[i])) for i, j, n in pairs}
    if k > SIDE:
        mistakes = [{"truth": names[i], "predicted": names[j], "cell": cell} for (i, j), cell in cells.items()]
        left = len(np.unique(truth * k + predicted)) - len(np.unique(truth[truth == predicted])) - len(mistakes)
        return {"mistakes": mistakes, "left": left}
    return {
        "columns": [names[j] for j in range(k)],
        "turned": k > UPRIGHT and max(map(len, names.values())) > SHORT,
        "rows": [{"name": names[i], "cells": [cells[i, j] for j in range(k)]} for i in range(k)],
    }


def _cell(project: Project, version: ModelVersion, truth: str, predicted: str, n: int, of: int) -> Cell:
    if not n:
        return Cell("", "", "", "", 0, truth == predicted)
    query = {"label": truth, "predicted": f"{version.number}:{predicted}", "control": "true"}
    share = percent(n / of)
    return Cell(
        n=number(n),
        share=share,
        means=gettext("%(n)s of %(of)s %(truth)s predicted as %(predicted)s, %(share)s")
        % {"n": number(n), "of": number(of), "truth": truth, "predicted": predicted, "share": share},
        url=reverse("project-items", args=[project.slug], query=query),
        shade=max(1, round(SHADES * n / of)),
        right=truth == predicted,
    )


CHOICES_SHOWN = 20


@for_members(reading=Ability.MODELS_READ)
@reads()
def models(request: HttpRequest, membership: Membership) -> HttpResponse:
    """List all versions, the newest first, with their accuracy and lineage."""
    measured = {model["version"]: accuracy_of(model) for model in models_of(membership.project)}
    newest_first = membership.project.versions.select_related("batch", "parent").order_by("-number")
    staying = ledger.kept_from_download(membership.project)
    rows: list[dict[str, Any]] = [
        {
            "version": version,
            "accuracy": measured.get(version.number),
            "came": gettext(CAME[ModelVersion.Origin(version.origin)]),
            "measured_on": _measured_on(version),
            "url": reverse("api:model-artifact", args=[membership.project.slug, version.number])
            if version.number not in staying and not version.is_given
            else None,
        }
        for version in newest_first
    ]
    context = {
        "rows": rows,
        "encoder": name_of(membership.project.kind, membership.project.encoder),
        "why_encoder": reason_for_encoder(membership.project.kind, membership.project.encoder),
        "registered": any(row["version"].origin == ModelVersion.Origin.REGISTERED for row in rows),
        "versions": [row["version"] for row in rows],
        "picking": picking_of(version_in_use.in_use(membership.project)),
        "damaged": damaged_files(membership.project),
        "choices": version_in_use.choices(membership.project)[:CHOICES_SHOWN],
    }
    return render_page(request, membership, "project/models.html", context, section="project-models")


@for_members(reading=Ability.MODELS_READ)
@reads()
def model(request: HttpRequest, membership: Membership, number: int) -> HttpResponse:
    """Show one version, compared with the one before it."""
    project = membership.project
    beside = range(number - 1, number + 2)
    by_number = {
        each.number: each
        for each in project.versions.filter(number__in=beside).select_related("project", "batch", "parent")
    }
    version = by_number.get(number) or get_object_or_404(project.versions, number=number)
    context = {
        "version": version,
        "previous": number - 1 if number - 1 in by_number else None,
        "next": number + 1 if number + 1 in by_number else None,
        "picking": picking_of(version_in_use.in_use(project)),
        "gate": gate_finding(version),
        **_worth(project, version, by_number.get(number - 1)),
        **blind_words.measured(project, version),
        **_lineage(version),
        **_files(version),
        **_leaving(version),
        **_tracked(version),
    }
    context["damaged"] = damaged_files(project)  # after the version's files were read
    return render_page(request, membership, "project/model.html", context, section="project-models")


@for_members(changing=Ability.MODELS_CHANGE)
def use(request: HttpRequest, membership: Membership, number: int) -> HttpResponse:
    """Use this version to pick batches, from the next one on."""
    version = get_object_or_404(membership.project.versions, number=number)
    with errors_as_messages(request, version_in_use.VersionOutdated):
        version_in_use.use(project=membership.project, version=version, user=membership.user)
        messages.success(
            request, gettext("Version %(number)s picks the batches, from the next one on.") % {"number": number}
        )
    return _back(request, membership)


@for_members(changing=Ability.MODELS_CHANGE)
def use_gate(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Use the newest version that the gate does not hold back to pick batches."""
    version_in_use.use_gate(project=membership.project, user=membership.user)
    messages.success(
        request, gettext("The newest version that is not held back picks the batches, from the next one on.")
    )
    return _back(request, membership)


@action(Ability.MODELS_CHANGE, "project-model", "number", refused=(tracking.TrackingRefused,))
def track(request: HttpRequest, membership: Membership, number: int) -> str:
    """Register this version in MLflow."""
    version = get_object_or_404(membership.project.versions.select_related("project"), number=number)
    tracking.ask(version=version, user=membership.user)
    return gettext("A worker is registering version %(number)s in MLflow.") % {"number": number}


def _back(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Redirect to the page with the button."""
    return redirect("project" if request.POST.get("back") == "overview" else "project-models", membership.project.slug)


def _worth(project: Project, version: ModelVersion, earlier: ModelVersion | None) -> dict[str, Any]:
    """Return the version's figures on the control slice."""
    control = ControlSlice(project)
    calibrated = version.calibration.get("measured", {})
    figures = control.by_class(version)
    names = {}
    if figures:
        shown = [each.index for each in figures[: version_words.CLASSES_SHOWN]]
        names = dict(project.classes.filter(index__in=shown).values_list("index", "name"))
    compared = control.compare(version, earlier) if earlier else None
    return {
        "now": _accuracy(version, control.measure(version)),
        "then": _accuracy(version, version.metrics.get("control")),
        "comparison": version_words.comparison(compared, version.number, earlier.number) if earlier else "",
        "classes": version_words.by_class(figures, names),
        "classes_left": max(0, len(figures) - version_words.CLASSES_SHOWN),
        "confusion": confusion_of(project, version, control),
        "likelihood": version_words.likelihood(calibrated.get("control") or version.metrics.get("control")),
        "calibration": version_words.calibration(version),
        "absolute_error": version_words.absolute_error(version.metrics.get("control")),
        "reliability": reliability_diagram(control.calibration(version)),
    }


def _leaving(version: ModelVersion) -> dict[str, Any]:
    """Return whether the version's files may be downloaded, and who allowed it."""
    if not ledger.is_private(version.project):
        return {"may_leave": True}
    released = Release.objects.filter(version=version).select_related("user").first()
    return {"may_leave": ledger.may_be_downloaded(version), "released": released}


def _tracked(version: ModelVersion) -> dict[str, Any]:
    """Return whether there is an MLflow, and the version's entry in it."""
    if not settings.MLFLOW_TRACKING_URI:
        return {"mlflow": False}
    tracked = TrackedVersion.objects.filter(version=version).first()
    return {"mlflow": True, "tracked": tracked, "tracked_page": tracking.page_of(tracked) if tracked else ""}


def _accuracy(version: ModelVersion, control: dict[str, Any] | None) -> Accuracy | None:
    return accuracy_of({"version": version.number, "labels": version.labels, "control_now": control, "metrics": {}})


STEPS = ("steps", "trained_on", "held_back")
CAME = {
    ModelVersion.Origin.TRAINED: _("trained"),
    ModelVersion.Origin.REGISTERED: _("registered"),
    ModelVersion.Origin.GIVEN: _("handed in"),
}


def _measured_on(version: ModelVersion) -> str:
    if version.origin == ModelVersion.Origin.TRAINED:
        return gettext("on the control items labeled when it was trained")
    return gettext("on the control items labeled when it was handed in")


def _lineage(version: ModelVersion) -> dict[str, Any]:
    steps = version.metrics.get("training", {})
    labels = version.calibration.get("labels") or steps.get("calibrated_on")
    registered = version.origin == ModelVersion.Origin.REGISTERED
    return {
        "registration": version.registration if registered else None,
        "source": version_words.source(version.registration) if registered else "",
        "trained": version.origin == ModelVersion.Origin.TRAINED,
        "came": gettext(CAME[ModelVersion.Origin(version.origin)]),
        "measured_on": _measured_on(version),
        "unknown_classes": ", ".join(version.metrics.get("unknown_classes", [])),
        "labels": number(version.labels),
        "took": duration(version.seconds),
        "picked": list(version.batch_picks.order_by("number").values_list("number", flat=True)),
        "settings": version_words.settings(version.training),
        "steps": {name: steps[name] for name in STEPS if name in steps},
        "calibrated_on": labels,
        "pool": _pool(steps.get("pool")),
    }


def _pool(learned: dict[str, Any] | None) -> dict[str, str] | None:
    """Return what the page says of the unlabeled items that the version learned; None if it learned labels alone."""
    if learned is None:
        return None
    shares = {name: percent(learned[name]) for name in ("right", "right_without")}
    return {"items": number(learned["items"]), **shares}


def _files(version: ModelVersion) -> dict[str, Any]:
    artifact = artifacts.read_artifact(version)
    if artifact is None:
        return {"files": [], "encoder": None, "manifest": ""}
    shown = json.dumps(version_words.shortened(artifact.manifest), indent=2, ensure_ascii=False)
    return {
        "files": [(each.name, version_words.size(each.size), each.sha256) for each in artifact.files],
        "encoder": artifact.manifest.get("encoder"),
        "network": artifact.manifest.get("network"),
        "manifest": shown,
    }
