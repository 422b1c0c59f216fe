"""Average-linkage merges that a list of near neighbours proves to be right.

A cluster is its mean and its spread, half the mean squared distance of its items from that mean. Half the average
squared distance of two clusters is then |mean a - mean b|²/2 + spread a + spread b, exactly.

Each cluster has a list of near clusters, and a radius: all clusters outside the list are at least so far away. Average
linkage is reducible (two merged clusters are no nearer to a third than the nearer of them was), so that stays true
while others merge. Two merged clusters have a radius, too: no cluster outside both lists is nearer than the mean of
their radii, weighted by their items. Two clusters that are nearest to each other, within both radii, are merged: exact
average linkage would merge them, too. A cluster without any cluster left within its radius waits for new lists.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from selector.compiled import compiled
from selector.neighbours import gap, half_square

FREE, ON_CHAIN, WAITING = 0, 1, 2


class Clusters(NamedTuple):
    """Clusters, one in each slot, with their lists of near clusters. All arrays are changed in place.

    points (m, d), spread, sizes and heights (m,): mean, spread, number of items and height of the last merge.
    ids, gaps (m, k): names of near clusters, nearest first, and their distances; -1 and infinity fill short lists.
    radius (m,): the least distance of all clusters outside the list.
    names (m,): the cluster in the slot: below m as given, m + i for the cluster of merge i, -1 if it is gone.
    slots (2m,): the slot of each name. parents (2m,): the cluster that each name has merged into, or its own name.
    states (m,): FREE, ON_CHAIN or WAITING.
    """

    points: NDArray[np.float32]
    spread: NDArray[np.float64]
    sizes: NDArray[np.float64]
    heights: NDArray[np.float64]
    ids: NDArray[np.int32]
    gaps: NDArray[np.float32]
    radius: NDArray[np.float32]
    names: NDArray[np.int32]
    slots: NDArray[np.int32]
    parents: NDArray[np.int32]
    states: NDArray[np.uint8]


def clusters_of(
    points: NDArray[np.float32],
    spread: NDArray[np.float64],
    sizes: NDArray[np.float64],
    heights: NDArray[np.float64],
    ids: NDArray[np.int32],
    gaps: NDArray[np.float32],
) -> Clusters:
    """Return the clusters with fresh lists, as `neighbours.nearest_neighbours` makes them."""
    m, k = ids.shape
    radius = np.full(m, np.inf, np.float32) if k >= m - 1 else gaps[:, -1].copy()
    names, slots, parents = (np.arange(length, dtype=np.int32) for length in (m, 2 * m, 2 * m))
    states = np.zeros(m, np.uint8)
    return Clusters(points, spread, sizes, heights, ids, gaps, radius, names, slots, parents, states)


@compiled
def merge_known(clusters: Clusters, merges: NDArray[np.int32], heights: NDArray[np.float64]) -> int:
    """Make all merges that the lists prove right; return their number, at least one if m > 1.

    It follows nearest-neighbour chains: from each cluster to its nearest cluster, each step shorter than the last,
    until two clusters are nearest to each other. Takes about 2m visits of a list.

    Parameters
    ----------
    clusters : Clusters
        Changed in place.
    merges : ndarray of shape (m - 1, 2)
        Filled with the names of the merged clusters.
    heights : ndarray of shape (m - 1,)
        Filled with half the average squared distances.
    """
    m = len(clusters.names)
    chain = np.empty(m, np.int32)  # slots
    steps = np.empty(m, np.float32)  # steps[i] is the gap of chain[i] and chain[i + 1]
    todo = np.empty(2 * m, np.int32)
    todo[:m] = np.arange(m)[::-1]
    waiting = m
    made = length = 0
    while waiting > 0 or length > 0:
        if length == 0:
            waiting -= 1
            start = todo[waiting]
            if clusters.names[start] < 0 or clusters.states[start] != FREE:
                continue
            chain[0], length = start, 1
            clusters.states[start] = ON_CHAIN
        tip = chain[length - 1]
        _bring_up_to_date(clusters, tip)
        nearest, distance = clusters.ids[tip, 0], clusters.gaps[tip, 0]
        if length > 1 and steps[length - 2] <= distance:
            nearest, distance = clusters.names[chain[length - 2]], steps[length - 2]
        if nearest < 0 or distance > clusters.radius[tip]:
            length = _wait(clusters, chain, length)
            continue
        other = clusters.slots[nearest]
        if clusters.states[other] == FREE:
            steps[length - 1] = distance
            chain[length] = other
            clusters.states[other] = ON_CHAIN
            length += 1
            continue
        if clusters.states[other] == WAITING:
            if not _has_none_nearer(clusters, other, distance):
                length = _wait(clusters, chain, length)
                continue
            length -= 1
        else:
            # Mostly the one before. One further back did not know of the tip, which is nearer than whom it went to.
            while chain[length - 1] != other:
                length -= 1
                clusters.states[chain[length]] = FREE
            length -= 1
        clusters.states[tip] = FREE
        heights[made] = _merge(clusters, tip, other, distance, m + made, merges[made])
        made += 1
        todo[waiting] = tip
        waiting += 1
    return made


@compiled
def _wait(clusters: Clusters, chain: NDArray[np.int32], length: int) -> int:
    """Return a chain that ends at a waiting cluster waits, too."""
    for place in range(length):
        clusters.states[chain[place]] = WAITING
    return 0


@compiled
def _has_none_nearer(clusters: Clusters, slot: int, distance: np.float32) -> bool:
    """Return whether no other cluster is nearer to the cluster in `slot` than this distance."""
    _bring_up_to_date(clusters, slot)
    nearer: bool = distance <= min(clusters.gaps[slot, 0], clusters.radius[slot])
    return nearer


@compiled
def _merge(
    clusters: Clusters, slot: int, other: int, distance: np.float32, name: int, merged: NDArray[np.int32]
) -> float:
    """Merge the cluster in `other` into that in `slot`, under a new name; return the height."""
    # Average linkage never merges lower than before; neither rounding nor a neighbour overlooked may say otherwise.
    height: float = max(np.float64(distance), clusters.heights[slot], clusters.heights[other])
    size = clusters.sizes[slot] + clusters.sizes[other]
    share = clusters.sizes[other] / size
    for cluster, column in ((slot, 0), (other, 1)):
        merged[column] = clusters.names[cluster]
        clusters.parents[clusters.names[cluster]] = name
    between = np.float64(half_square(clusters.points, slot, other))
    clusters.spread[slot] += share * (clusters.spread[other] - clusters.spread[slot] + (1 - share) * between)
    clusters.radius[slot] = _between(clusters.radius[slot], clusters.radius[other], share)
    for column in range(clusters.points.shape[1]):
        step = clusters.points[other, column] - clusters.points[slot, column]
        clusters.points[slot, column] += np.float32(share) * step
    clusters.sizes[slot], clusters.heights[slot] = size, height
    clusters.names[other], clusters.names[slot], clusters.slots[name] = -1, name, slot
    _unite_lists(clusters, slot, other)
    return height


@compiled
def _between(one: float, other: float, share: float) -> float:
    """Return the mean of two numbers, either of which may be infinite."""
    return one if one == other else one * (1 - share) + other * share


@compiled
def _unite_lists(clusters: Clusters, slot: int, other: int) -> None:
    """Join the lists of two merged clusters; the radius shrinks to the nearest cluster for which there is no room."""
    k = clusters.ids.shape[1]
    ids = np.full(k, -1, np.int32)
    gaps = np.full(k, np.inf, np.float32)
    nearest_lost = np.float32(np.inf)
    for source in (slot, other):
        for place in range(k):
            if clusters.ids[source, place] < 0:
                break
            name = _now(clusters.parents, clusters.ids[source, place])
            if name == clusters.names[slot] or _holds(ids, name):
                continue
            distance = gap(clusters.points, clusters.spread, slot, clusters.slots[name])
            nearest_lost = min(nearest_lost, max(distance, gaps[k - 1]))
            if distance < gaps[k - 1]:
                _insert(ids, gaps, k - 1, name, distance)
    clusters.ids[slot] = ids
    clusters.gaps[slot] = gaps
    clusters.radius[slot] = min(clusters.radius[slot], nearest_lost)


@compiled
def _bring_up_to_date(clusters: Clusters, slot: int) -> None:
    """Replace merged clusters in the list by the clusters that they are part of, each once."""
    ids, gaps = clusters.ids[slot], clusters.gaps[slot]
    kept = 0
    for place in range(len(ids)):
        if ids[place] < 0:
            break
        name, distance = ids[place], gaps[place]
        if clusters.parents[name] != name:
            name = _now(clusters.parents, name)
            if _holds(ids[:kept], name) or _holds(ids[place + 1 :], name):
                continue
            distance = gap(clusters.points, clusters.spread, slot, clusters.slots[name])
        _insert(ids, gaps, kept, name, distance)
        kept += 1
    ids[kept:] = -1
    gaps[kept:] = np.inf


@compiled
def _insert(ids: NDArray[np.int32], gaps: NDArray[np.float32], last: int, name: int, distance: np.float32) -> None:
    """Insert a neighbour in order of distance among the first `last` of a list."""
    place = last
    while place > 0 and gaps[place - 1] > distance:
        gaps[place], ids[place] = gaps[place - 1], ids[place - 1]
        place -= 1
    gaps[place], ids[place] = distance, name


@compiled
def _holds(ids: NDArray[np.int32], name: int) -> bool:
    for known in ids:  # noqa: SIM110  numba compiles no any()
        if known == name:
            return True
    return False


@compiled
def _now(parents: NDArray[np.int32], name: int) -> int:
    """Return the name of the cluster that a cluster is part of now; shortens the way there (path halving)."""
    while parents[name] != name:
        parents[name] = parents[parents[name]]
        name = parents[name]
    return name
