"""The comparison of two model versions, as sentences and table rows. Pure functions."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from django.utils.translation import gettext

from labeling.insight.control_slice import Calibration
from labeling.insight.versions_compared import OnControl, OnPool, Share
from labeling.models import ModelVersion
from labeling.outgoing.artifacts import Artifact
from labeling.web.models.version_words import CLASSES_SHOWN
from labeling.web.models.version_words import settings as settings_words
from labeling.web.shared.words import accuracy, interval, localized, number, part, percent

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
