"""Pick the items of a first batch, when there is no model: most cover the pool, the others are drawn at random."""

from __future__ import annotations

import numpy as np
import torch

from labeling.models import Project
from labeling.storage.arrays.batch_forecast import split_batch
from labeling.storage.arrays.batch_plan import Pool
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.disk.files import FileDamaged
from models_store.training.spreading import directions
from selector.covering import CANDIDATES, covering
from selector.strategies import STRATEGIES

COVERING_SHARE = 0.8
"""Of the items that a model learns from and no manager asked for. The others are drawn at random: they calibrate the
first versions.
"""
MOST = 200
"""A random sample of more items covers the pool as well, and from 200 random labels on, these alone calibrate."""
NONE = np.empty(0, np.int64)


def covering_rows(project: Project, pool: Pool, batch_size: int, seed: int) -> np.ndarray:
    """Return the rows, in the order of the picks, that together are near most items of the pool. None if the project's
    strategy draws at random, if the batch takes the whole pool, or if features are missing, damaged or not finite.

    The features of a random sample decide. The seed and the pool determine the rows.
    """
    open_rows = pool.rows[~pool.reserved]
    n_open, n_reserved = len(open_rows), len(pool.rows) - len(open_rows)
    size, _ = split_batch(n_open, n_reserved, batch_size=batch_size, control_share=project.control_share)
    asked = project.items.queued().filter(row__isnull=False, reserved=False).count()
    count = min(round(COVERING_SHARE * (size - asked)), MOST)
    features = ProjectFiles(project).stored_features()
    if STRATEGIES[project.strategy].fair or size == n_open or count <= 0 or features is None:
        return NONE
    rng = np.random.default_rng((seed, 1))  # the plan draws from `seed` alone
    sample = np.sort(rng.permutation(open_rows)[:CANDIDATES])
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            points = directions(features[sample]).numpy()
    except (FileDamaged, ValueError):
        return NONE
    rows: np.ndarray = sample[covering(points, count, rng)]
    return rows
