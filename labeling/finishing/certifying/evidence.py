"""Evidence against "more than m labels of this set are wrong", from labels drawn one by one without replacement.

The evidence is a product of bets, one a draw. If the statement is true, it grows beyond 1/α at any time with a
probability of at most α (Ville's inequality), so that it may be looked at after every answer (Waudby-Smith and Ramdas,
arXiv 2010.09686).
"""

from __future__ import annotations

import numpy as np


def log_evidence(
    strata: np.ndarray, wrong: np.ndarray, *, sizes: np.ndarray, weights: np.ndarray, stakes: np.ndarray, most: int
) -> np.ndarray:
    """Return the logarithm of the evidence after each draw against "more than `most` labels are wrong".

    Each draw takes one of the remaining labels with a probability proportional to the weight of its stratum. A label
    in stratum g has the stake r_g. With W and S, the sums of the remaining labels' weights and stakes, and R, the wrong
    labels that remain if `most` + 1 were wrong, a draw of weight w multiplies the evidence by

        W (r - wrong) / (w (S - R)).

    Its expectation is (S - true R) / (S - R): at most 1 if the statement is true, for all weights and stakes.

    Parameters
    ----------
    strata : (n,) int, the strata of the drawn labels, in the order of the draws.
    wrong : (n,) bool, whether the label is wrong.
    sizes : (G,) int, the labels of each stratum.
    weights : (G,) float, positive.
    stakes : (G,) float, above 1: the lower, the more an error costs.
    most : int

    Returns
    -------
    (n + 1,) float, starting with 0. inf from the draw on that leaves fewer labels than the statement claims wrong ones.
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
