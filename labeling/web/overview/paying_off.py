"""What picking saved and what the next batch brings, in words. Pure functions."""

from dataclasses import dataclass, field

from django.utils.translation import gettext

from labeling.insight.labels_saved import NoFigure
from labeling.insight.pace import Pace
from labeling.insight.payoff import LEAST_VERSIONS, WORTH, Advice, Payoff
from labeling.models import Project
from labeling.questions import Question
from labeling.web.charts.payoff import about
from labeling.web.settings.standing import person_hours
from labeling.web.shared.words import HOUR, count, duration, localized, money, span
from selector.strategies import STRATEGIES

MINUS = "−"


@dataclass(frozen=True, slots=True)
class PayingOff:
    """The advice, the data it is based on, and `facts` as (name, value, detail)."""

    advice: str
    basis: str
    warning: str = ""
    """Advice if picking has cost labels, or why that could not be estimated."""
    facts: list[tuple[str, str, str]] = field(default_factory=list)


def paying_off(project: Project, payoff: Payoff, pace: Pace, *, with_cost: bool) -> PayingOff:
    """Return the advice and its figures; `with_cost`: also the next batch's cost, if an hour has a cost."""
    facts = []
    if payoff.next is not None:
        gain = payoff.next.gain.predicted
        facts.append((gettext("Next batch brings"), _points(gain.value), span(_points(gain.low), _points(gain.high))))
        hours = person_hours(payoff.next.items, project, pace)
        facts.append(
            (
                gettext("It takes"),
                duration(hours * HOUR),
                gettext("of labeling, for %(items)s") % {"items": count(payoff.next.items, "item")},
            )
        )
        if with_cost and project.hourly_cost is not None:
            facts.append((gettext("It costs"), money(float(project.hourly_cost) * hours, project.currency), ""))
    return PayingOff(_advice(payoff, project.asks), _basis(payoff), _warning(project, payoff), facts)


def _warning(project: Project, payoff: Payoff) -> str:
    """Return the advice to draw at random, if fewer uniform labels than the version in use learned from are enough for
    its accuracy, with 95 % confidence; or why the estimate failed.
    """
    if payoff.missing == NoFigure.FAILED:
        return gettext("Estimating the labels saved failed: %(reason)s") % {"reason": payoff.reason}
    high = None if payoff.saved is None else payoff.saved.needed.high
    if high is None or high >= payoff.learned or STRATEGIES[project.strategy].fair:
        return ""
    return gettext(
        "Picking has cost labels so far, as it can where many items are broken. Let annotators skip these. "
        "Change the strategy to Uniform for every second batch, or for all."
    )


def _advice(payoff: Payoff, asks: Question) -> str:
    worth = _share(WORTH)
    match payoff.advice:
        case Advice.GO_ON:
            return gettext("Continue: the next batch probably brings %(worth)s or more.") % {"worth": worth}
        case Advice.STOP:
            return gettext("Consider stopping: the next batch brings less than %(worth)s, almost certainly.") % {
                "worth": worth
            }
        case Advice.UNCLEAR:
            unclear = gettext(
                "Not enough data yet to tell whether another batch is worth it: less than %(worth)s is likely, "
                "but not certain."
            )
            if payoff.more_control is None:
                more = gettext("The estimate is too close to %(worth)s.")
            else:
                more = gettext("About %(more_control)s more control answers are needed.")
            return f"{unclear} {more}" % {"worth": worth, "more_control": about(payoff.more_control or 0)}
        case Advice.DONE:
            return gettext("No item is left to label.")
    if payoff.missing == NoFigure.QUESTION:
        return gettext("No suggestion is made where %(why)s.") % {"why": gettext(asks.best_is_no_answer)}
    if payoff.more_control:
        return gettext("Too early for a suggestion: it needs %(more_control_answers)s.") % {
            "more_control_answers": count(payoff.more_control, "more control answer")
        }
    return gettext("Too early for a suggestion: it needs %(least)s model versions.") % {"least": LEAST_VERSIONS}


def _basis(payoff: Payoff) -> str:
    if payoff.next is None:
        return ""
    return gettext(
        "Estimated from %(model_versions)s on %(control_items)s. The suggestion is about the labels, "
        "not the luck of one training. A batch is worth it from %(share)s of accuracy on."
    ) % {
        "model_versions": count(payoff.versions, "model version"),
        "control_items": count(payoff.control, "control item"),
        "share": _share(WORTH),
    }


def _share(gain: float) -> str:
    return (
        gettext("half a point")
        if gain == 0.005
        else gettext("%(gain)s points") % {"gain": localized(f"{100 * gain:g}")}
    )


def _points(gain: float | None) -> str:
    """Return a gain in points of accuracy: +0.6 points."""
    value = 100 * (gain or 0.0)
    return gettext("%(gain)s points") % {"gain": localized(f"{'+' if value >= 0 else MINUS}{abs(value):.1f}")}
