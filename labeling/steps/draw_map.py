"""Draw the map of the pool for a batch: choose its items and compute their places."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from django.conf import settings

from labeling.loop.step import GaveWay, Step, StepFailed
from labeling.models import Batch, Clustering, Project, Task
from labeling.steps.cluster import clusters_at, embed_rows
from labeling.steps.layout import FEW, lay_out
from labeling.steps.model_inputs import seed_for
from labeling.storage.arrays.files import ProjectFiles, load_array, load_mapped
from labeling.storage.arrays.pool_map import CONTROL, LABELED, PICKED, REST, PoolMap

# The most points on the map: of the batch, of earlier labels, and in all.
FROM_BATCH, FROM_LABELED, POINTS = 600, 500, 2_000
LOOK_SECONDS = 0.1


def draw_map(step: Step, project: Project, clustering: Clustering, batch: Batch) -> PoolMap:
    """Return the map with the clusters of the batch's cut. Raises `GaveWay` as soon as a more urgent step is due."""
    report = step.progress("drawing the map of the pool")
    report(0)
    seed = seed_for(project, "map", batch.number)
    rows, kinds = _choose(project, batch, clustering.joined_rows, np.random.default_rng(seed))
    clusters, _ = clusters_at(project, clustering, batch.mean_cluster_size or project.mean_cluster_size)
    places = _lay_out(step, _embeddings(project, clustering, rows), seed)
    return PoolMap(places, kinds, clusters[rows])


def _choose(project: Project, batch: Batch, covered: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw random rows (n,) of the batch, of items labeled before and of the rest; return them with their kinds
    (n,).
    """
    kinds: dict[int, int] = {}
    for row in _unlabeled(project, covered, POINTS, rng):
        kinds[row] = REST
    earlier = list(project.batches.filter(number__lt=batch.number).values_list("pk", "size"))
    for row, _ in _tasks(earlier, FROM_LABELED, rng, labeled=True):
        kinds[row] = LABELED
    for row, is_control in _tasks([(batch.pk, batch.size)], FROM_BATCH, rng):
        kinds[row] = CONTROL if is_control else PICKED
    # Rows of the rest come first, in random order: too many points are dropped from these.
    too_many = max(0, len(kinds) - POINTS)
    chosen = np.array(list(kinds.items())[too_many:], np.int64).reshape(-1, 2)
    return chosen[chosen[:, 0] < covered].T  # type: ignore[return-value]  # a (2, n) array


def _unlabeled(project: Project, covered: int, most: int, rng: np.random.Generator) -> list[int]:
    """Return up to `most` random rows that no batch has taken, in random order."""
    tried = rng.permutation(covered) if covered <= 2 * most else np.unique(rng.integers(0, covered, 2 * most))
    free = set(project.items.unlabeled().filter(row__in=tried.tolist()).values_list("row", flat=True))
    rows = [int(row) for row in tried if row in free]
    return [rows[place] for place in rng.permutation(len(rows))[:most]]


def _tasks(
    batches: list[tuple[int, int]], most: int, rng: np.random.Generator, *, labeled: bool = False
) -> list[tuple[int, bool]]:
    """Return (row, whether it is a control task) of up to `most` random tasks of these batches, (key, size) each."""
    ends = np.cumsum([size for _, size in batches])
    total = int(ends[-1]) if len(ends) else 0
    places = np.sort(rng.permutation(total)[:most] if total < 10 * most else np.unique(rng.integers(0, total, most)))
    rows: list[tuple[int, bool]] = []
    for (key, size), end in zip(batches, ends, strict=True):
        ranks = places[(places >= end - size) & (places < end)] - (end - size)
        tasks = Task.objects.filter(batch=key, rank__in=ranks.tolist(), item__row__isnull=False)
        if labeled:
            tasks = tasks.filter(item__label__isnull=False)
        rows += tasks.values_list("item__row", "is_control")  # type: ignore[arg-type]  # rows that are not NULL
    return rows


def _embeddings(project: Project, clustering: Clustering, rows: np.ndarray) -> np.ndarray:
    """Return the rows' embeddings (n, d) by the version that embedded the clustering: read for clustered rows, computed
    for rows that joined later.
    """
    old, version, files = rows < clustering.rows, clustering.embedded_by, ProjectFiles(project)
    new = None if old.all() else embed_rows(project, version, rows[~old], None)
    width = None if new is None else new.shape[1]
    kept = files.read(version, "embeddings", rows=clustering.rows, width=width, load=load_mapped)
    embeddings = np.empty((len(rows), kept.shape[1]), np.float32)
    embeddings[old] = kept[rows[old]]
    if new is not None:
        embeddings[~old] = new
    return embeddings


def _lay_out(step: Step, embeddings: np.ndarray, seed: int) -> np.ndarray:
    """Run `layout.lay_out` in a process of its own; kill it and raise `GaveWay` when a more urgent step is due."""
    if len(embeddings) <= FEW:
        return lay_out(embeddings, seed)
    with tempfile.TemporaryDirectory() as folder:
        source, target, log = (Path(folder) / name for name in ("embeddings.npy", "places.npy", "log"))
        np.save(source, embeddings, allow_pickle=False)
        command = [sys.executable, "-m", "labeling.steps.layout", str(source), str(target), str(seed)]
        with log.open("wb") as output:
            child = subprocess.Popen(command, cwd=settings.BASE_DIR, stdout=output, stderr=output)  # noqa: S603  # ours
        try:
            while child.poll() is None:
                if step.urgent_work_is_due():
                    raise GaveWay
                time.sleep(LOOK_SECONDS)
        finally:
            child.kill()
            child.wait()
        if child.returncode:
            lines = log.read_text(errors="replace").splitlines() or ["no word of it"]
            raise StepFailed(f"The map could not be laid out: {lines[-1]}")
        return load_array(target)
