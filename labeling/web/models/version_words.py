"""A model version, as sentences and table rows. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext

from labeling.insight.control_slice import ClassFigures, Compared
from labeling.models import ModelVersion, Registration
from labeling.web.shared.words import count, figure, localized, number, part

CLASSES_SHOWN = 50
# The most class names in a manifest that the page shows.
NAMES_SHOWN = 20


def comparison(compared: Compared | None, later: int, earlier: int) -> str:
    """Compare a version with the one before it on the same control items, in a sentence."""
    if compared is None or not compared.n:
        return ""
    gained, lost = compared.gained, compared.lost
    values = {
        "items": count(compared.n, "control item"),
        "later": later,
        "earlier": earlier,
        "gained": number(gained),
        "lost": number(lost),
    }
    if not gained + lost:
        text = gettext(
            "Of the same %(items)s, version %(later)s is right on exactly those that version %(earlier)s was right on."
        )
    elif compared.better:
        text = gettext(
            "Of the same %(items)s, version %(later)s is right on %(gained)s that version %(earlier)s had wrong, and "
            "wrong on %(lost)s that it had right: it is better."
        )
    elif compared.worse:
        text = gettext(
            "Of the same %(items)s, version %(later)s is right on %(gained)s that version %(earlier)s had wrong, and "
            "wrong on %(lost)s that it had right: it is worse."
        )
    else:
        text = gettext(
            "Of the same %(items)s, version %(later)s is right on %(gained)s that version %(earlier)s had wrong, and "
            "wrong on %(lost)s that it had right: too few to say that one is better."
        )
    return text % values


def by_class(figures: Sequence[ClassFigures], names: Mapping[int, str]) -> list[dict[str, str]]:
    """Return the rows of the table of classes, the most frequent first."""
    return [
        {
            "name": names.get(each.index, str(each.index)),
            "truth": number(each.truth),
            "found": part(each.correct, each.truth),
            "predicted": number(each.predicted),
            "right": part(each.correct, each.predicted),
        }
        for each in figures[:CLASSES_SHOWN]
    ]


def likelihood(control: Mapping[str, Any] | None) -> str:
    """Describe the log loss: 0.352 nats an item, with 95 % certainty 0.301 to 0.414; empty if it was not measured."""
    return _mean(
        (control or {}).get("nll"),
        3,
        gettext("%(value)s nats an item"),
        gettext("%(value)s nats an item, with 95 %% certainty %(low)s to %(high)s"),
    )


def absolute_error(control: Mapping[str, Any] | None) -> str:
    """Describe the absolute error of `score`: 0.42 points, with 95 % certainty 0.35 to 0.50; empty if it was not
    measured.
    """
    return _mean(
        (control or {}).get("mae"),
        2,
        gettext("%(value)s points"),
        gettext("%(value)s points, with 95 %% certainty %(low)s to %(high)s"),
    )


def _mean(mean: Mapping[str, Any] | None, digits: int, alone: str, with_interval: str) -> str:
    if not mean or mean["value"] is None:
        return ""
    known = {end: localized(f"{mean[end]:.{digits}f}") for end in ("value", "low", "high") if mean[end] is not None}
    return (with_interval if "low" in known else alone) % known


def size(n: int) -> str:
    """Return a file size: 812 bytes, 4.2 kB, 1.3 MB."""
    for unit, bytes_each in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if n >= bytes_each:
            return f"{n / bytes_each:.1f}\u00a0{unit}"
    return count(n, "byte")


def settings(training: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name, _setting(value)) for name, value in training.items()]


def _setting(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: gettext("yes"), False: gettext("no"), None: gettext("no limit")}[value]
    return figure(value) if isinstance(value, int | float) else str(value)


def shortened(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the manifest with only the first names of a long list of classes."""
    classes = manifest.get("classes")
    if not isinstance(classes, list) or len(classes) <= NAMES_SHOWN:
        return dict(manifest)
    more = gettext("… and %(n)s more") % {"n": number(len(classes) - NAMES_SHOWN)}
    return {**manifest, "classes": [*classes[:NAMES_SHOWN], more]}


def source(registration: Registration) -> str:
    """Say who registered a version, in which form, and from where."""
    facts, by = registration.source, registration.created_by
    parts = [gettext("by %(name)s") % {"name": by.username}] if by else []
    parts.append(str(facts.get("format", "")))
    if facts.get("project"):
        sentence = gettext("version %(number)s of the project %(project)s")
        parts.append(sentence % {"number": facts.get("version", "?"), "project": facts["project"]})
    return ", ".join(parts)


def calibration(version: ModelVersion) -> str:
    """Say why the version is not calibrated yet, or will not be; empty if it is."""
    if version.calibrating == ModelVersion.Calibrating.WAITING:
        return gettext(
            "Calibration is still running. Until it is done, confidence is likely too high. It does not affect which "
            "items are picked."
        )
    if version.calibrating == ModelVersion.Calibrating.SKIPPED:
        sentence = gettext("Not calibrated: %(reason)s. Its confidence is likely too high.")
        return sentence % {"reason": gettext(version.calibration["reason"])}
    return ""
