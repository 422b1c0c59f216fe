"""Membership inference: an attack that guesses which records a model was trained on.

The attack of Yeom et al. 2018 (1709.01604): records that a model has seen have a smaller loss. It is simple, and finds
out a network that memorised its records. It bounds the leak from below; epsilon bounds it from above.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from models_store.privacy.accounting import best_guess

Z95 = 1.959963984540054


def attack(members: NDArray[np.float64], others: NDArray[np.float64]) -> dict[str, Any]:
    """Measure how well losses tell (m,) members from (n,) others.

    `auc`: the chance that a member has the smaller loss (0.5: no better than a coin), with its 95 % interval (DeLong et
    al. 1988). `advantage`: true minus false positives at a threshold that was chosen on the other half of both groups,
    with the interval of two independent shares.
    """
    auc, error = _auc(-members, -others)
    chosen = _threshold(members[::2], others[::2])
    hits, alarms = members[1::2] <= chosen, others[1::2] <= chosen
    advantage = float(hits.mean() - alarms.mean())
    wide = Z95 * math.sqrt(hits.var() / len(hits) + alarms.var() / len(alarms))
    return {
        "members": len(members),
        "others": len(others),
        "auc": auc,
        "auc_interval": [max(0.0, auc - Z95 * error), min(1.0, auc + Z95 * error)],
        "advantage": advantage,
        "advantage_interval": [max(-1.0, advantage - wide), min(1.0, advantage + wide)],
    }


def most_advantage(epsilon: float, delta: float) -> float:
    """Return the largest advantage of any attack at this epsilon and delta."""
    return 2 * best_guess(epsilon, delta) - 1


def _auc(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> tuple[float, float]:
    """Return the area under the ROC curve of scores, ties counted half, and its standard error."""
    m, n = len(positive), len(negative)
    ranks = stats.rankdata(np.concatenate([positive, negative]))
    above = (ranks[:m] - stats.rankdata(positive)) / n
    below = 1 - (ranks[m:] - stats.rankdata(negative)) / m
    return float(above.mean()), math.sqrt(above.var(ddof=1) / m + below.var(ddof=1) / n)


def _threshold(members: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """Return the loss threshold that best separates members from others."""
    losses = np.concatenate([members, others])
    order = np.argsort(losses, kind="stable")
    gain = np.concatenate([np.full(len(members), 1 / len(members)), np.full(len(others), -1 / len(others))])[order]
    return float(losses[order][np.argmax(np.cumsum(gain))])
