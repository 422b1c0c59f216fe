"""Forecast the answers that a proof takes, if calibration is right: to choose the candidates, and to go on or stop.

People's label of an item has a price, by the probability that the model's label is right. The unit is an audit's draw:
an item that is asked alone, with its further answers. Items that one glance confirms cost less.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from labeling.finishing.certifying.plan import Plan
from labeling.finishing.certifying.proof import evidence_for

OPTIONS = 25
SAVES = 0.9
"""An audit may end without a proof, so it is planned only if it is expected to save a tenth of people's answers."""

MOST_ASKED = 0.5
"""An audit that asks about half of its candidates is people's labeling in a random order: a batch of as many doubtful
items teaches a model more, and leaves fewer errors to prove against."""


Price = Callable[[np.ndarray], np.ndarray]
"""Maps probabilities of the model's labels (n,) to prices (n,)."""


def alone(probabilities: np.ndarray) -> np.ndarray:
    """Return 1 for each item: all items are asked as draws are."""
    return np.ones(len(probabilities))


def by_hand(plan: Plan, price: Price) -> np.ndarray:
    """Return the price (G,) of people's label for an item of each stratum."""
    return price(1 - plan.expected)


@dataclass(frozen=True, slots=True)
class Option:
    """Candidates that an audit may be planned for.

    plan : the audit of the first strata only.
    labels : how many candidates they hold.
    answers : the draws that have an answer until all of them are expected to be proven; inf if the audit asks about
        `MOST_ASKED` of them before.
    error : the expected share of wrong labels among them.
    """

    plan: Plan
    labels: int
    answers: float
    error: float

    def cost(self, whole: Plan, price: Price) -> float:
        """Return the price until all candidates of `whole`, of which this is an option, have a label."""
        return self.answers + self.rest(whole, price)

    def rest(self, whole: Plan, price: Price) -> float:
        """Return the price of the candidates of `whole` that this audit leaves to people."""
        outside = slice(len(self.plan.sizes), None)
        return float(by_hand(whole, price)[outside] @ whole.sizes[outside])


def options(plan: Plan, *, n: int = OPTIONS) -> list[Option]:
    """Return at most `n` options, from few candidates to all of the plan's: the curve of answers by labels."""
    return [_option(plan, end) for end in _spread(1, len(plan.sizes), n)]


def cheapest(plan: Plan, price: Price = alone, *, curve: Sequence[Option] = ()) -> Option | None:
    """Return the option with the lowest cost for the candidates; None if asking about all of them costs about as much.

    curve : the plan's `options`, if they are known already.
    """

    def cost(option: Option) -> float:
        return option.cost(plan, price)

    curve = curve or options(plan)
    ends = [len(option.plan.sizes) for option in curve]
    at = min(range(len(ends)), key=lambda at: cost(curve[at]))
    near = range(ends[max(at - 1, 0)], ends[min(at + 1, len(ends) - 1)] + 1)
    best = min((curve[ends.index(end)] if end in ends else _option(plan, end) for end in near), key=cost)
    return best if cost(best) < SAVES * by_hand(plan, price) @ plan.sizes else None


def _spread(first: int, last: int, n: int) -> np.ndarray:
    return np.unique(np.linspace(first, last, n).round().astype(int))


def _option(whole: Plan, end: int) -> Option:
    plan = replace(whole, sizes=whole.sizes[:end], expected=whole.expected[:end])
    answers = float(plan.answers[plan.first :].max()) if plan.least[plan.first] >= 0 else np.inf
    labels = int(plan.ends[-1])
    return Option(
        plan, labels, answers if answers < MOST_ASKED * labels else np.inf, float(plan.sizes @ plan.expected) / labels
    )


def answers_left(plan: Plan, last: int, ranks: np.ndarray, wrong: np.ndarray, *, to_go_on: bool = False) -> float:
    """Return about how many more answers prove the set that ends with stratum `last`; inf if probably none will.
    `ranks` and `wrong` as in `proof.prove`. `to_go_on`: prove so much of it that larger sets are tried. Of several
    classes, those of the class that takes the most.

    The rate at which evidence grows is the mean of the calibrated rate and the rate so far, weighted by the answers of
    the forecast and those so far. So hope is lost once the evidence is 1/threshold of its start: if calibration is
    right, this has about the probability of the risk.
    """
    if wrong.ndim > 1:
        return max(answers_left(plan, last, ranks, column, to_go_on=to_go_on) for column in wrong.T)
    strata = plan.strata(ranks)
    inside = strata <= last
    least = int(plan.least[last])
    most = plan.most(int(plan.ends[last] - inside.sum())) + int(wrong[inside].sum())
    most = least if to_go_on else max(most, least)
    path = evidence_for(plan, last, strata[inside], wrong[inside], most)
    if path.max() >= plan.threshold or not plan.answers[last]:
        return 0.0
    grown = plan.threshold + path[-1]
    return float((plan.threshold - path[-1]) / grown * (plan.answers[last] + len(ranks))) if grown > 0 else np.inf
