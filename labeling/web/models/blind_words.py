"""What the page of a version says of predictions that were measured blind."""

from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from labeling.insight.measured_blind import MeasuredBlind, ShareRight, measured_blind
from labeling.models import ModelVersion, Project
from labeling.storage.disk.files import FileDamaged
from labeling.web.shared.words import interval, number, part, percent

GROUPS = {
    "control": _("Control items"),
    "gold": _("Gold items"),
    "blind": _("All items"),
    "later": _("Labeled after the predictions came"),
}


def measured(project: Project, version: ModelVersion) -> dict[str, Any]:
    """Return the figures of the version's predictions for the page; none if it is not made of predictions."""
    try:
        found = measured_blind(project, version)
    except FileDamaged:  # the page reports it
        return {}
    if found is None or not found.blind.predictions.n:
        return {}
    groups = [(gettext(title), getattr(found, name)) for name, title in GROUPS.items()]
    return {
        "blind": {
            "groups": [
                {"title": title, "predictions": _share(each.predictions), "people": _share(each.people)}
                for title, each in groups
                if each.predictions.n
            ],
            "classes": [{"name": each.name, "right": _share(each.right)} for each in found.classes],
            "mistakes": found.mistakes,
            "stand_in": _stand_in(found),
            "calibration": _calibration(found),
        }
    }


def _share(share: ShareRight) -> str:
    """Format a share with its interval and its items: 94.0 % of 50 (83.8 % to 97.9 %); of few items 4 of 5."""
    if not share.n or share.value is None:
        return "–"
    shown = part(round(share.value * share.n), share.n)
    if shown == percent(share.value, exact=True):
        shown = gettext("%(part)s of %(all)s") % {"part": shown, "all": number(share.n)}
    return f"{shown} ({interval(share.low, share.high)})"


def _stand_in(found: MeasuredBlind) -> str:
    test = found.in_place_of_person
    classes = gettext(", ").join(test.not_for)
    if test.passes is None:
        sentence = gettext(
            "Whether they could stand in for a person is not known: that takes three people, each with 30 answers that "
            "others can judge."
        )
    elif test.passes and classes:
        return gettext("They could stand in for a person here, but not for: %(classes)s.") % {"classes": classes}
    elif test.passes:
        return gettext("They could stand in for a person here.")
    else:
        sentence = gettext("They could not stand in for a person here.")
    if classes:
        sentence += " " + gettext("People are right more often about: %(classes)s.") % {"classes": classes}
    return sentence


def _calibration(found: MeasuredBlind) -> str:
    error = found.calibration
    if error is None:
        return ""
    values = {"error": percent(error.error), "interval": interval(error.low, error.high)}
    return gettext("Their confidence is off by %(error)s on average (%(interval)s).") % values
