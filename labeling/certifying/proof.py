"""Find the largest set of labels that an audit's answers prove."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labeling.certifying.evidence import log_evidence, mixed
from labeling.certifying.people import most_wrong
from labeling.certifying.plan import SHARES, Plan


@dataclass(frozen=True, slots=True)
class Proof:
    """A set of labels, and what its audit proves.

    last : the set's last stratum.
    labels : the set's labels that no person was asked about: the certified ones.
    most_wrong : the largest number of wrong labels among them, at the plan's confidence.
    asked, found : the set's labels that people were asked about, and that they found wrong.
    evidence : the largest evidence against more wrong labels, as a logarithm.
    """

    last: int
    labels: int
    most_wrong: int
    asked: int
    found: int
    evidence: float

    @property
    def error(self) -> float:
        """The largest share of wrong labels among the certified ones."""
        return self.most_wrong / max(self.labels, 1)


def prove(plan: Plan, ranks: np.ndarray, wrong: np.ndarray) -> Proof | None:
    """Return the largest set that the answers so far prove; None if they prove none.

    May be called after every answer, and as often as wished. The sets are tried from `plan.first` on, each at the full
    risk; a larger one only if at most `plan.least` wrong labels are proven for the one before (fixed-sequence testing;
    Angelopoulos et al., arXiv 2110.01052).

    Parameters
    ----------
    ranks : (n,) int, the first n candidates of `plan.order`.
    wrong : (n,) bool, whether people found the label wrong. An item that they could not answer counts as wrong. Leave
        out answers from the first one on that is missing or not settled.
    """
    best = None
    strata = plan.strata(ranks)
    for last in range(plan.first, len(plan.sizes)):
        inside = strata <= last
        asked, found = int(inside.sum()), int(wrong[inside].sum())
        labels = int(plan.ends[last]) - asked
        seen, least = plan.most(labels), int(plan.least[last])
        evidence = {
            most: float(evidence_for(plan, last, strata[inside], wrong[inside], most).max())
            for most in {seen + found, least}
        }
        if labels and seen >= 0 and seen + found >= least and evidence[seen + found] >= plan.threshold:
            most = most_wrong(seen, plan.missed, plan.unseen_risk)
            best = Proof(last, labels, most, asked, found, evidence[seen + found])
        if least < 0 or evidence[least] < plan.threshold:
            break
    return best


def evidence_for(plan: Plan, last: int, strata: np.ndarray, wrong: np.ndarray, most: int) -> np.ndarray:
    """Return the logarithm of the evidence, after each answer, against "people would find more than `most` labels wrong
    in the set that ends with the stratum `last`". The answers are those about the set.
    """
    part = slice(last + 1)
    paths = [
        log_evidence(
            strata, wrong, sizes=plan.sizes[part], weights=plan.weights[part], stakes=stakes[last, part], most=most
        )
        for stakes in plan.stakes
    ]
    return mixed(np.array(paths), SHARES)
