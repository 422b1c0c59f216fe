"""The forecast of the next batch, in words. Pure functions."""

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from labeling.storage.arrays.batch_forecast import BatchForecast, Sample
from labeling.web.shared.words import count, localized, number, percent

NAMES = {
    "highest-margin": _("Highest margin"),
    "mean-margin": _("Mean margin"),
    "clusters": _("Clusters"),
    "largest": _("From one cluster"),
    "first-pass": _("First pass"),
}
UNKNOWN = ("–", "")


def rows(outlook: BatchForecast | None) -> dict[str, tuple[str, str]]:
    """Return the figure and the detail of each row. All rows are always present, because the page keeps them."""
    if outlook is None:
        return {**dict.fromkeys(NAMES, UNKNOWN), "highest-margin": ("–", gettext("no forecast for this strategy"))}
    return {
        "highest-margin": (
            localized(f"{outlook.highest_margin:.3f}"),
            gettext("of a candidate: 0 is undecided, 1 is sure"),
        ),
        "mean-margin": (localized(f"{outlook.mean_margin:.3f}"), gettext("of the items that are picked")),
        "clusters": UNKNOWN
        if outlook.clusters is None
        else (number(outlook.clusters), gettext("that the candidates fall in")),
        "largest": _largest(outlook),
        "first-pass": _first_pass(outlook),
    }


def _largest(outlook: BatchForecast) -> tuple[str, str]:
    if outlook.most is None or outlook.most_of is None:
        return UNKNOWN
    return gettext("at most %(most)s") % {"most": number(outlook.most)}, gettext("of the %(candidates)s in it") % {
        "candidates": count(outlook.most_of, "candidate")
    }


def _first_pass(outlook: BatchForecast) -> tuple[str, str]:
    if outlook.first_pass is None:
        return "–", gettext("there are no passes")
    return percent(outlook.first_pass), gettext("of the picked items, each from another cluster")


def basis(sample: Sample | None, *, first: bool, guarded: bool) -> str:
    """Name the data behind the rows, or say why there is no forecast."""
    if first:
        return gettext("A forecast of what will be picked needs a model.")
    if sample is None:
        return gettext("A forecast of what will be picked appears shortly after the next batch opens.")
    if sample.exact:
        text = gettext("Based on the predictions of version %(version)s when batch %(batch)s was picked.")
    else:
        text = gettext(
            "Based on the predictions of version %(version)s when batch %(batch)s was picked, estimated from a "
            "sample of %(n)s of %(all)s."
        )
    text %= {
        "version": sample.version,
        "batch": sample.batch,
        "n": number(len(sample.margins)),
        "all": number(sample.open),
    }
    return f"{text} {gettext('The class guard is not included.')}" if guarded else text
