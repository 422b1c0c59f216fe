"""Decide when an audit begins, how many of its draws a batch asks, and when it ends.

The decisions compare people's answers until all items have a label. A proof is valid whenever an audit begins or ends.
docs/explanation/certifying.md gives reasons and figures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

import numpy as np

from labeling.finishing.certifying.forecast import Price, alone, answers_left, by_hand, cheapest
from labeling.finishing.certifying.plan import Plan
from labeling.finishing.certifying.proof import Proof, prove

WINDOW = 3
"""The number of latest batches that tell what a batch teaches."""
SMALL_REST = 0.1
SHARE_OF_LEFT = 0.5
LEAST_DRAWS = 10


@dataclass(frozen=True, slots=True)
class Outlook:
    """What finishing takes with one model version, in prices (`forecast`), or in answers.

    spent : what people have done so far.
    audit : the audits' draws.
    rest : the items that neither an audit nor a certificate covers.
    certified : labels that are expected to be certified; 0 if no audit pays.
    batch : a further batch.
    later : all that is left, if people first label this batch, and it teaches the model nothing.
    """

    spent: float
    audit: float
    rest: float
    certified: float
    batch: float
    later: float

    @property
    def left(self) -> float:
        """Return all that is left, if audits begin now."""
        return self.audit + self.rest

    def in_answers(self, each: float) -> Outlook:
        """Return the same in people's answers, if a draw takes `each` of them."""
        audit, rest, batch, later = (each * n for n in (self.audit, self.rest, self.batch, self.later))
        return Outlook(each * self.spent, audit, rest, self.certified, batch, later)


def outlook(plans: Sequence[Plan], *, n_left: int, spent: float, batch_size: int, price: Price = alone) -> Outlook:
    """Return what finishing takes, if the cheapest option of each plan is audited and people label the rest.

    plans : of the whole pool, or one for each class.
    n_left : the items without a label, candidates of the plans or not.
    spent : what people have done so far, in draws.
    price : of the items of a batch and of the rest. Items that are no candidates cost as the most doubtful ones.
    """
    share = min(batch_size / max(sum(int(plan.ends[-1]) for plan in plans), 1), 1)
    now, after = _ahead(plans, price), _ahead([_without_doubtful(plan, share) for plan in plans], price)
    doubtful = now.candidates - after.candidates
    each = (now.by_hand - after.by_hand) / doubtful if doubtful else float(price(np.zeros(1))[0])
    batch = each * min(batch_size, n_left)
    return Outlook(
        spent=spent,
        audit=now.audit,
        rest=now.rest + each * max(n_left - now.candidates, 0),
        certified=now.certified,
        batch=batch,
        later=batch + after.audit + after.rest + each * max(n_left - batch_size - after.candidates, 0),
    )


@dataclass(frozen=True, slots=True)
class _Ahead:
    """Until all candidates of some plans have a label: the answers of the audits, those for the rest, and the
    `certified` labels. `by_hand`: the answers if people label all.
    """

    candidates: int
    audit: float
    rest: float
    certified: float
    by_hand: float


def _ahead(plans: Sequence[Plan], price: Price) -> _Ahead:
    """Return what the cheapest options take."""
    audit = rest = certified = total = 0.0
    for plan in plans:
        whole = float(by_hand(plan, price) @ plan.sizes)
        total += whole
        option = cheapest(plan, price)
        if option is None:
            rest += whole
        else:
            audit, rest = audit + option.answers, rest + option.rest(plan, price)
            certified += option.labels - option.answers
    return _Ahead(sum(int(plan.ends[-1]) for plan in plans), audit, rest, certified, total)


def _without_doubtful(plan: Plan, share: float) -> Plan:
    """Return the plan without this share of its candidates, the least probable ones. At least one stays."""
    n = max(round((1 - share) * int(plan.ends[-1])), 1)
    sizes = np.diff(np.minimum(plan.ends, n), prepend=0)
    return replace(plan, sizes=sizes[sizes > 0], expected=plan.expected[sizes > 0])


def begins(outlooks: Sequence[Outlook]) -> bool:
    """Return whether audits begin now, instead of learning from another batch.

    Batches take doubtful items, which people have to label in any case: learning from them is free until few of them
    are left. So an audit begins if it pays, and takes fewer answers than it will after another batch, which are the
    largest of

    - the batch alone, and
    - `later`, less what a batch teaches: how much less than forecast was left after the latest `WINDOW` batches (the
      median, and no less than 0). Both forecasts of a version have the same errors of calibration, which cancel. Only
      batches count that followed a version with which an audit would have paid: before, learning shortens no audit.

    It begins, too, if batches teach nothing, and the rest is no more than a batch or a tenth of all that is left.

    outlooks : one for each version since the last audit ended, or since the project began, the newest last.
    """
    if not outlooks or not outlooks[-1].certified:
        return False
    taught = [
        before.spent + before.later - after.spent - after.left
        for before, after in pairwise(outlooks[-WINDOW - 1 :])
        if before.certified
    ]
    teaches = max(median(taught), 0) if taught else math.inf
    now = outlooks[-1]
    return now.left < max(now.batch, now.later - teaches) or (
        now.rest <= max(now.batch, SMALL_REST * now.left) and not teaches
    )


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do with a running audit: ask people on, or end it and issue what is proven.

    An audit goes on while it may still prove a larger set with fewer answers than people would need to label the items
    that the set adds. `advise` compares the sets.

    proof : the largest set that is proven; None if there is none.
    left : the answers after which it is expected to end; 0 if it ends now, with a certificate of `proof`, or without
        one if `proof` is None.
    """

    proof: Proof | None
    left: float


def advise(plan: Plan, ranks: np.ndarray, wrong: np.ndarray, *, price: Price = alone) -> Advice:
    """Return whether to go on with an audit: while some larger set costs fewer answers than people's labels for it.

    A set costs the answers until its proof (`answers_left`), and those for the items outside.

    ranks, wrong : as in `proof.prove`.
    price : as in `outlook`.
    """
    proof = prove(plan, ranks, wrong)
    strata = plan.strata(ranks)
    free = plan.sizes - np.bincount(strata, minlength=len(plan.sizes))
    outside = np.cumsum((free * by_hand(plan, price))[::-1])[::-1]
    free, outside = np.cumsum(free), np.append(outside, 0.0)
    now = float(outside[proof.last + 1 if proof else 0])
    proven = proof.last if proof else -1
    best, left, before = now, 0.0, 0.0
    for last in range(max(proven, plan.first), len(plan.sizes)):
        answers = max(before, answers_left(plan, last, ranks, wrong))
        if answers >= free[-1]:
            break
        cost = answers + float(outside[last + 1]) * (1 - answers / free[-1])
        # Without answers left and without a proof, the set has become too small for a claim.
        if last > proven and answers and cost < best:
            best, left = cost, max(answers, 1.0)
        before = max(before, answers_left(plan, last, ranks, wrong, to_go_on=True))
    return Advice(proof, left)


def draws(left: float, batch_size: int) -> int:
    """Return how many draws the next batch asks, if an audit is expected to end after `left` answers.

    Fewer than are left: half of all audits end sooner than expected, and each answer more takes the place of a
    certified label. The batch's other tasks are picked for training.

    >>> draws(400, 100), draws(40, 100), draws(3, 100)
    (100, 20, 10)
    """
    return min(max(math.ceil(SHARE_OF_LEFT * left), LEAST_DRAWS), batch_size)
