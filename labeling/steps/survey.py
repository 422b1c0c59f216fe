"""Survey the pool after a batch opens: store a sample for forecasts, and a map. No other step waits for it.

A survey gives way to the loop's own steps, and begins again later.
"""

from __future__ import annotations

import numpy as np

from labeling.loop.step import GaveWay, Step
from labeling.models import Batch, Clustering, Project
from labeling.steps.cluster import embedder_is_gone, read_dendrogram, read_joins
from labeling.steps.draw_map import draw_map
from labeling.steps.model_inputs import seed_for
from labeling.storage.arrays import stored
from labeling.storage.arrays.batch_forecast import Sample, draw_sample
from labeling.storage.arrays.files import ProjectFiles, load_mapped
from selector.leaves import in_line

ROWS = 50_000


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
