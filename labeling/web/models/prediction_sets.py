"""The pages for predictions and models that were made outside, and for the server that makes predictions."""

import json
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy, ngettext
from django.views.decorators.cache import never_cache

from labeling.insight.progress import is_stalled
from labeling.intake import prediction_sets as handing
from labeling.intake import registering
from labeling.intake.prediction_files import SUFFIXES
from labeling.intake.registering import RegisterRefused
from labeling.models import Ability, Membership, PredictionServer, PredictionSet
from labeling.projects.encoders.encoder_settings import encoders_for
from labeling.projects.privacy import ledger
from labeling.web.shared.forms import AddressField, ErrorsInForm, FileForm, SecretField, translated
from labeling.web.shared.pages import action, for_members, render_page
from labeling.web.shared.words import number

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
