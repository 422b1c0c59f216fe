"""The pages of how well annotators agree, and how often checks confirm the labels of near-copies."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from labeling.insight.agreement import Agreement, Cell, ClassAgreement, Pair, PersonConfusion, agreement_of
from labeling.insight.anchoring import Anchoring, MatchShare, anchoring_of
from labeling.insight.annotators import Rate
from labeling.insight.bootstrap import Estimate
from labeling.insight.copy_figures import copy_figures
from labeling.insight.share_intervals import ENOUGH
from labeling.models import Ability, Membership, Project
from labeling.models.near_copies import COPY_ERROR
from labeling.storage.db.replica import reads
from labeling.web.shared.pages import for_members, render_page
from labeling.web.shared.words import TOO_FEW, count, figure, interval, localized, number, part, percent, span

# The most rows of a list, and the most classes or people in a matrix.
ROWS, SIDE = 50, 12
MEANINGS = [
    (_("Agreement"), "percent", _("how often two answers to an item are the same")),
    (_("Cohen’s κ"), "cohen", _("beyond chance, the mean of all pairs of people")),
    (_("Fleiss’ κ"), "fleiss", _("beyond chance, of all people together")),
    (_("Krippendorff’s α"), "alpha", _("beyond chance, with any number of answers an item")),
    (_("Krippendorff’s α, ordinal"), "ordinal", _("the same, but near misses count less than far ones")),
]


@for_members(reading=Ability.LABELS_READ)
@reads()
def agreement(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Show coefficients, pairs, classes, and the confusions of one person; each figure links to its items."""
    project = membership.project
    measured = agreement_of(project)
    names = sorted({each.username for each in (*measured.others, *measured.gold)})
    person = request.GET.get("person", "")
    if person not in names:
        person = names[0] if names else ""
    anchoring = anchoring_of(project)
    by_divided = sorted(measured.classes, key=lambda each: (-each.divided, each.index))
    context = {
        "measured": measured,
        "begun": measured.items > 0 or bool(measured.gold) or anchoring is not None,
        "anchoring": anchoring,
        "leanings": [] if anchoring is None else _leanings(anchoring),
        "sample": gettext("%(items)s with %(answers)s of %(people)s")
        % {
            "items": count(measured.items, "item"),
            "answers": count(measured.answers, "answer"),
            "people": count(measured.people, "person", "people"),
        },
        "least": ENOUGH,
        "coefficients": _coefficients(measured),
        "matrix": _matrix(project, measured.pairs),
        "classes": [_class(project, each) for each in by_divided[:ROWS]],
        "confusions": [
            {
                "classes": each.classes,
                "items": count(each.items, "item"),
                "url": items_url(project, answered=each.classes[0], against=each.classes[1]),
            }
            for each in measured.confusions[:ROWS]
        ],
        "names": names,
        "person": person,
        "tables": [
            _person(project, each, title, known=known)
            for people, title, known in (
                (measured.others, gettext("Against the others"), False),
                (measured.gold, gettext("Against known answers"), True),
            )
            for each in people
            if each.username == person
        ],
    }
    return render_page(request, membership, "project/agreement.html", context, section="project-agreement")


def items_url(project: Project, **filters: str | None) -> str:
    """Return the address of the list of items with these filters."""
    return reverse("project-items", args=[project.slug], query={key: each for key, each in filters.items() if each})


def _leanings(anchoring: Anchoring) -> list[dict[str, str]]:
    """Return a row for each kind of suggestion that annotators may lean towards."""
    rows = (
        (gettext("The model’s first choice"), anchoring.first),
        (gettext("One of the five suggestions"), anchoring.listed),
    )
    return [
        {
            "title": title,
            "prompted": _share(chosen.prompted),
            "unprompted": _share(chosen.unprompted),
            "difference": _points(chosen.difference.value),
            "interval": span(_points(chosen.difference.low), _points(chosen.difference.high)),
        }
        for title, chosen in rows
        if chosen is not None
    ]


def _points(share: float) -> str:
    """Return a difference in points: +1.2, −0.4."""
    return localized(f"{100 * share:+.1f}".replace("-", "−"))


def _share(share: MatchShare) -> str:
    return gettext("%(part)s of %(all)s") % {"part": part(share.chosen, share.n), "all": number(share.n)}


def _coefficients(measured: Agreement) -> list[dict[str, str]]:
    rows = [(title, getattr(measured, name), meaning) for title, name, meaning in MEANINGS]
    return [
        {
            "title": gettext(title),
            "value": percent(each.value, exact=True) if title == "Agreement" else localized(f"{each.value:.2f}"),
            "interval": _interval(each, shares=title == "Agreement"),
            "meaning": gettext(meaning),
        }
        for title, each, meaning in rows
        if each is not None
    ]


def _interval(each: Estimate, *, shares: bool = False) -> str:
    if shares:
        return interval(each.low, each.high)
    return span(localized(f"{each.low:.2f}"), localized(f"{each.high:.2f}"))


def _matrix(project: Project, pairs: Sequence[Pair]) -> dict[str, Any]:
    """Return the matrix of Cohen's κ: a row and a column for each annotator by name, each pair once."""
    names = sorted({name for pair in pairs for name in pair.people})
    cells = {tuple(sorted(pair.people)): _pair(project, pair) for pair in pairs}
    return {
        "columns": names[:-1],
        "rows": [
            {
                "name": name,
                "cells": [cells.get((other, name)) for other in names[:place]],
                "rest": len(names) - 1 - place,
            }
            for place, name in enumerate(names)
            if place
        ],
    }  # fmt: skip


def _pair(project: Project, pair: Pair) -> dict[str, str]:
    one, other = pair.people
    return {
        "kappa": localized(f"{pair.kappa.value:.2f}") if pair.kappa else "–",
        "interval": _interval(pair.kappa) if pair.kappa else "",
        "percent": percent(1 - pair.differing / pair.items) if pair.percent else "",
        "differing": gettext("%(differing)s of %(items)s differ")
        % {"differing": number(pair.differing), "items": number(pair.items)},
        "url": items_url(project, annotator=one, unlike=other) if pair.differing else "",
    }


def _class(project: Project, each: ClassAgreement) -> dict[str, str]:
    return {
        "name": each.name,
        "items": number(each.items),
        "divided": number(each.divided),
        "url": items_url(project, divided=each.name) if each.divided else "",
        "same": percent(each.same.value, exact=True) if each.same else str(TOO_FEW),
        "interval": _interval(each.same, shares=True) if each.same else "",
    }


def _person(project: Project, each: PersonConfusion, title: str, *, known: bool) -> dict[str, Any]:
    """Compare one annotator's answers with the right ones: a matrix for few classes, or the most frequent mistakes."""
    not_chosen = gettext("not chosen")
    names = sorted({name or not_chosen for cell in each.cells for name in (cell.answered, cell.expected)})
    names.sort(key=lambda name: (name == not_chosen, not name.isdecimal(), int(name) if name.isdecimal() else 0))
    cells = {(cell.answered or not_chosen, cell.expected or not_chosen): cell for cell in each.cells}
    small = len(names) <= SIDE
    return {
        "id": "gold" if known else "others",
        "title": title,
        "right": part(each.right.right, each.right.n) if each.right.n >= ENOUGH else str(TOO_FEW),
        "interval": interval(each.right.low, each.right.high)
        if each.right.n >= ENOUGH
        else "",
        "right_of": gettext("%(part)s of %(all)s")
        % {"part": number(each.right.right), "all": count(each.right.n, "answer")},
        "columns": names if small else [],
        "rows": [
            {"name": right, "cells": [_cell(project, each, cells.get((answered, right)), known) for answered in names]}
            for right in (names if small else [])
        ],
        "mistakes": [
            {"answered": cell.answered or not_chosen, "expected": cell.expected or not_chosen,
             **_cell(project, each, cell, known)}
            for cell in each.cells
            if cell.answered != cell.expected
        ][:ROWS],
    }  # fmt: skip


def _cell(project: Project, person: PersonConfusion, cell: Cell | None, known: bool) -> dict[str, Any]:
    if cell is None:
        return {"n": "", "url": "", "right": False}
    filters = {"annotator": person.username, "answered": cell.answered}
    if known:
        filters["known"] = cell.expected
    elif cell.answered is None or cell.expected is None:
        filters = {"annotator": person.username, "divided": cell.answered or cell.expected}
    else:
        filters["against"] = cell.expected
    return {"n": number(cell.n), "url": items_url(project, **filters), "right": cell.answered == cell.expected}


@for_members(reading=Ability.LABELS_READ)
@reads()
def near_copies(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Show how many labels near-copies got, how often checks confirm these labels, and the learned radius."""
    project = membership.project
    figures = copy_figures(project)
    context = {
        "figures": figures,
        "items_url": items_url(project, propagated="true") if figures.propagated else "",
        "taken_out": figures.answered - figures.same,
        "wrong": _wrong(figures.right, alone=True),
        "tolerated": percent(COPY_ERROR),
        "radius": None if figures.radius is None else figure(figures.radius),
        "reach": None if figures.reach is None else figure(figures.reach),
        "least": ENOUGH,
        "classes": [{"row": each, **_wrong(each.right)} for each in figures.classes],
    }
    return render_page(request, membership, "project/copies.html", context, section="project-copies")


def _wrong(right: Rate, *, alone: bool = False) -> dict[str, str]:
    """Return the share of checks that contradict the label, with its interval; for few checks, their number."""
    of = gettext("%(part)s of %(all)s") % {"part": number(right.n - right.right), "all": number(right.n)}
    if right.n < ENOUGH:
        return {"share": str(TOO_FEW) if alone else "–", "interval": "", "of": of}
    share = percent(1 - right.right / right.n, exact=True)
    return {"share": share, "interval": interval(1 - right.high, 1 - right.low), "of": of}
