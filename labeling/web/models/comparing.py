"""The page that compares two model versions."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from labeling.insight.versions_compared import Comparison, OnControl, compare_versions
from labeling.models import Ability, Membership, ModelVersion, Project
from labeling.outgoing import artifacts
from labeling.storage.db.replica import reads
from labeling.web.items.item_view import excerpt
from labeling.web.models import comparison_words, version_words
from labeling.web.models.version_words import comparison
from labeling.web.shared.pages import damaged_files, for_members, render_page
from labeling.web.shared.words import count, percent

ITEMS_A_PAGE = 30
EXCERPT = 160
# Subsets of the items that the versions predict differently: all, right in one version, or right in neither.
PARTS = {"": _("all"), "a": _("only version {a} right"), "b": _("only version {b} right"), "neither": _("both wrong")}


@for_members(reading=Ability.MODELS_READ)
@reads()
def compare(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Compare two versions: figures on the same control items, differing predictions, and their training."""
    project = membership.project
    versions = list(project.versions.select_related("batch", "parent").order_by("-number"))
    a, b = (_chosen(request, versions, name) for name in ("a", "b"))
    context: dict[str, Any] = {"versions": versions, "a": a, "b": b}
    if a and b and a != b:
        context |= _compared(request, project, a, b)
    context["damaged"] = damaged_files(project)  # after the comparison has read the versions' files
    return render_page(request, membership, "project/compare.html", context, section="project-models")


def _chosen(request: HttpRequest, versions: list[ModelVersion], name: str) -> ModelVersion | None:
    """Return the requested version; by default the newest for b and the one before it for a."""
    asked = request.GET.get(name, "")
    if not asked:
        place = 0 if name == "b" else 1
        return versions[place] if place < len(versions) else None
    version = next((each for each in versions if str(each.number) == asked), None)
    if version is None:
        raise Http404(gettext("This version does not exist."))
    return version


def _compared(request: HttpRequest, project: Project, a: ModelVersion, b: ModelVersion) -> dict[str, Any]:
    compared = compare_versions(project, a, b)
    control = compared.control
    items = _items(request, project, control) if control else {}
    names = _names(project, compared, items.get("shown", ()))
    context: dict[str, Any] = {
        "made": comparison_words.differences(a, b, artifacts.read_artifact(a), artifacts.read_artifact(b)),
        "same_labels": a.labels_hash == b.labels_hash != "",
        "training": comparison_words.training_differences(a, b),
        "control": control,
        "uncalibrated": [(each.number, words) for each in (a, b) if (words := version_words.calibration(each))],
    }
    if control:
        context |= {
            "finding": comparison_words.finding(control, a.number, b.number),
            "interval": comparison_words.interval_sentence(control, a.number, b.number),
            "sentence": comparison(control.compared, b.number, a.number),
            "figures": comparison_words.figures(control),
            "classes": comparison_words.class_rows(control, names),
            "mistakes": comparison_words.mistake_rows(control, names),
            "parts": [(name, gettext(title).format(a=a.number, b=b.number)) for name, title in PARTS.items()],
            "part": items["part"],
            "page": items["page"],
            "query": f"a={a.number}&b={b.number}&part={items['part']}&",
            "apart": count(len(control.apart), "control item"),
            "items": [_difference_row(project, control, place, items["by_row"], names) for place in items["places"]],
        }
    if compared.pool and compared.pool.n:
        context |= {
            "pool": compared.pool,
            "pool_share": percent(compared.pool.apart / compared.pool.n),
            "pool_items": count(compared.pool.n, "item"),
            "kinds": comparison_words.pool_rows(compared.pool, names),
        }
    return context


def _items(request: HttpRequest, project: Project, control: OnControl) -> dict[str, Any]:
    """Return a page of the control items that the versions predict differently."""
    part = request.GET.get("part", "")
    part = part if part in PARTS else ""
    pair, places = control.pair, control.apart
    right_a, right_b = (prediction[places] == pair.labels[places] for prediction in (pair.said_a, pair.said_b))
    in_part = {"": right_a | True, "a": right_a, "b": right_b, "neither": ~(right_a | right_b)}[part]
    page = Paginator(places[in_part], ITEMS_A_PAGE).get_page(request.GET.get("page"))
    chosen = [int(place) for place in page]
    items = project.items.filter(row__in=[int(pair.rows[place]) for place in chosen])
    shown = {int(each[place]) for each in (pair.labels, pair.said_a, pair.said_b) for place in chosen}
    return {"part": part, "page": page, "places": chosen, "shown": shown, "by_row": {item.row: item for item in items}}


def _names(project: Project, compared: Comparison, shown: Iterable[int]) -> dict[int, str]:
    """Return the names of the classes on the page. Takes one query."""
    indices = set(shown)
    if compared.control:
        indices |= set(comparison_words.shown_classes(compared.control))
        indices |= {index for each in compared.control.mistakes for index in (each.truth, each.predicted)}
    if compared.pool:
        indices |= {index for a, b, _ in compared.pool.kinds for index in (a, b)}
    return project.answer_names(indices)


def _difference_row(
    project: Project, control: OnControl, place: int, by_row: dict[int | None, Any], names: dict[int, str]
) -> dict[str, Any]:
    """Return the row of an item that the versions predict differently."""
    pair = control.pair
    item = by_row.get(int(pair.rows[place]))
    label = int(pair.labels[place])

    def prediction(values: np.ndarray, sure: np.ndarray) -> dict[str, Any]:
        index = int(values[place])
        return {"name": names.get(index, ""), "sure": percent(float(sure[place])), "right": index == label}

    return {
        "item": item,
        "excerpt": excerpt(project, item)[:EXCERPT] if item else "",
        "label": names.get(label, ""),
        "a": prediction(pair.said_a, pair.sure_a),
        "b": prediction(pair.said_b, pair.sure_b),
    }
