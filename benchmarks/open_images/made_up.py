"""Made-up items with the class frequencies of Open Images V4.

Kuznetsova et al. 2020, "The Open Images Dataset V4" (arXiv 1811.00982), and the data set's page: 19,794 classes have
image-level labels that people verified. Of the 27,894,289 of its training set, on 9,011,219 images, 13,444,569 say yes;
7,186 classes, the "trainable" ones, have at least 100 of those. The frequencies are log-normal, the one such law that
has both this mean (679 a class) and this share of classes from 100 labels on (36 %): its median is 44, its sigma 2.34.
It gives the most frequent class 0.6 million labels, and a third of the classes fewer than 20.
"""

from pathlib import Path
from statistics import NormalDist

import numpy as np

from benchmarks.turning import Pool

POSITIVES = 13_444_569
SIGMA = 2.34
RIGHT = POSITIVES / 27_894_289
"""Share of the proposed classes that people said yes to."""
SET_SIZE = POSITIVES / 9_011_219
"""Classes of an image, on average."""
TOP, MIDDLE = 20, 400
LEVELS = (2.0, 1.0, 0.7)
"""How far a class lies from the one above it, on each level, in standard deviations of each number."""
BLOCK = 100_000


def shares(classes: int) -> np.ndarray:
    """Return the (classes,) shares of the labels, in descending order: evenly spaced quantiles of the law."""
    normal = NormalDist()
    places = [normal.inv_cdf(1 - (place + 0.5) / classes) for place in range(classes)]
    weights = np.exp(SIGMA * np.array(places))
    return np.asarray(weights / weights.sum())


def quantiles(counts: np.ndarray) -> dict[str, float]:
    """Return figures that describe the long tail of (classes,) label counts."""
    return {
        "most": int(counts.max()),
        "99 %": float(np.quantile(counts, 0.99)),
        "90 %": float(np.quantile(counts, 0.9)),
        "median": float(np.median(counts)),
        "share of classes below 20": float((counts < 20).mean()),
        "share of classes from 100 on": float((counts >= 100).mean()),
    }


def tree(classes: int) -> np.ndarray:
    """Return the (classes,) parents: -1 for the first 20 classes, one of these for the next 400, one of the 400 for all
    others.
    """
    place = np.arange(classes)
    above = np.where(place < TOP + MIDDLE, (place - TOP) // (MIDDLE // TOP), TOP + (place - TOP - MIDDLE) % MIDDLE)
    return np.where(place < TOP, -1, above)


def centres(above: np.ndarray, dim: int, rng: np.random.Generator) -> np.ndarray:
    """Return (classes, dim) float32 centres, each near the centre of its parent."""
    at = rng.normal(size=(len(above), dim)).astype(np.float32)
    for (first, last), far in zip([(0, TOP), (TOP, TOP + MIDDLE), (TOP + MIDDLE, len(above))], LEVELS, strict=True):
        at[first:last] *= far
        if first:
            at[first:last] += at[above[first:last]]
    return at


def siblings(classes: np.ndarray, above: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return for each of (n,) classes a random other class with the same parent; the class itself without one."""
    order = np.argsort(above, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    _, group = np.unique(above, return_inverse=True)
    size = np.bincount(group)
    first = np.cumsum(size) - size
    of = group[classes]
    steps = 1 + rng.integers(np.maximum(size[of] - 1, 1))
    return np.asarray(order[first[of] + (place[classes] - first[of] + steps) % size[of]])


def make(folder: Path, *, question: str, items: int, classes: int, dim: int, seed: int = 0) -> tuple[Pool, np.ndarray]:
    """Write the items' files into the folder; the pool, and how many labels it has of each class.

    For "verify" an item is of one class, and is proposed that or, as often as people said no, another one below the
    same class. For "multi" it is of one or more, and lies between them.
    """
    rng = np.random.default_rng(seed)
    above = tree(classes)
    at, names = centres(above, dim, rng), [f"class {index:05}" for index in range(classes)]
    law = rng.permutation(shares(classes))
    sizes = np.ones(items, np.int64)
    if question == "multi":
        sizes += rng.poisson(SET_SIZE - 1, items)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    drawn = rng.choice(classes, size=starts[-1], p=law).astype(np.int32)
    vectors = np.lib.format.open_memmap(folder / "items.npy", "w+", np.float32, (items, dim))
    for start in range(0, items, BLOCK):
        stop = min(start + BLOCK, items)
        sums = np.add.reduceat(at[drawn[starts[start] : starts[stop]]], starts[start:stop] - starts[start])
        noise = rng.standard_normal(sums.shape, dtype=np.float32)
        vectors[start:stop] = sums / sizes[start:stop, None].astype(np.float32) + noise
    vectors.flush()
    path, counts = folder / "items.npy", np.bincount(drawn, minlength=classes)
    if question == "multi":
        sets = [sorted(set(drawn[starts[place] : starts[place + 1]].tolist())) for place in range(items)]
        return Pool(question, names, path, sets.__getitem__), counts
    proposed = np.where(rng.random(items) < RIGHT, drawn, siblings(drawn, above, rng))
    companion = folder / "proposed.csv"
    with companion.open("w") as file:
        file.write("id,class\n")
        file.writelines(f"{place:016x},{names[index]}\n" for place, index in enumerate(proposed.tolist()))
    return Pool(question, names, path, lambda place: bool(proposed[place] == drawn[place]), companion), counts
