"""Survey the pool after a batch opens: store a sample for forecasts, and a map. No other step waits for it.

A survey gives way to the loop's own steps, and begins again later.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from django.conf import settings

from labeling.loop.step import GaveWay, Step, StepFailed
from labeling.models import Batch, Clustering, Project, Task
from labeling.steps.cluster import clusters_at, embed_rows, embedder_is_gone, read_dendrogram, read_joins
from labeling.steps.layout import FEW, lay_out
from labeling.steps.model_inputs import seed_for
from labeling.storage.arrays import stored
from labeling.storage.arrays.batch_forecast import Sample, draw_sample
from labeling.storage.arrays.files import ProjectFiles, load_array, load_mapped
from labeling.storage.arrays.stored import CONTROL, LABELED, PICKED, REST, PoolMap
from selector.leaves import in_line

ROWS = 50_000
# The most points on the map: of the batch, of earlier labels, and in all.
FROM_BATCH, FROM_LABELED, POINTS = 600, 500, 2_000
LOOK_SECONDS = 0.1


def survey(step: Step) -> None:
    """Store a sample of the pool, from which pages forecast the next batch, and the map of the batch in the pool."""
    batch, project = step.batch, step.job.project
    if batch.selected_by is not None:
        _survey(step, project, batch)
    with step.finish():
        pass


def _survey(step: Step, project: Project, batch: Batch) -> None:
    files = ProjectFiles(project)
    sample = stored.load(files.sample, Sample)
    # An earlier attempt may have stored its sample, and a late survey must not overwrite the sample of a later batch.
    if sample is None or sample.batch < batch.number:
        stored.save(files.sample, _sample(step, project, batch))
    clustering = Clustering.objects.filter(project=project).select_related("project", "embedded_by").first()
    # The map shows the tasks' clusters, which belong to the dendrogram that picked them.
    is_of_batch = clustering is not None and batch.clusters and clustering.digest == batch.dendrogram_hash
    if clustering is not None and is_of_batch and not embedder_is_gone(clustering):
        stored.save(files.map(batch.number), draw_map(step, project, clustering, batch))


def _sample(step: Step, project: Project, batch: Batch) -> Sample:
    """Return a sample of the open items, with the margins of the version that picked the batch."""
    assert batch.selected_by is not None
    margins = ProjectFiles(project).read(batch.selected_by, "margins", rows=batch.pool_rows, load=load_mapped)
    rows = _open_rows(step, project, len(margins))
    clustering = Clustering.objects.filter(project=project).first()
    joined_by, leaves = np.zeros(max(len(rows) - 1, 0), np.int64), 0
    if clustering is not None:
        rows, joined_by = _line_up(project, clustering, rows)
        leaves = clustering.rows
    return draw_sample(
        np.asarray(margins[rows]),
        joined_by,
        leaves=leaves,
        version=batch.selected_by.number,
        batch=batch.number,
        rng=np.random.default_rng(seed_for(project, "survey", batch.number)),
    )


def _open_rows(step: Step, project: Project, pool_rows: int) -> np.ndarray:
    """Return the rows that no batch has taken and that are not reserved for control, ascending. Raises `GaveWay`."""
    report = step.progress("surveying the pool")
    rows = []
    for start in range(0, pool_rows, ROWS):
        if step.urgent_work_is_due():
            raise GaveWay
        report(start / pool_rows)
        within = project.items.unlabeled().filter(reserved=False, row__gte=start, row__lt=min(start + ROWS, pool_rows))
        rows.append(np.array(within.order_by("row").values_list("row", flat=True), np.int64))
    return np.concatenate(rows) if rows else np.empty(0, np.int64)


def _line_up(project: Project, clustering: Clustering, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows in the order of the dendrogram's leaves, and the merges that join neighbours; -1 for the same
    leaf.

    A row that joined later has the place of the row that it joined. Rows that have not joined yet are left out.
    """
    items, joined_by = in_line(read_dendrogram(project, clustering))
    place = np.empty(clustering.rows, np.int64)
    place[items] = np.arange(clustering.rows)
    joins = read_joins(project, clustering)
    rows = rows[rows < clustering.joined_rows]
    at = np.concatenate([place, place[joins]])[rows]
    order = np.argsort(at, kind="stable")
    rows, at = rows[order], at[order]
    if len(rows) < 2:
        return rows, np.empty(0, np.int64)
    # The latest merge between two neighbours; rows at the same place need none.
    latest = np.maximum.reduceat(np.append(joined_by, 0), at)[:-1]
    return rows, np.where(at[1:] == at[:-1], -1, latest)


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
    """Draw random rows (n,) of the batch, of items labeled before and of the rest, with their kinds (n,)."""
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
    """Return embeddings (n, d) by the clustering's version: read for clustered rows, computed for later ones."""
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
