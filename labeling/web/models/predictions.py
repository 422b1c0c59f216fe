"""The pages that let a model version predict a file; those for predictions and models that were made outside; and those
for the server that makes predictions.
"""

import json
from typing import Any

import numpy as np
from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy, ngettext
from django.views.decorators.cache import never_cache

from labeling.insight.progress import is_stalled
from labeling.intake import prediction_sets as handing
from labeling.intake import registering
from labeling.intake.prediction_files import SUFFIXES
from labeling.intake.registering import RegisterRefused
from labeling.models import Ability, Job, Membership, PredictionRun, PredictionServer, PredictionSet
from labeling.models.predictions import KEPT
from labeling.outgoing import predictions
from labeling.outgoing.formats import FORMATS
from labeling.projects.encoders.encoder_settings import encoders_for
from labeling.projects.privacy import ledger
from labeling.storage.disk.files import FileDamaged
from labeling.web.shared import words
from labeling.web.shared.forms import AddressField, ErrorsInForm, FileForm, SecretField, translated
from labeling.web.shared.pages import action, for_members, render_page
from labeling.web.shared.words import number, phase_in_words

SHOWN_ROWS, SHOWN_RUNS = 10, 20


class PredictForm(FileForm):
    """A file of items for a model version to predict."""

    probabilities = forms.BooleanField(
        required=False,
        label=gettext_lazy("Also the probability of every class"),
        help_text=gettext_lazy("Otherwise each row has the probability of its label alone."),
    )


@for_members(reading=Ability.MODELS_READ, changing=Ability.PREDICTIONS_CHANGE, takes_files=True)
def predict(request: HttpRequest, membership: Membership, number: int) -> HttpResponse:
    """Start a prediction run from a file, or show the form and the version's runs of the last days."""
    version = get_object_or_404(membership.project.versions.select_related("project"), number=number)
    form = PredictForm(request)
    if form.is_valid():
        wanted = {"version": version, "user": membership.user, "probabilities": form.cleaned_data["probabilities"]}
        with ErrorsInForm(form, ValidationError, predictions.PredictionError, field="file"):
            run = predictions.ask(**wanted, **form.upload)
            return redirect("project-prediction", membership.project.slug, run.pk)
    context = {
        "version": version,
        "form": form,
        "max_mb": settings.MAX_UPLOAD_MB,
        "kept": KEPT.days,
        "runs": list(version.predictions.kept(timezone.now()).select_related("created_by")[:SHOWN_RUNS]),
    }
    return render_page(request, membership, "project/predict.html", context, section="project-models")


@never_cache
@for_members(reading=Ability.MODELS_READ)
def prediction(request: HttpRequest, membership: Membership, prediction_id: int) -> HttpResponse:
    """Show a prediction run: its progress, its first rows, and its files."""
    now = timezone.now()
    kept = membership.project.predictions.kept(now).select_related("project", "version", "created_by", "job")
    run = get_object_or_404(kept, pk=prediction_id)
    is_done = run.state == PredictionRun.State.DONE
    context: dict[str, Any] = {
        "run": run,
        "step": _step(run),
        "stalled": run.finished_at is None and is_stalled(run.project, now),
        "rows": _first_rows(run) if is_done else [],
        "formats": FORMATS.values() if is_done else [],
    }
    return render_page(request, membership, "project/prediction.html", context, section="project-models")


@for_members(changing=Ability.PREDICTIONS_CHANGE)
def remove_prediction(request: HttpRequest, membership: Membership, prediction_id: int) -> HttpResponse:
    """Delete a prediction run with its file and its result."""
    run = get_object_or_404(membership.project.predictions.select_related("project", "version"), pk=prediction_id)
    predictions.remove_run(run)
    messages.success(request, gettext("%(name)s and its predictions are removed.") % {"name": run.name})
    return redirect("project-model-predict", membership.project.slug, run.version.number)


def _step(run: PredictionRun) -> dict[str, Any] | None:
    """Return the progress of the run; None if it is finished."""
    if run.finished_at is not None:
        return None
    job = run.job
    if job is None or job.state != Job.State.RUNNING:
        return {"text": gettext("waiting for its turn"), "share": ""}
    phase = phase_in_words(job.phase.removesuffix(run.name).strip() or "starting")
    return {
        "text": f"{phase} · {words.percent(job.share)}" if job.share else phase,
        "share": f"{job.share:.3f}" if job.share else "",
    }


def _first_rows(run: PredictionRun) -> list[dict[str, str]]:
    try:
        first = [row for page in predictions.pages(run, most=SHOWN_ROWS) for row in page]
    except FileDamaged:  # the download reports the damage
        return []
    return [
        {
            "where": row["where"],
            "proposed": row.get("proposed", ""),
            "label": ", ".join(run.version.project.asks.words(row["label"])) or "none",
            "confidence": _confidence(row["confidence"]),
            "margin": f"{row['margin']:.3f}",
        }
        for row in first
    ]


def _confidence(value: Any) -> str:
    return ", ".join(words.percent(each, exact=True) for each in np.atleast_1d(value)) or "–"


SHOWN = 20


class ServerForm(forms.Form):
    """The address of a server, and what it asks for."""

    url = AddressField(
        max_length=2000,
        help_text=gettext_lazy("The URL of an ML backend for Label Studio, for example https://ml.example.org."),
    )
    username = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("Only if the server asks for a name and a password."),
    )
    password = SecretField(
        label=gettext_lazy("Password"),
        strip=False,
        help_text=gettext_lazy(
            "Stored encrypted. Leave empty to keep the present one; the URL and the name must then stay the same."
        ),
    )


class PredictionsForm(FileForm):
    """A file of predictions."""

    part = forms.BooleanField(
        required=False,
        label=gettext_lazy("Accept predictions for a part of the pool"),
        help_text=gettext_lazy(
            "Without this, a file that leaves items out is refused. With it, the newest items may be left out: no "
            "batch takes them until newer predictions come, or all others are labeled."
        ),
    )


@never_cache
@for_members(reading=Ability.MODELS_READ, changing=Ability.MODELS_CHANGE, takes_files=True)
def prediction_sets(request: HttpRequest, membership: Membership) -> HttpResponse:
    """List the sets of predictions, or take a file of them."""
    form = PredictionsForm(request)
    if form.is_valid():
        strict, project = not form.cleaned_data["part"], membership.project
        with ErrorsInForm(form, ValidationError, handing.PredictionsRefused, field="file"):
            handing.receive(project=project, user=membership.user, strict=strict, **form.upload)
            text = gettext("A worker is reading the predictions. Reload this page to see the result.")
            messages.success(request, text)
            return redirect("project-prediction-sets", project.slug)
    return _page(request, membership, form=form)


def _page(request: HttpRequest, membership: Membership, **sent: forms.Form) -> HttpResponse:
    """Show the page, with the form that was sent in place of an empty one."""
    project = membership.project
    server = None
    if membership.can(Ability.MODELS_CHANGE):
        server = PredictionServer.objects.filter(project=project).first()
    sets = project.prediction_sets.select_related("version", "created_by")[:SHOWN]
    context: dict[str, Any] = {
        "form": PredictionsForm(),
        "server": server,
        "server_form": ServerForm(initial={"url": server.url, "username": server.username} if server else {}),
        "suffixes": SUFFIXES,
        "max_mb": settings.MAX_UPLOAD_MB,
        "sets": [(each, _left_out(each)) for each in sets],
        **sent,
    }
    return render_page(request, membership, "project/prediction_sets.html", context, section="project-models")


def _left_out(handed: PredictionSet) -> str:
    text = ngettext("%(n)s item left out", "%(n)s items left out", handed.left_out)
    return text % {"n": number(handed.left_out)} if handed.left_out else ""


@action(Ability.MODELS_CHANGE, "project-prediction-sets")
def server(request: HttpRequest, membership: Membership) -> HttpResponse | str:
    """Set the project's server."""
    form = ServerForm(request.POST)
    if not form.is_valid():
        return _page(request, membership, server_form=form)
    handing.set_server(project=membership.project, **form.cleaned_data)
    return gettext("The server is saved.")


@action(Ability.MODELS_CHANGE, "project-prediction-sets", refused=(handing.PredictionsRefused,))
def ask(request: HttpRequest, membership: Membership) -> str:
    """Have a worker ask the server for predictions of all items."""
    handing.ask(project=membership.project, user=membership.user)
    return gettext("A worker is asking the server for predictions. Reload this page to see the result.")


@action(Ability.MODELS_CHANGE, "project-prediction-sets")
def remove_set(request: HttpRequest, membership: Membership) -> str:
    """Remove the project's server."""
    handing.remove_server(membership.project)
    return gettext("The server is removed. Its predictions stay.")


CLASSES_SHOWN = 50


@never_cache
@for_members(reading=Ability.MODELS_READ, changing=Ability.MODELS_CHANGE, takes_files=True)
def register(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Store a file with a model, or show the form, what a file needs, and the files so far."""
    project = membership.project
    form = FileForm(request)
    if form.is_valid():
        with ErrorsInForm(form, ValidationError, RegisterRefused, field="file"):
            registering.receive(project=project, user=membership.user, **form.upload)
            return redirect("project-model-register", project.slug)
    now = timezone.now()
    newest = project.registrations.select_related("version", "created_by")[:SHOWN]
    rows = list(newest)
    waiting = any(each.state == each.State.WAITING for each in rows)
    expected = registering.manifest_for(project, most_classes=CLASSES_SHOWN)
    context = {
        "form": form,
        "max_mb": settings.MAX_UPLOAD_MB,
        "private": translated(registering.PRIVATE) if ledger.is_private(project) else "",
        "manifest": json.dumps(expected, indent=2, ensure_ascii=False),
        "encoder": next(
            (each for each in encoders_for(project.kind) if each.name == expected["encoder"]["name"]), None
        ),
        "rows": rows,
        "waiting": waiting,
        "stalled": waiting and is_stalled(project, now),
    }
    return render_page(request, membership, "project/register.html", context, section="project-models")
