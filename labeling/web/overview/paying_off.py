"""What picking saved and what the next batch brings, in words. Pure functions."""

from dataclasses import dataclass, field

from django.utils.translation import gettext

from labeling.insight.labels_saved import NoFigure
from labeling.insight.pace import Pace
from labeling.insight.payoff import LEAST_VERSIONS, WORTH, Advice, Payoff
from labeling.models import Project
from labeling.questions import Question
from labeling.storage.arrays.stored import LEAST_CONTROL
from labeling.web.charts.payoff import about
from labeling.web.settings.standing import person_hours
from labeling.web.shared.words import HOUR, count, duration, localized, money, number, span
from models_store.payoff import OpenEstimate
from selector.strategies import STRATEGIES

MINUS = "−"


@dataclass(frozen=True, slots=True)
class PayingOff:
    """The advice, the data it is based on, and `facts` as (name, value, detail)."""

    advice: str
    basis: str
    warning: str = ""
    """Advice if picking has cost labels."""
    facts: list[tuple[str, str, str]] = field(default_factory=list)


def paying_off(project: Project, payoff: Payoff, pace: Pace, *, with_cost: bool) -> PayingOff:
    """Return the advice and its figures; `with_cost`: also the next batch's cost, if an hour has a cost."""
    facts = [_saved(payoff, project.asks)]
    if payoff.saved is not None and payoff.spent is not None:
        spent = payoff.spent
        facts.append(
            (
                gettext("Labels spent"),
                number(spent.labels),
                gettext("%(learned)s learned from, and %(control)s control items")
                % {"learned": number(spent.learned), "control": number(spent.control)},
            )
        )
        needed = payoff.saved.needed
        facts.append(
            (
                gettext("Drawn at random"),
                gettext("about %(n)s") % {"n": about(needed.value)}
                if needed.value
                else gettext("at least %(n)s") % {"n": about(needed.low)},
                gettext("%(range)s, for the accuracy of version %(version)s")
                % {"range": _range(needed, payoff.saved.limit), "version": payoff.version},
            )
        )
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
    its accuracy, with 95 % confidence.
    """
    high = None if payoff.saved is None else payoff.saved.needed.high
    if high is None or high >= payoff.learned or STRATEGIES[project.strategy].fair:
        return ""
    return gettext(
        "Picking has cost labels so far, as it can where many items are broken. Let annotators skip these. "
        "Change the strategy to Uniform for every second batch, or for all."
    )


def _saved(payoff: Payoff, asks: Question) -> tuple[str, str, str]:
    name = gettext("Labels saved")
    if payoff.saved is not None:
        labels, spent = payoff.saved.labels, payoff.spent.labels if payoff.spent else 0
        interval = _range(labels, payoff.saved.limit - spent)
        return (
            name,
            gettext("about %(n)s") % {"n": about(labels.value)}
            if labels.value is not None
            else gettext("at least %(n)s") % {"n": about(labels.low)},
            interval,
        )
    return name, "–", _why_not(payoff, asks)


def _why_not(payoff: Payoff, asks: Question) -> str:
    match payoff.missing:
        case NoFigure.QUESTION:
            return gettext("not measured where %(why)s") % {"why": gettext(asks.best_is_no_answer)}
        case NoFigure.PRIVATE:
            return gettext("not estimated where trainings are private: it would have to learn from control items")
        case NoFigure.NOTHING_PICKED:
            return gettext("available after a batch that the model picked has been trained on")
        case NoFigure.FEW_CONTROL | NoFigure.NO_CONTROL:
            return gettext("needs %(least)s labeled control items; there are %(control)s") % {
                "least": LEAST_CONTROL,
                "control": number(payoff.control),
            }
        case NoFigure.FAILED:
            return gettext("the estimate failed: %(reason)s") % {"reason": payoff.reason}
        case _:
            return gettext("being estimated at low priority")


def _advice(payoff: Payoff, asks: Question) -> str:
    worth = _share(WORTH)
    match payoff.advice:
        case Advice.GO_ON:
            return gettext("Go on: the next batch probably brings %(worth)s or more.") % {"worth": worth}
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
        return gettext("Nothing is suggested where %(why)s.") % {"why": gettext(asks.best_is_no_answer)}
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


def _range(estimate: OpenEstimate, limit: float) -> str:
    high = gettext("more than %(limit)s") % {"limit": about(limit)} if estimate.high is None else about(estimate.high)
    return span(about(estimate.low), high)
