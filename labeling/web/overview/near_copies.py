"""The page of near-copies."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext

from labeling.insight.annotators import Rate
from labeling.insight.copy_figures import ClassCopies, copy_figures
from labeling.insight.share_intervals import ENOUGH
from labeling.models import Ability, Membership, Project
from labeling.storage.db.replica import reads
from labeling.web.overview.agreement import items_url
from labeling.web.shared.pages import render_page
from labeling.web.shared.permissions import for_members
from labeling.web.shared.words import TOO_FEW, count, figure, interval, number, percent


@for_members(reading=Ability.LABELS_READ)
@reads()
def near_copies(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Show how many labels near-copies got, how often checks confirm these labels, and the learned radius."""
    project = membership.project
    figures = copy_figures(project)
    context = {
        "figures": figures,
        "propagated": count(figures.propagated, "item"),
        "items_url": items_url(project, propagated="true") if figures.propagated else "",
        "shown": number(figures.shown),
        "answered": number(figures.answered),
        "taken_out": number(figures.answered - figures.same),
        "due": number(figures.due),
        "wrong": _wrong(figures.right, alone=True),
        "tolerated": percent(project.copy_error),
        "radius": None if figures.radius is None else figure(figures.radius),
        "reach": None if figures.reach is None else figure(figures.reach),
        "least": ENOUGH,
        "classes": [_class(project, each) for each in figures.classes],
    }
    return render_page(request, membership, "project/copies.html", context, section="project-copies")


def _class(project: Project, each: ClassCopies) -> dict[str, str]:
    return {"name": each.name, "propagated": number(each.propagated), **_wrong(each.right)}


def _wrong(right: Rate, *, alone: bool = False) -> dict[str, str]:
    """Return the share of checks that contradict the label, with its interval; for few checks, their number."""
    if right.n < ENOUGH:
        return {
            "share": str(TOO_FEW) if alone else "–",
            "interval": "",
            "of": gettext("%(part)s of %(all)s") % {"part": number(right.n - right.right), "all": number(right.n)},
        }
    return {
        "share": percent(1 - right.right / right.n, exact=True),
        "interval": interval(1 - right.high, 1 - right.low),
        "of": gettext("%(part)s of %(all)s") % {"part": number(right.n - right.right), "all": number(right.n)},
    }
