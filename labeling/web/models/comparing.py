"""The page that compares two model versions."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from labeling.insight.control_slice import Calibration
from labeling.insight.versions_compared import Comparison, OnControl, OnPool, Share, compare_versions
from labeling.models import Ability, Membership, ModelVersion, Project
from labeling.outgoing import artifacts
from labeling.outgoing.artifacts import Artifact
from labeling.storage.db.replica import reads
from labeling.web.items.item_view import excerpt
from labeling.web.models import version_words
from labeling.web.models.version_words import CLASSES_SHOWN, comparison
from labeling.web.models.version_words import settings as settings_words
from labeling.web.shared.pages import damaged_files, for_members, render_page
from labeling.web.shared.words import accuracy, count, interval, localized, number, part, percent

Names = Mapping[int, str]
Figure = tuple[str, str]
"""A number and its interval; an empty text without an interval."""


def finding(control: OnControl, a: int, b: int) -> str:
    """Return the result of the comparison, as the page's title."""
    values = {"version": b, "points": _points(abs(control.difference.value))}
    if control.compared.better:
        return gettext("Version %(version)s is more accurate, by %(points)s") % values
    if control.compared.worse:
        return gettext("Version %(version)s is less accurate, by %(points)s") % values
    return gettext("No difference beyond chance")


def interval_sentence(control: OnControl, a: int, b: int) -> str:
    value, low, high = control.difference.value, control.difference.low, control.difference.high
    if value > 0:
        text = gettext(
            "On the %(n)s control items that both have seen, the accuracy of version %(b)s is %(points)s above that of "
            "version %(a)s; with 95\u00a0%% certainty the difference lies between %(low)s and %(high)s points."
        )
    elif value:
        text = gettext(
            "On the %(n)s control items that both have seen, the accuracy of version %(b)s is %(points)s below that of "
            "version %(a)s; with 95\u00a0%% certainty the difference lies between %(low)s and %(high)s points."
        )
    else:
        text = gettext(
            "On the %(n)s control items that both have seen, the accuracy of version %(b)s is the same as that of "
            "version %(a)s; with 95\u00a0%% certainty the difference lies between %(low)s and %(high)s points."
        )
    return text % {
        "n": number(control.compared.n),
        "a": a,
        "b": b,
        "points": _points(abs(value)),
        "low": _signed(low),
        "high": _signed(high),
    }


def figures(control: OnControl) -> list[tuple[str, tuple[Figure, Figure]]]:
    """Return table rows: the name of a figure, and its value for each version."""
    rows = [(gettext("Accuracy"), (_share(control.a.right), _share(control.b.right)))]
    a, b = control.a.calibration, control.b.calibration
    if a and b:
        rows += [
            (gettext("Mean confidence"), ((percent(a.sure, exact=True), ""), (percent(b.sure, exact=True), ""))),
            (gettext("Calibration error"), (_error(a), _error(b))),
            (gettext("Brier score"), ((localized(f"{a.brier:.3f}"), ""), (localized(f"{b.brier:.3f}"), ""))),
        ]
    return rows


def class_rows(control: OnControl, names: Names) -> list[dict[str, Any]]:
    """Return the rows of the table of classes."""
    classes = control.classes
    rows = []
    for index in shown_classes(control):
        counts = [int(each[index]) for each in (classes.truth, classes.predicted_a, classes.predicted_b)]
        right_a, right_b = int(classes.correct_a[index]), int(classes.correct_b[index])
        truth, predicted_a, predicted_b = counts
        rows.append(
            {
                "name": names.get(index, str(index)),
                "truth": number(truth),
                "recall": _both(right_a, truth, right_b, truth, bool(classes.recall_differs[index])),
                "precision": _both(right_a, predicted_a, right_b, predicted_b, bool(classes.precision_differs[index])),
            }
        )
    return rows


def shown_classes(control: OnControl) -> list[int]:
    """Return the classes to show: first the classes that differ by more than noise, then the most frequent."""
    classes = control.classes
    differs = classes.recall_differs | classes.precision_differs
    occurs = np.flatnonzero(classes.truth + classes.predicted_a + classes.predicted_b)
    order = np.lexsort((-classes.truth[occurs], ~differs[occurs]))
    return [int(index) for index in occurs[order][:CLASSES_SHOWN]]


def _both(right_a: int, of_a: int, right_b: int, of_b: int, differs: bool) -> dict[str, str]:
    verdict = ""
    if differs:
        verdict = "better" if right_b * of_a > right_a * of_b else "worse"
    return {"a": part(right_a, of_a), "b": part(right_b, of_b), "verdict": verdict}


def mistake_rows(control: OnControl, names: Names) -> list[tuple[str, str, str, str, str]]:
    return [
        (
            names.get(each.truth, ""),
            names.get(each.predicted, ""),
            number(each.a),
            number(each.b),
            localized(f"{each.b - each.a:+,}"),
        )
        for each in control.mistakes
    ]


def pool_rows(pool: OnPool, names: Names) -> list[tuple[str, str, str, str]]:
    return [
        (names.get(a, ""), names.get(b, ""), number(items), percent(items / pool.apart, exact=True))
        for a, b, items in pool.kinds
    ]


def differences(
    a: ModelVersion, b: ModelVersion, artifact_a: Artifact | None, artifact_b: Artifact | None
) -> list[tuple[str, str, str]]:
    """Describe how the two versions were made, where that differs."""
    rows = zip(_made_with(a, artifact_a), _made_with(b, artifact_b), strict=True)
    return [(name, one, other) for (name, one), (_, other) in rows if one != other]


def _made_with(version: ModelVersion, artifact: Artifact | None) -> Iterator[tuple[str, str]]:
    manifest = artifact.manifest if artifact else {}
    yield gettext("Origin"), gettext(version.get_origin_display())
    yield gettext("Labels"), number(version.labels)
    yield gettext("Hash of the labels"), version.labels_hash[:16] or "–"
    yield gettext("Last batch"), number(version.last_batch) if version.batch else gettext("none")
    yield gettext("Parent"), number(version.parent.number) if version.parent else gettext("none")
    yield gettext("Seed"), str(version.seed)
    yield gettext("Encoder"), str(manifest.get("encoder", {}).get("name", "–"))
    yield gettext("Encoder’s digest"), str(manifest.get("encoder", {}).get("digest", "–"))[:16]
    yield gettext("Network"), str(manifest.get("network", {}).get("name", "–"))


def training_differences(a: ModelVersion, b: ModelVersion) -> list[tuple[str, str, str]]:
    one, other = (dict(settings_words(version.training)) for version in (a, b))
    names = {**one, **other}
    return [(name, one.get(name, "–"), other.get(name, "–")) for name in names if one.get(name) != other.get(name)]


def _share(share: Share) -> Figure:
    return ("–", "") if share.value is None else (accuracy(share.value, share.n), interval(share.low, share.high))


def _error(calibration: Calibration) -> Figure:
    return percent(calibration.ece, exact=True), interval(calibration.low, calibration.high)


def _points(share: float) -> str:
    return gettext("%(n)s points") % {"n": localized(f"{100 * share:.1f}")}


def _signed(share: float) -> str:
    return localized(f"{100 * share:+.1f}").replace("-", "−")


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
        "made": differences(a, b, artifacts.read_artifact(a), artifacts.read_artifact(b)),
        "same_labels": a.labels_hash == b.labels_hash != "",
        "training": training_differences(a, b),
        "control": control,
        "uncalibrated": [(each.number, words) for each in (a, b) if (words := version_words.calibration(each))],
    }
    if control:
        context |= {
            "finding": finding(control, a.number, b.number),
            "interval": interval_sentence(control, a.number, b.number),
            "sentence": comparison(control.compared, b.number, a.number),
            "figures": figures(control),
            "classes": class_rows(control, names),
            "mistakes": mistake_rows(control, names),
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
            "kinds": pool_rows(compared.pool, names),
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
        indices |= set(shown_classes(compared.control))
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
