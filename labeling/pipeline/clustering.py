"""Cluster the pool once; place items that came later beside their nearest neighbour."""

from __future__ import annotations

import numpy as np

from labeling.models import Clustering, Job, Project
from labeling.pipeline.encoding import load_encoder
from labeling.pipeline.files import ProjectFiles, load_array, save_array
from labeling.pipeline.step import Step, StepFailed
from labeling.pipeline.training import load_model, open_features
from models_store.prediction import predict
from selector.joining import nearest
from selector.linkage import Dendrogram, average_linkage


def cluster(step: Step) -> None:
    """Build the dendrogram if there is none yet, else let new rows join it; then select."""
    project, batch = step.job.project, step.job.batch
    assert batch is not None
    assert batch.selected_by is not None
    assert batch.pool_rows is not None
    files = ProjectFiles(project)
    existing = Clustering.objects.filter(project=project).select_related("embedded_by").first()
    if existing is None:
        embeddings = load_array(files.pool(batch.selected_by, "embeddings"), mmap=True)
        dendrogram = average_linkage(embeddings, progress=step.progress("clustering the pool"))
        dendrogram.save(files.dendrogram)
        save_array(files.joins, np.empty(0, np.int64))
        values = {
            "embedded_by": batch.selected_by,
            "rows": len(embeddings),
            "joined_rows": len(embeddings),
            "digest": dendrogram.digest,
            "seconds": step.seconds,
        }
    else:
        values = {"joined_rows": _join_new_rows(step, project, existing, batch.pool_rows)}
    with step.finish():
        Clustering.objects.update_or_create(project=project, defaults=values)
        Job.objects.enqueue(Job.Kind.SELECT, project=project, batch=batch)


def _join_new_rows(step: Step, project: Project, clustering: Clustering, pool_rows: int) -> int:
    """Find, for rows that the clustering has not seen, their nearest clustered row; return the rows now covered.

    Both are embedded by the version that the dendrogram was built with: embeddings of two versions do not compare.
    """
    if pool_rows <= clustering.joined_rows:
        return clustering.joined_rows
    files = ProjectFiles(project)
    report = step.progress("placing new items")
    features = open_features(project, load_encoder(project))[clustering.joined_rows : pool_rows]
    model = load_model(project, clustering.embedded_by)
    new = np.concatenate(
        [p.embeddings for p in predict(model, features, progress=report, proposed=_zeros(project, features))]
    )
    old = load_array(files.pool(clustering.embedded_by, "embeddings"), mmap=True)
    # Joins of an attempt that was killed before it counted are cut off.
    known = load_array(files.joins)[: clustering.joined_rows - clustering.rows]
    save_array(files.joins, np.concatenate([known, nearest(new, old)]))
    return pool_rows


def _zeros(project: Project, features: np.ndarray) -> np.ndarray | None:
    """An embedding does not depend on the proposed class, but a `verify` model asks for one."""
    return np.zeros(len(features), np.int64) if project.question == Project.Question.VERIFY else None


def clusters_at(project: Project, clustering: Clustering, mean_cluster_size: float) -> tuple[np.ndarray, float]:
    """Cluster ids (joined_rows,) at the cut, and the cut's height. Raises `StepFailed` if the files do not match."""
    files = ProjectFiles(project)
    try:
        dendrogram = Dendrogram.load(files.dendrogram)
    except (ValueError, OSError) as error:
        raise StepFailed(f"The dendrogram cannot be read: {error}") from error
    if dendrogram.digest != clustering.digest:
        raise StepFailed("The dendrogram is not the one that was recorded. Restore it from a backup.")
    clusters = dendrogram.cut(mean_cluster_size=mean_cluster_size)
    joins = load_array(files.joins)[: clustering.joined_rows - clustering.rows]
    return np.concatenate([clusters, clusters[joins]]), dendrogram.height_at(clusters=int(clusters.max(initial=-1)) + 1)
