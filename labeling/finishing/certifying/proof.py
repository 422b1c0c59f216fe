"""Find the largest set of labels that an audit's answers prove.

Evidence against "more than m labels of this set are wrong" is a product of bets, one for each label that is drawn
without replacement. If the statement is true, it grows beyond 1/α at any time with a probability of at most α (Ville's
inequality), so that it may be looked at after every answer (Waudby-Smith and Ramdas, arXiv 2010.09686).
"""

from dataclasses import dataclass

import numpy as np

from labeling.finishing.certifying.people import most_wrong
from labeling.finishing.certifying.plan import Plan


@dataclass(frozen=True, slots=True)
class Proof:
    """A set of labels, and what its audit proves.

    last : the set's last stratum.
    labels : the set's labels that no person was asked about: the certified ones.
    most_wrong : the largest number of wrong labels among them, at the plan's confidence.
    asked, found : the set's labels that people were asked about, and that they found wrong, about any class.
    evidence : the largest evidence against more wrong labels, as a logarithm; of several classes, of the least proven.
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

    ranks : (n,) int, the first n candidates of `plan.order`.
    wrong : (n,) bool, whether people found the label wrong. An item that they could not answer counts as wrong. Leave
        out answers from the first one on that is missing or not settled. (n, k) for a bound for each of k classes:
        whether they found it wrong about the class. A set is proven if it is for each class, each at the full risk.
    """
    best = None
    strata = plan.strata(ranks)
    columns = wrong[:, None] if wrong.ndim == 1 else wrong
    for last in range(plan.first, len(plan.sizes)):
        inside = strata <= last
        asked, found = int(inside.sum()), int(columns[inside].any(axis=1).sum())
        labels = int(plan.ends[last]) - asked
        seen, least = plan.most(labels), int(plan.least[last])
        claimed, to_go_on = [], []
        for column in columns[inside].T:
            most = seen + int(column.sum())
            evidence = {
                each: float(evidence_for(plan, last, strata[inside], column, each).max()) for each in {most, least}
            }
            claimed.append(evidence[most] if most >= least else -np.inf)
            to_go_on.append(evidence[least])
        if labels and seen >= 0 and min(claimed) >= plan.threshold:
            best = Proof(last, labels, most_wrong(seen, plan.missed, plan.unseen_risk), asked, found, min(claimed))
        if least < 0 or min(to_go_on) < plan.threshold:
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
    return mixed(np.array(paths), np.array(plan.shares))


def log_evidence(
    strata: np.ndarray, wrong: np.ndarray, *, sizes: np.ndarray, weights: np.ndarray, stakes: np.ndarray, most: int
) -> np.ndarray:
    """Return the logarithm of the evidence after each draw against "more than `most` labels are wrong".

    Each draw takes one of the remaining labels with a probability proportional to the weight of its stratum. A label
    in stratum g has the stake r_g. With W and S, the sums of the remaining labels' weights and stakes, and R, the wrong
    labels that remain if `most` + 1 were wrong, a draw of weight w multiplies the evidence by

        W (r - wrong) / (w (S - R)).

    Its expectation is (S - true R) / (S - R): at most 1 if the statement is true, for all weights and stakes.

    strata : (n,) int, the strata of the drawn labels, in the order of the draws.
    wrong : (n,) bool, whether the label is wrong.
    sizes : (G,) int, the labels of each stratum.
    weights : (G,) float, positive.
    stakes : (G,) float, above 1: the lower, the more an error costs.

    Returns (n + 1,) float, starting with 0; inf from the draw on that leaves fewer labels than are claimed wrong.
    """
    claimed = most + 1 - np.concatenate([[0], np.cumsum(wrong)])
    left = int(sizes.sum()) - np.arange(len(strata) + 1)
    weight, stake = weights[strata], stakes[strata]
    # Rounding of the sums must not bring them below the label that is drawn next.
    weights_left = np.maximum(sizes @ weights - _before(weight), weight)
    stakes_left = np.maximum(sizes @ stakes - _before(stake), left[:-1])
    with np.errstate(divide="ignore", invalid="ignore"):
        gains = np.log(weights_left / weight * (stake - wrong)) - np.log(stakes_left - claimed[:-1])
    path = np.concatenate([[0.0], np.cumsum(gains)])
    path[np.logical_or.accumulate(claimed > left)] = np.inf
    return path


def _before(values: np.ndarray) -> np.ndarray:
    return np.cumsum(values) - values


def mixed(paths: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return the logarithm of the mean evidence (n,) of bets made side by side: `paths` (bets, n), and their shares."""
    return np.logaddexp.reduce(paths + np.log(shares)[:, None], axis=0)
