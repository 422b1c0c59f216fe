"""The pages that let a model version predict a file: the form, the progress and the result."""

from typing import Any

import numpy as np
from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.cache import never_cache

from labeling.insight.progress import is_stalled
from labeling.models import Ability, Job, Membership, PredictionRun
from labeling.models.predictions import KEPT
from labeling.outgoing import predictions
from labeling.outgoing.formats import FORMATS
from labeling.storage.disk.files import FileDamaged
from labeling.web.shared import words
from labeling.web.shared.forms import ErrorsInForm, FileForm
from labeling.web.shared.pages import for_members, render_page
from labeling.web.shared.words import phase_in_words

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
            "label": ", ".join(run.version.project.asks.texts(row["label"])) or "none",
            "confidence": _confidence(row["confidence"]),
            "margin": f"{row['margin']:.3f}",
        }
        for row in first
    ]


def _confidence(value: Any) -> str:
    return ", ".join(words.percent(each, exact=True) for each in np.atleast_1d(value)) or "–"
