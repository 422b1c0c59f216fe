"""Lay a few thousand embeddings out in two dimensions, similar embeddings near each other.

As a program, it runs in a process of its own, which the caller can kill at any moment:

    python -m labeling.steps.layout embeddings.npy out.npy SEED
"""

import sys
from pathlib import Path

import numpy as np

# Principal components given to t-SNE, which uses near neighbours only: further components add noise and take time.
DIRECTIONS = 30
NEIGHBOURS = 30
ITERATIONS = 500
# Up to this many points the first two principal components show as much as t-SNE, at no cost.
FEW = 400
# A smaller spread than this is rounding error: all points coincide.
LEAST = 1e-9


def lay_out(embeddings: np.ndarray, seed: int) -> np.ndarray:
    """Lay out the rows of a matrix in two dimensions; the same seed gives the same places.

    Rows are compared by cosine, as in the clustering. t-SNE (van der Maaten and Hinton 2008) on the first principal
    components; for up to `FEW` rows the first two components are the places. Takes O(n log n) time an iteration: some
    seconds for 2,000 rows.

    Parameters
    ----------
    embeddings : ndarray of shape (n, d), float
    seed : int

    Returns
    -------
    ndarray of shape (n, 2), float32
        The places, in [0, 1].
    """
    points = np.asarray(embeddings, np.float64)
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    points = points / np.where(lengths > 0, lengths, 1)
    components = _components(points)
    if len(points) <= FEW or np.ptp(components) < LEAST:  # t-SNE divides by how far the points lie apart
        places = components[:, :2]
    else:
        from sklearn.manifold import TSNE  # takes a second to load, and no other function needs it

        tsne = TSNE(perplexity=NEIGHBOURS, init="pca", max_iter=ITERATIONS, random_state=seed, n_jobs=1)
        places = tsne.fit_transform(components.astype(np.float32))
    places = places - places.min(axis=0, initial=0)
    unit: np.ndarray = (places / np.maximum(places.max(axis=0, initial=0), 1e-12)).astype(np.float32)
    return unit


def _components(points: np.ndarray) -> np.ndarray:
    """Return the first principal components (n, k), k at least 2 and at most `DIRECTIONS`."""
    centred = points - points.mean(axis=0) if len(points) else points
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    places = centred @ axes[:DIRECTIONS].T
    return np.pad(places, ((0, 0), (0, max(0, 2 - places.shape[1]))))


if __name__ == "__main__":
    source, target, number = sys.argv[1:]
    with Path(target).open("xb") as file:
        np.save(file, lay_out(np.load(source, allow_pickle=False), int(number)), allow_pickle=False)
