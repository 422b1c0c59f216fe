"""Pick the items of a first batch, when there is no model: most cover the pool, the others are drawn at random."""

from __future__ import annotations

import numpy as np
import torch

from labeling.arrays.files import ProjectFiles
from labeling.arrays.plan import Pool
from labeling.disk.files import FileDamaged
from labeling.models import Project
from models_store.training.spreading import directions
from selector.covering import CANDIDATES, covering
from selector.strategies import STRATEGIES

COVERING_SHARE = 0.8
"""Of the items that a model learns from. The others are drawn at random: they calibrate the first versions."""
MOST = 200
"""A random sample of more items covers the pool as well, and from 200 random labels on, these alone calibrate."""
NONE = np.empty(0, np.int64)


def covering_rows(project: Project, pool: Pool, batch_size: int, seed: int) -> np.ndarray:
    """Return the rows, in the order of the picks, that together are near most items of the pool. None if the project's
    strategy draws at random, or if features are missing or damaged.

    The features of a random sample decide. The seed and the pool determine the rows.
    """
    open_rows = pool.rows[~pool.reserved]
    count = min(round(COVERING_SHARE * (1 - project.control_share) * batch_size), MOST)
    features = ProjectFiles(project).stored_features()
    if STRATEGIES[project.strategy].fair or len(open_rows) <= count or features is None:
        return NONE
    rng = np.random.default_rng(seed)
    sample = np.sort(rng.permutation(open_rows)[:CANDIDATES])
    try:
        of_sample = features[sample]
    except FileDamaged:
        return NONE
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        points = directions(of_sample).numpy()
    rows: np.ndarray = sample[covering(points, count, rng)]
    return rows
