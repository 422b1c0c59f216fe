"""Choose weights and stakes so that the evidence is expected to grow fast, from calibrated probabilities of errors.

Only the number of answers depends on them: a proof is valid with all weights and stakes. Doubtful labels get larger
weights, because their answers tell more: with a calibrated model, a proof then takes 10 to 40 % fewer answers. Several
bets are made side by side, because a model is often far better than calibration can tell from few control items.
"""

import numpy as np

HALVINGS = 50
LEVELS = np.geomspace(1e-6, 10, 60)
MOST_LOG_RATIO = 30.0
LEAST_STAKE = 1 + 1e-6
BETWEEN = np.linspace(0, 1, 9)

MOMENTS, STEPS, LAST = 16, 8, 0.95
"""`expected_draws` looks at so many moments, the last one when this share of labels is drawn, and sums the evidence up
to each in so many steps."""
MOST_EXPECTED = 0.85
"""The largest expected number of wrong labels, as a share of the number that is to be refuted: no bet wins if as many
are expected as are to be refuted."""


def plausible(expected: np.ndarray, sizes: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Return expected shares of wrong labels (..., G) within [1e-6, 0.9], lowered to `MOST_EXPECTED` of `most` + 1."""
    total = np.maximum((sizes * expected).sum(axis=-1), 1e-12)
    factor = np.minimum(1, MOST_EXPECTED * (most + 1) / total)
    return np.clip(expected * factor[..., None], 1e-6, 0.9)


def choose_stakes(chances: np.ndarray, expected: np.ndarray, sizes: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Return the stakes (..., G) of the fastest growth.

    Setting the derivative of `growth` to 0 gives y r² - (y + 1) r + 1 - p = 0 with y = 1 / (D q) for a label with the
    chance q and the expected error p, where D = S - R: a search by halves finds D.

    chances : (..., G) the chance of each label of a stratum to be the first one drawn.
    expected : (..., G) the expected share of wrong labels, as from `plausible`.
    sizes : (..., G) the labels of each stratum that belong to the set; 0 for strata outside.
    most : (...) the largest number of wrong labels that is to be proven.
    """
    n = sizes.sum(axis=-1)
    low, high = np.log(n * 1e-6), np.log(n * 1e6)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        stakes = _stakes(np.exp(middle), chances, expected)
        more = (sizes * stakes).sum(axis=-1) - (most + 1) > np.exp(middle)
        low, high = np.where(more, middle, low), np.where(more, high, middle)
    return np.maximum(_stakes(np.exp(high), chances, expected), LEAST_STAKE)


def _stakes(rest: np.ndarray, chances: np.ndarray, expected: np.ndarray) -> np.ndarray:
    y = 1 / (rest[..., None] * chances)
    return (y + 1 + np.sqrt((y + 1) ** 2 - 4 * y * (1 - expected))) / (2 * y)


def growth(
    chances: np.ndarray, stakes: np.ndarray, expected: np.ndarray, sizes: np.ndarray, most: np.ndarray
) -> np.ndarray:
    """Return the expected logarithm (...) of the factor by which the first draw multiplies the evidence."""
    rest = (sizes * stakes).sum(axis=-1) - (most + 1)
    gain = (1 - expected) * np.log(stakes) + expected * np.log(stakes - 1) - np.log(chances * rest[..., None])
    return np.where(sizes > 0, sizes * chances * gain, 0).sum(axis=-1)


def choose_weights(expected: np.ndarray, sizes: np.ndarray, most: int) -> np.ndarray:
    """Return the weights (G,) that lose least for the set of all strata, 1 on average over its labels.

    Each bet has its own weights of the fastest growth. Weights between those of the first and of the last bet are
    tried. For each bet their growth is a part of the fastest one: the weights whose smallest part is largest are taken.

    expected : (bets, G) the expected share of wrong labels by bet.
    """
    p = plausible(expected, sizes, np.full(len(expected), most))
    fastest = np.array([_fastest_weights(each, sizes, most) for each in p])
    between = np.exp(np.log(fastest[0]) + BETWEEN[:, None] * np.log(fastest[-1] / fastest[0]))
    worst = (_rates(between, p, sizes, most) / np.diag(_rates(fastest, p, sizes, most))).min(axis=1)
    weights = between[np.argmax(worst)]
    return weights * sizes.sum() / (sizes @ weights)


def _rates(weights: np.ndarray, expected: np.ndarray, sizes: np.ndarray, most: int) -> np.ndarray:
    """Return the growth (choices, bets) with each choice of weights (choices, G) for each bet's shares (bets, G)."""
    chances, bound = (weights / (weights @ sizes)[:, None])[:, None], np.array(most)
    return growth(chances, choose_stakes(chances, expected, sizes, bound), expected, sizes, bound)


def _fastest_weights(p: np.ndarray, sizes: np.ndarray, most: int) -> np.ndarray:
    """Return the weights (G,) of the fastest growth for the set of all strata, if these shares are wrong.

    `growth` is concave in chances and stakes. At its maximum the chances are proportional to r^(1 - p) (r - 1)^p, and
    s = r / (r - 1) solves (1 - p + p s) / s^p = C for a C > 1 that all labels share: a search by halves finds s for
    each of many C, and the best C is taken.
    """
    low, high = np.zeros((len(LEVELS), len(sizes))), np.full((len(LEVELS), len(sizes)), MOST_LOG_RATIO)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        below = np.log(1 - p + p * np.exp(middle)) - p * middle < np.log1p(LEVELS)[:, None]
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    stakes = np.maximum(1 / -np.expm1(-high), LEAST_STAKE)
    chances = stakes ** (1 - p) * (stakes - 1) ** p
    chances /= (sizes * chances).sum(axis=1, keepdims=True)
    wins = (sizes * stakes).sum(axis=1) > most + 1
    with np.errstate(invalid="ignore"):
        speed = np.where(wins, growth(chances, stakes, p, sizes, np.array(most)), -np.inf)
    return chances[np.argmax(speed)] * sizes.sum()


def expected_draws(
    weights: np.ndarray,
    stakes: np.ndarray,
    expected: np.ndarray,
    sizes: np.ndarray,
    *,
    most: np.ndarray,
    share: float,
    goal: float,
) -> np.ndarray:
    """Return the draws (sets,) after which the evidence for each set is expected to reach `goal`; inf if it never does.

    Draws are without replacement, in continuous time: a label with the weight w is still there at time t with the
    probability e^(-w t), and the evidence grows at its expected rate. In small pools it grows faster and faster, since
    each right answer leaves fewer labels among which the wrong ones could be.

    weights, expected : (G,) of the labels of each stratum. Set j consists of the strata 0 to j.
    stakes : (sets, G), sets = G.
    sizes : (G,) the labels of each stratum.
    most : (sets,) the largest number of wrong labels that is to be proven, before any label is drawn.
    share : how much smaller `most` becomes with each draw. The wrong labels among the draws are added to it.
    goal : as a logarithm.
    """
    members = np.tril(np.ones((len(sizes), len(sizes)))) * sizes
    ends = -np.log1p(-LAST * np.linspace(0, 1, MOMENTS + 1) ** 2)
    times = (ends[1:, None] * (np.arange(STEPS) + 0.5) / STEPS).ravel()
    left, at_end = np.exp(-weights[:, None] * times), np.exp(-weights[:, None] * ends)
    weights_left = np.cumsum((sizes * weights)[:, None] * left, axis=0)
    found = np.cumsum((sizes * expected)[:, None] * (1 - left), axis=0)
    asked = np.cumsum(sizes[:, None] * (1 - at_end), axis=0)
    wrong = np.cumsum((sizes * expected)[:, None] * (1 - at_end), axis=0)
    refuted = (np.maximum(most[:, None] - share * asked, 0) + 1 + wrong)[:, 1:]
    gains = (1 - expected) * np.log(stakes) + expected * np.log(stakes - 1) - np.log(weights)
    gains = np.where(members > 0, gains, 0)
    rest = np.maximum((members * stakes) @ left - np.repeat(refuted, STEPS, axis=1) + found, 1e-9)
    rates = (members * weights * gains) @ left + weights_left * (np.log(weights_left) - np.log(rest))
    evidence = rates.reshape(len(sizes), MOMENTS, STEPS).mean(axis=2) * ends[1:]
    evidence = np.pad(evidence, ((0, 0), (1, 0)))
    after = np.argmax(evidence >= goal, axis=1)
    sets, before = np.arange(len(sizes)), np.maximum(after - 1, 0)
    low, high = evidence[sets, before], evidence[sets, after]
    part = (goal - low) / np.maximum(high - low, 1e-12)
    draws = asked[-1, before] + (asked[-1, after] - asked[-1, before]) * part
    return np.where(after > 0, draws, np.inf)
