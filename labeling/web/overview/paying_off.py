"""What picking saved and what the next batch brings, in words. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass, field

from labeling.arrays.baseline import LEAST_CONTROL
from labeling.insight.labels_saved import NoFigure
from labeling.insight.pace import Pace
from labeling.insight.payoff import LEAST_VERSIONS, WORTH, Advice, Payoff
from labeling.models import Project
from labeling.questions import Question
from labeling.web.charts.payoff import about
from labeling.web.settings.next_batch import person_hours
from labeling.web.shared.words import HOUR, count, duration, money, number
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
    """Return the advice and its figures. `with_cost` adds the cost of the next batch if the project has an hourly
    cost.
    """
    facts = [_saved(payoff, project.asks)]
    if payoff.saved is not None and payoff.spent is not None:
        spent = payoff.spent
        facts.append(
            (
                "Labels spent",
                number(spent.labels),
                f"{number(spent.learned)} learned from, and {number(spent.control)} control items",
            )
        )
        needed = payoff.saved.needed
        facts.append(
            (
                "Drawn at random",
                f"about {about(needed.value)}" if needed.value else f"at least {about(needed.low)}",
                f"{_range(needed, payoff.saved.limit)}, for the accuracy of version {payoff.version}",
            )
        )
    if payoff.next is not None:
        gain = payoff.next.gain.predicted
        facts.append(("Next batch brings", _points(gain.value), f"{_points(gain.low)} to {_points(gain.high)}"))
        hours = person_hours(payoff.next.items, project, pace)
        facts.append(("It takes", duration(hours * HOUR), f"of labeling, for {count(payoff.next.items, 'item')}"))
        if with_cost and project.hourly_cost is not None:
            facts.append(("It costs", money(float(project.hourly_cost) * hours, project.currency), ""))
    return PayingOff(_advice(payoff, project.asks), _basis(payoff), _warning(project, payoff), facts)


def _warning(project: Project, payoff: Payoff) -> str:
    """Return the advice to draw at random, if fewer uniform labels than the version in use learned from are enough for
    its accuracy, with 95 % confidence.
    """
    high = None if payoff.saved is None else payoff.saved.needed.high
    if high is None or high >= payoff.learned or STRATEGIES[project.strategy].fair:
        return ""
    return (
        "Picking has cost labels so far, as it can where many items are broken. Let annotators skip these. "
        "Change the strategy to Uniform for every second batch, or for all."
    )


def _saved(payoff: Payoff, asks: Question) -> tuple[str, str, str]:
    name = "Labels saved"
    if payoff.saved is not None:
        labels, spent = payoff.saved.labels, payoff.spent.labels if payoff.spent else 0
        interval = _range(labels, payoff.saved.limit - spent)
        return (
            name,
            f"about {about(labels.value)}" if labels.value is not None else f"at least {about(labels.low)}",
            interval,
        )
    return name, "–", _why_not(payoff, asks)


def _why_not(payoff: Payoff, asks: Question) -> str:
    match payoff.missing:
        case NoFigure.QUESTION:
            return f"not measured where {asks.best_is_no_answer}"
        case NoFigure.PRIVATE:
            return "not estimated where trainings are private: it would have to learn from control items"
        case NoFigure.NOTHING_PICKED:
            return "available after a batch that the model picked has been trained on"
        case NoFigure.FEW_CONTROL | NoFigure.NO_CONTROL:
            return f"needs {LEAST_CONTROL} labeled control items; there are {number(payoff.control)}"
        case NoFigure.FAILED:
            return f"the estimate failed: {payoff.reason}"
        case _:
            return "being estimated at low priority"


def _advice(payoff: Payoff, asks: Question) -> str:
    worth = _share(WORTH)
    match payoff.advice:
        case Advice.GO_ON:
            return f"Go on: the next batch probably brings {worth} or more."
        case Advice.STOP:
            return f"Consider stopping: the next batch brings less than {worth}, almost certainly."
        case Advice.UNCLEAR:
            unclear = (
                f"Not enough data yet to tell whether another batch is worth it: less than {worth} is likely, but not "
                "certain."
            )
            if payoff.more_control is None:
                return f"{unclear} The estimate is too close to {worth}."
            return f"{unclear} About {about(payoff.more_control)} more control answers are needed."
        case Advice.DONE:
            return "No item is left to label."
    if payoff.missing == NoFigure.QUESTION:
        return f"Nothing is suggested where {asks.best_is_no_answer}."
    if payoff.more_control:
        return f"Too early for a suggestion: it needs {count(payoff.more_control, 'more control answer')}."
    return f"Too early for a suggestion: it needs {LEAST_VERSIONS} model versions."


def _basis(payoff: Payoff) -> str:
    if payoff.next is None:
        return ""
    return (
        f"Estimated from {count(payoff.versions, 'model version')} on {count(payoff.control, 'control item')}. The "
        f"suggestion is about the labels, not the luck of one training. A batch is worth it from {_share(WORTH)} "
        f"of accuracy on."
    )


def _share(gain: float) -> str:
    return "half a point" if gain == 0.005 else f"{100 * gain:g} points"


def _points(gain: float | None) -> str:
    """Return a gain in points of accuracy: +0.6 points."""
    value = 100 * (gain or 0.0)
    return f"{'+' if value >= 0 else MINUS}{abs(value):.1f} points"


def _range(estimate: OpenEstimate, limit: float) -> str:
    return f"{about(estimate.low)} to {f'more than {about(limit)}' if estimate.high is None else about(estimate.high)}"
