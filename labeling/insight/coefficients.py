"""Coefficients of agreement beyond chance, each as sums over items for `bootstrap`. Arrays in, values out."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from labeling.insight.bootstrap import Results, Statistic, Votes


def overall(votes: Votes) -> Statistic:
    """Return the percent agreement of pairs of answers, Fleiss' κ, and Krippendorff's α for nominal data.

    J. L. Fleiss, "Measuring nominal scale agreement among many raters", Psychological Bulletin 76 (1971): if items have
    different numbers of answers, the observed agreement is the mean over items, and the expected agreement comes from
    all answers. K. Krippendorff, "Computing Krippendorff's alpha-reliability" (2011), from the coincidence matrix.
    """
    m, counts = votes.by_item()
    units = np.full(len(m), votes.classes if votes.per_class else 1.0)
    if votes.per_class:
        yes = counts.sum(axis=1)
        both = counts.multiply(counts).sum(axis=1)
        same = units * m * (m - 1) - 2 * (m * yes - both)  # a class on which two people differ is missed in both orders
        counts = sparse.csr_array(np.column_stack([units * m - yes, yes]))
    else:
        same = counts.multiply(counts).sum(axis=1) - m
    pairs = m * (m - 1)
    sums = np.column_stack([units * pairs, same, units, same / pairs, same / (m - 1), units * m])
    k = sums.shape[1]

    def values(totals: np.ndarray) -> Results:
        pairs, same, units, mean, coincidences, answers = totals[:, :k].T
        classes = totals[:, k:]
        chance = (classes**2).sum(axis=1) / answers**2
        expected = (classes * (classes - 1)).sum(axis=1) / (answers * (answers - 1))
        agreement = [same / pairs, beyond(mean / units, chance), beyond(coincidences / answers, expected)]
        return np.column_stack(agreement), np.column_stack([np.ones(len(chance)), 1 - chance, 1 - expected])

    return Statistic(sparse.csr_array(sparse.hstack([sparse.csr_array(sums), counts])), values, np.full(3, votes.items))


def beyond(observed: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Return the agreement beyond chance: 1 if complete, 0 if it is that by chance; nan if chance agreement is 1."""
    left = 1 - chance
    return np.divide(observed - chance, left, out=np.full(np.shape(left), np.nan), where=left > 1e-12)


def ordinal(votes: Votes) -> Statistic:
    """Return Krippendorff's α for ordinal data: two points differ by the number of answers between them."""
    m, counts = votes.by_item()
    n, k = counts.shape
    dense = counts.toarray()
    pairs = dense[:, :, None] * dense[:, None, :] - np.eye(k) * dense[:, :, None]
    columns = sparse.csr_array((pairs / (m - 1)[:, None, None]).reshape(n, k * k))

    def values(totals: np.ndarray) -> Results:
        coincidences = totals.reshape(-1, k, k)
        points = coincidences.sum(axis=2)
        up_to = points.cumsum(axis=1) - points / 2
        distance = (up_to[:, :, None] - up_to[:, None, :]) ** 2
        observed = (coincidences * distance).sum(axis=(1, 2))
        expected = (points[:, :, None] * points[:, None, :] * distance).sum(axis=(1, 2)) / (points.sum(axis=1) - 1)
        none = np.full(len(observed), np.nan)
        alpha = 1 - np.divide(observed, expected, out=none, where=expected > 0)[:, None]
        return alpha, np.full(alpha.shape, 0.5)  # it lies between -1 and 1

    return Statistic(columns, values, np.full(1, n))


def by_class(votes: Votes) -> Statistic:
    """Measure each class: the share of pairs of answers to an item that have it twice, of those whose first has it."""
    m, counts = votes.by_item()
    both = counts.multiply(counts) - counts
    items = (counts > 0).sum(axis=0)
    pairs = counts.multiply((m - 1)[:, None])
    k = votes.classes

    def values(totals: np.ndarray) -> Results:
        same, of = totals[:, :k], totals[:, k:]
        return np.divide(same, of, out=np.full(same.shape, np.nan), where=of > 0), np.ones(same.shape)

    return Statistic(sparse.csr_array(sparse.hstack([both, pairs])), values, items)


def confusions(votes: Votes) -> sparse.coo_array:
    """Return on how many items both classes were chosen, by different people: (classes, classes), upper half."""
    _, counts = votes.by_item()
    some = (counts > 0).astype(int)
    return sparse.triu(some.T @ some, k=1).tocoo()


def divided(votes: Votes) -> np.ndarray:
    """Return the number of items (classes,) on which one person chose the class and another person did not."""
    m, counts = votes.by_item()
    entries = counts.tocoo()
    return np.bincount(entries.col[entries.data < m[entries.row]], minlength=votes.classes)


@dataclass(frozen=True, slots=True)
class RaterPairs:
    """Pairs of raters that answered the same items.

    people (p, 2): pairs of raters, the lower first; items, differing (p,): the number of items that both answered, and
    on how many of these they differ; measured (q,): places of the pairs with enough items; statistic: the percent
    agreement of each measured pair, then Cohen's κ of each, then the mean κ.
    """

    people: np.ndarray
    items: np.ndarray
    differing: np.ndarray
    measured: np.ndarray
    statistic: Statistic


def pairs(votes: Votes, least: int) -> RaterPairs:
    """Return Cohen's κ of each pair of people with at least `least` items in common.

    J. Cohen, "A coefficient of agreement for nominal scales" (1960); the mean over pairs is R. J. Light's κ (1971).
    """
    left, right = _meetings(votes.item)
    a, b = np.minimum(votes.rater[left], votes.rater[right]), np.maximum(votes.rater[left], votes.rater[right])
    left, right = np.where(votes.rater[left] == a, left, right), np.where(votes.rater[left] == a, right, left)
    people, of = np.unique(np.column_stack([a, b]), axis=0, return_inverse=True)
    of = of.reshape(-1)
    items = np.bincount(of, minlength=len(people))
    missed = np.abs(votes.chosen[left] - votes.chosen[right]).sum(axis=1)
    differing = np.bincount(of[missed > 0], minlength=len(people))
    enough = np.flatnonzero(items >= least)
    place = np.full(len(people), -1)
    place[enough] = np.arange(len(enough))
    kept = np.flatnonzero(place[of] >= 0)
    statistic = _cohen(votes, left[kept], right[kept], place[of][kept], missed[kept], items[enough])
    return RaterPairs(people, items, differing, enough, statistic)


def _meetings(item: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return all pairs of answers to the same item: their places (n,) and (n,) in `item`."""
    order = np.argsort(item, kind="stable")
    sizes = np.bincount(item)
    starts = np.cumsum(sizes) - sizes
    lefts, rights = [np.zeros(0, int)], [np.zeros(0, int)]
    for size in np.unique(sizes[sizes > 1]):
        places = order[starts[sizes == size][:, None] + np.arange(size)]
        one, other = np.triu_indices(size, 1)
        lefts.append(places[:, one].ravel())
        rights.append(places[:, other].ravel())
    return np.concatenate(lefts), np.concatenate(rights)


def _cohen(
    votes: Votes, left: np.ndarray, right: np.ndarray, of: np.ndarray, missed: np.ndarray, items: np.ndarray
) -> Statistic:
    """Return the statistic of the measured pairs, from sums over items of decisions, differing decisions, and each
    side's answers by class, whose products give the chance agreement.
    """
    n = len(items)
    units = votes.classes if votes.per_class else 1
    differ = missed if votes.per_class else missed > 0
    item = votes.item[left]
    sums = sparse.coo_array(
        (
            np.concatenate([np.full(len(of), float(units)), differ.astype(float)]),
            (np.concatenate([item, item]), np.concatenate([of, n + of])),
        ),
        shape=(votes.items, 2 * n),
    )
    sides = [_answers_of_pairs(votes, places, of) for places in (left, right)]
    keys = np.unique(np.concatenate([key for _, key, _ in sides]))
    k = len(keys)
    halves = [
        sparse.coo_array((amount, (row, np.searchsorted(keys, key))), shape=(votes.items, k))
        for row, key, amount in sides
    ]
    values_of_key = 2 if votes.per_class else votes.classes
    pair_of = sparse.csr_array((np.ones(k), (np.arange(k), keys // values_of_key)), shape=(k, n))

    def values(totals: np.ndarray) -> Results:
        decisions, differing = totals[:, :n], totals[:, n : 2 * n]
        products = totals[:, 2 * n : 2 * n + k] * totals[:, 2 * n + k :]
        none = np.full(decisions.shape, np.nan)
        same = 1 - np.divide(differing, decisions, out=none.copy(), where=decisions > 0)
        chance = np.divide((pair_of.T @ products.T).T, decisions**2, out=none.copy(), where=decisions > 0)
        kappas = beyond(same, chance)
        known = ~np.isnan(kappas)
        mean = np.divide(
            np.where(known, kappas, 0).sum(axis=1), known.sum(axis=1), out=np.full(len(totals), np.nan),
            where=known.any(axis=1),
        )  # fmt: skip
        left = (1 - chance).mean(axis=1) if n else np.ones(len(totals))
        return np.column_stack([same, kappas, mean]), np.column_stack([np.ones(same.shape), 1 - chance, left])

    return Statistic(
        sparse.csr_array(sparse.hstack([sums, *halves])), values, np.concatenate([items, items, [items.sum()]])
    )


def _answers_of_pairs(votes: Votes, places: np.ndarray, of: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return one side of each pair: items, keys of (pair, answer), counts. With `per_class`, answers are no and yes."""
    chosen = votes.chosen[places].tocoo()
    if not votes.per_class:
        return votes.item[places][chosen.row], of[chosen.row] * votes.classes + chosen.col, chosen.data
    yes = np.bincount(chosen.row, minlength=len(places)).astype(float)
    item = votes.item[places]
    return np.tile(item, 2), np.concatenate([2 * of, 2 * of + 1]), np.concatenate([votes.classes - yes, yes])
