"""A model version, and the fit of the clustering, as sentences and table rows. Pure functions."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext, ngettext

from labeling.insight.clusterings import LEAST_KEPT, MOST_JOINED, drift_of
from labeling.insight.control_slice import ClassFigures, Compared
from labeling.models import Batch, Clustering, ModelVersion, Registration
from labeling.projects.version_in_use import InUse, unpredicted
from labeling.web.shared.words import count, duration, figure, localized, number, part, percent

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
    """Describe the absolute error of `score`: 0.42 points, with 95 % certainty 0.35 to 0.50; empty if unmeasured."""
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
            return f"{localized(f'{n / bytes_each:.1f}')}\u00a0{unit}"
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


def picking_of(in_use: InUse | None) -> dict[str, Any] | None:
    """Describe the version in use; None without a version.

    `held_back`: the newest version, if the gate alone keeps it from picking; `unpredicted`: that batches leave items
    out for which the version in use has no predictions, empty if it predicts all.
    """
    if in_use is None:
        return None
    return {
        "version": in_use.version.number,
        "by_gate": in_use.by_gate.number,
        "held_back": in_use.newest.number if in_use.held_back else None,
        "finding": gate_finding(in_use.newest) if in_use.held_back else "",
        "choice": in_use.choice,
        "unpredicted": _unpredicted(in_use.version),
    }


def _unpredicted(version: ModelVersion) -> str:
    left_out = unpredicted(version.project, version)
    if not left_out:
        return ""
    text = ngettext(
        "Version %(number)s has no prediction for %(n)s item: no batch takes it until newer predictions come, or all "
        "others are labeled.",
        "Version %(number)s has no predictions for %(n)s items: no batch takes them until newer predictions come, or "
        "all others are labeled.",
        left_out,
    )
    return text % {"number": version.number, "n": number(left_out)}


def gate_finding(version: ModelVersion) -> str:
    """Return the gate's result for a version, as a sentence; empty if the gate did not compare the version."""
    gate = version.gate
    if not gate:
        return ""
    if gate.get("reason"):
        return gettext("It was not compared: the files of version %(against)s could not be read.") % {
            "against": gate["against"]
        }
    compared = Compared(gate["n"], gate["gained"], gate["lost"])
    return comparison(compared, version.number, gate["against"]) or gettext("No control item was labeled yet.")


def passed_over(batch: Batch) -> str:
    """Say why a version other than the newest picked the batch; empty if the newest did.

    Takes at most one query. The batch must be selected with `choice__user`.
    """
    picked_by, newest = batch.selected_by, batch.newest_version
    if picked_by is None or newest is None or picked_by.number == newest:
        return ""
    if batch.choice is not None:
        return gettext("Version %(number)s picked it, because %(username)s had chosen that version.") % {
            "number": picked_by.number,
            "username": batch.choice.user.username,
        }
    if batch.project.versions.filter(number=newest, held_back=False).exists():
        return gettext("Version %(number)s picked it: files of version %(newest)s, the newest then, were damaged.") % {
            "number": picked_by.number,
            "newest": newest,
        }
    return gettext("Version %(number)s picked it: version %(newest)s, the newest then, is held back.") % {
        "number": picked_by.number,
        "newest": newest,
    }


def fit_of(clustering: Clustering | None) -> dict[str, Any] | None:
    """Describe the clustering and its fit; None without one. `warnings` is empty if it fits; `asked`: when a rebuild
    was requested. The clustering must be selected with its versions.
    """
    if clustering is None:
        return None
    drift = drift_of(clustering)
    warnings = []
    if drift.many_joined:
        warnings.append(
            gettext(
                "%(joined)s of the items were imported after the pool was clustered. They joined the clusters "
                "that were there; new kinds of items have none of their own."
            )
            % {"joined": percent(drift.joined)}
        )
    if drift.fits_badly:
        warnings.append(
            gettext(
                "The clusters keep %(points)s of their first separation: to the current model, items of one "
                "cluster are less alike than they were."
            )
            % {"points": _points(drift.kept)}
        )
    return {
        "built": gettext("%(items)s, by version %(number)s’s embeddings")
        % {"items": count(clustering.rows, "item"), "number": clustering.embedded_by.number},
        "at": clustering.created_at,
        "joined": f"{number(clustering.joined_rows - clustering.rows)} ({percent(drift.joined)})",
        "kept": _kept(clustering, drift.kept),
        "warnings": warnings,
        "took": duration(clustering.seconds),
        "asked": clustering.anew_at,
    }


def _kept(clustering: Clustering, kept: float | None) -> str:
    if kept is None or clustering.measured_by is None:
        return ""
    return gettext("%(points)s of their first separation, by version %(number)s") % {
        "points": _points(kept),
        "number": clustering.measured_by.number,
    }


def _points(share: float | None) -> str:
    """Return a share in whole per cents, because the decimals are noise."""
    return f"{100 * (share or 0):.0f}\u00a0%"


def thresholds() -> str:
    """Say when a pool should be clustered again."""
    return gettext(
        "Cluster again when more than %(most)s of the items joined later, or when less than "
        "%(least)s is left of the clusters’ first separation."
    ) % {"most": _points(MOST_JOINED), "least": _points(LEAST_KEPT)}
