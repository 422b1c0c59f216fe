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

from labeling.certifying.forecast import answers_left, cheapest
from labeling.certifying.plan import Plan
from labeling.certifying.proof import Proof, prove

WINDOW = 3
"""The number of latest batches that tell what a batch teaches."""
SMALL_REST = 0.1
SHARE_OF_LEFT = 0.5
LEAST_DRAWS = 10


@dataclass(frozen=True, slots=True)
class Outlook:
    """What finishing takes with one model version, in answers.

    spent : people's answers so far.
    audit : the audits' answers.
    rest : what the items cost that neither an audit nor a certificate covers.
    certified : labels that are expected to be certified; 0 if no audit pays.
    batch : a further batch.
    later : all answers that are left, if people first label this batch, and it teaches the model nothing.
    """

    spent: float
    audit: float
    rest: float
    certified: float
    batch: float
    later: float

    @property
    def left(self) -> float:
        """Return all answers that are left, if audits begin now."""
        return self.audit + self.rest


def outlook(plans: Sequence[Plan], *, n_left: int, spent: float, batch_size: int, price: float = 1.0) -> Outlook:
    """Return what finishing takes, if the cheapest option of each plan is audited and people label the rest.

    plans : of the whole pool, or one for each class.
    n_left : the items without a label, candidates of the plans or not.
    spent : people's answers so far.
    price : the answers that an item of a batch or of the rest takes: above 1 with overlap, below 1 in grids.
    """
    audit, covered = _covered(plans, price)
    share = min(batch_size / max(sum(int(plan.ends[-1]) for plan in plans), 1), 1)
    audit_later, covered_later = _covered([_without_doubtful(plan, share) for plan in plans], price)
    batch = price * min(batch_size, n_left)
    later = batch + audit_later + price * max(n_left - batch_size - covered_later, 0)
    return Outlook(spent, audit, price * max(n_left - covered, 0), covered - audit, batch, later)


def _covered(plans: Sequence[Plan], price: float) -> tuple[float, float]:
    """Return the answers of the cheapest audits, and the items that they cover."""
    chosen = [option for plan in plans if (option := cheapest(plan, int(plan.ends[-1]), price)) is not None]
    return sum(option.answers for option in chosen), sum(max(option.labels, option.answers) for option in chosen)


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
      median, and no less than 0). Both forecasts of a version have the same errors of calibration, which cancel.

    It begins, too, if batches teach nothing, and the rest is no more than a batch or a tenth of all that is left.

    Parameters
    ----------
    outlooks : one for each version since the last audit ended, or since the project began, the newest last.
    """
    if not outlooks or not outlooks[-1].certified:
        return False
    taught = [
        before.spent + before.later - after.spent - after.left for before, after in pairwise(outlooks[-WINDOW - 1 :])
    ]
    teaches = max(median(taught), 0) if taught else math.inf
    now = outlooks[-1]
    return now.left < max(now.batch, now.later - teaches) or (
        now.rest <= max(now.batch, SMALL_REST * now.left) and not teaches
    )


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do with a running audit.

    proof : the largest set that is proven; None if there is none.
    left : the answers after which it is expected to end; 0 if it ends now, with a certificate of `proof`, or without
        one if `proof` is None.
    """

    proof: Proof | None
    left: float


def advise(plan: Plan, ranks: np.ndarray, wrong: np.ndarray, *, price: float = 1.0) -> Advice:
    """Return whether to go on with an audit: while some larger set costs fewer answers than people's labels for it.

    A set costs the answers until its proof (`answers_left`), and those for the items outside.

    ranks, wrong : as in `proof.prove`.
    price : as in `outlook`.
    """
    proof = prove(plan, ranks, wrong)
    strata = plan.strata(ranks)
    free = plan.ends - np.cumsum(np.bincount(strata, minlength=len(plan.sizes)))
    now = price * (free[-1] - (proof.labels if proof else 0))
    proven = proof.last if proof else -1
    best, left, before = now, 0.0, 0.0
    for last in range(max(proven, plan.first), len(plan.sizes)):
        answers = max(before, answers_left(plan, last, ranks, wrong))
        if answers >= free[-1]:
            break
        cost = answers + price * (free[-1] - free[last]) * (1 - answers / free[-1])
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
