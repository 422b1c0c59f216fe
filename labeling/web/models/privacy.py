"""The page of the privacy ledger, and the view that releases the files of a version without privacy."""

import math
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext

from labeling.models import Ability, Membership, Project
from labeling.projects.encoders.encoder_settings import encoder_of
from labeling.projects.privacy import families, ledger, pretraining
from labeling.storage.db.replica import reads
from labeling.web.shared.pages import action, for_members, render_page
from labeling.web.shared.words import figure, localized, number
from models_store.privacy.accounting import Phase, best_guess, epsilon


@for_members(reading=Ability.MODELS_READ)
@reads()
def privacy(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Show the privacy ledger with its meaning in plain words."""
    project = membership.project
    state = ledger.ledger_of(project)
    limit = project.privacy_epsilon
    needed = state.labels_needed
    others = families.others(project)
    context = {
        "on": ledger.is_private(project),
        "ledger": state,
        "rows": list(zip(state.trainings, state.costs, strict=True)),
        "limit": limit and figure(limit),
        "delta": figure(project.privacy_delta) if project.privacy_delta >= 1e-6 else f"{project.privacy_delta:g}",
        "shared": project.family is not None,
        "known": list(others.visible_to(membership.user).values_list("name", flat=True)),
        "spent": None if state.spent is None else localized(f"{state.spent:.2f}"),
        "share": None if state.spent is None or limit is None else min(state.spent / limit, 1),
        "texts": _texts(project),
        "noise": state.noise and localized(f"{state.noise:.1f}"),
        "guess": state.spent and _guess(state.spent, project),
        "last_guess": limit and _guess(limit, project),
        "staying": sorted(ledger.kept_from_download(project)),
        "labels": number(state.labels),
        "needed": needed and number(needed),
        "enough": needed is not None and state.labels >= needed,
        "likely_to_fail": state.labels > 0 and project.privacy_delta >= 1 / state.labels,
    }
    return render_page(request, membership, "project/privacy.html", context, section="project-privacy")


def _texts(project: Project) -> dict[str, Any] | None:
    """Return cost, units and unit of the pre-training that hides the pool's texts in the encoder; None without one."""
    entry = pretraining.last(project)
    if entry is None or not encoder_of(project.kind, project.encoder).is_private:
        return None
    # A pre-training has a cost only if nothing was spent before it: then that is its own.
    cost = entry.cost or epsilon([Phase(**phase) for phase in entry.phases], entry.delta)
    unit = project.encoder["options"].get("unit", "")
    return {"cost": localized(f"{cost:.2f}"), "units": number(entry.labels), "unit": unit}


def _guess(epsilon: float, project: Project) -> str:
    """Format the largest chance of a right guess at the project's δ, rounded up."""
    return localized(f"{math.ceil(1000 * best_guess(epsilon, project.privacy_delta)) / 10:g} %")


@action(Ability.MODELS_CHANGE, "project-model", "number")
def release(request: HttpRequest, membership: Membership, number: int) -> str:
    """Allow downloads of a version that was trained without privacy; the manager's name is recorded."""
    version = get_object_or_404(membership.project.versions, number=number)
    ledger.release(version=version, user=membership.user)
    return gettext("The files of version %(number)s can be downloaded now. Your name is recorded.") % {"number": number}
