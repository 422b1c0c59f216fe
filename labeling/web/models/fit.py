"""The fit of the clustering, in words. Pure functions."""

from typing import Any

from django.utils.translation import gettext

from labeling.insight.clusterings import LEAST_KEPT, MOST_JOINED, drift_of
from labeling.models import Clustering
from labeling.web.shared.words import count, duration, number, percent


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
