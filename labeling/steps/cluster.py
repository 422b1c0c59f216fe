"""Cluster the pool, once or when a manager asks; place items that came later beside their nearest neighbour."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from django.utils import timezone

from labeling.arrays.drift import described, draw_pairs
from labeling.arrays.files import ProjectFiles, load_array, load_checked, save_array, writing_array
from labeling.disk import FileDamaged, reading
from labeling.loop.step import Step
from labeling.models import Batch, Clustering, Job, ModelVersion, Project
from labeling.shared_files import read_whole, store
from labeling.steps.compute import compute
from labeling.steps.encode import load_encoder
from labeling.steps.reading import load_model, open_features, seed_for
from models_store.prediction import Prediction
from selector.joining import nearest
from selector.linkage import Dendrogram, average_linkage

Report = Callable[[float], None]

# The parts of a step that are not its main one, as shares of it: what people are told of the time left goes by them.
EMBEDDING_SHARE, JOINING_SHARE = 0.3, 0.9


def cluster(step: Step) -> None:
    """Build the dendrogram if there is none yet, or a manager asked for a new one; else let new rows join it, and
    measure how well it still fits. Then select.

    A new dendrogram lies in files of its own: until its row is written, the one before it holds.
    """
    batch = step.job.batch
    assert batch is not None
    assert batch.selected_by is not None
    assert batch.pool_rows is not None
    clustered = Clustered(step, batch, batch.selected_by, batch.pool_rows)
    with step.finish():
        clustered.save()
        Job.objects.enqueue(Job.Kind.SELECT, project=step.job.project, batch=batch)
    clustered.clean_up()


class Clustered:
    """The project's clustering, brought up to so many rows of the pool for a batch that this version picks."""

    def __init__(self, step: Step, batch: Batch, version: ModelVersion, rows: int) -> None:
        project = batch.project
        self._version = version
        self._before = Clustering.objects.filter(project=project).select_related("embedded_by").first()
        if self._before is None or self._before.anew_at is not None or self._before.embedded_by.damaged:
            self._values = build(step, version, rows, self._before.generation + 1 if self._before else 1)
        else:
            self._values = {
                "joined_rows": _join_new_rows(step, project, self._before, rows),
                **_measure(step, self._before, version, batch),
            }
        self._project = project

    def save(self) -> None:
        """Write its row: from then on it holds."""
        Clustering.objects.update_or_create(project=self._project, defaults=self._values)

    def clean_up(self) -> None:
        """Remove what was kept for the clustering before it, which is large and asked for by nobody any more."""
        before = self._before
        if before is not None and "generation" in self._values and before.embedded_by != self._version:
            store().remove(ProjectFiles(self._project).pool(before.embedded_by, "embeddings"))


def build(step: Step, version: ModelVersion, rows: int, generation: int) -> dict[str, Any]:
    """Cluster the version's embeddings of the first `rows` rows into new files."""
    project = step.job.project
    files = ProjectFiles(project)
    embeddings, begun = _embeddings_of(step, project, version, rows)

    def report(phase: str, share: float) -> None:
        name, of, clusters = phase.partition(" of ")
        step.progress(name, of=(of + clusters).lstrip(), start=begun)(share)

    dendrogram = average_linkage(embeddings, progress=report, workers=compute.workers)
    dendrogram.save(files.dendrogram(generation))
    store().publish(files.dendrogram(generation))
    save_array(files.joins(generation), np.empty(0, np.int64))
    return {
        "embedded_by": version,
        "rows": rows,
        "joined_rows": rows,
        "generation": generation,
        "digest": dendrogram.digest,
        "seconds": step.seconds,
        "created_at": timezone.now(),
        "described_then": None,
        "described_now": None,
        "measured_by": None,
        "anew_at": None,
    }


def _embeddings_of(step: Step, project: Project, version: ModelVersion, rows: int) -> tuple[np.ndarray, float]:
    """The version's embeddings (rows, d), and the share of the step that it took to have them.

    They are in the file that the embedding kept or, where it kept none, are computed now: a manager may have asked for
    a clustering in between.
    """
    path = ProjectFiles(project).pool(version, "embeddings")
    if store().exists(path) and len(kept := load_checked(path)) >= rows:
        return kept[:rows], 0.0
    features = open_features(project, load_encoder(project))[:rows]
    _write_embeddings(path, project, version, features, step.progress("looking at the pool", end=EMBEDDING_SHARE))
    return load_array(path, mmap=True), EMBEDDING_SHARE


def embed_rows(project: Project, version: ModelVersion, features: np.ndarray, report: Report | None) -> np.ndarray:
    """The version's embeddings (m, d) of rows with these features (m, …)."""
    return np.concatenate([part.embeddings for part in _predicted(project, version, features, report)])


def _write_embeddings(
    path: Path, project: Project, version: ModelVersion, features: np.ndarray, report: Report | None
) -> None:
    """The same into a file: those of a whole pool may be larger than the memory."""
    with ExitStack() as open_file:
        array = None
        for part in _predicted(project, version, features, report):
            block = part.embeddings
            if array is None:
                shape = (len(features), block.shape[1])
                array = open_file.enter_context(writing_array(path, shape, block.dtype))
            array[part.start : part.start + len(block)] = block


def _predicted(
    project: Project, version: ModelVersion, features: np.ndarray, report: Report | None
) -> Iterator[Prediction]:
    # An embedding does not depend on the proposed class, but a `verify` model asks for one.
    proposed = np.zeros(len(features), np.int64) if project.asks.proposes else None
    return compute.score(load_model(project, version), features, progress=report, proposed=proposed)


def _join_new_rows(step: Step, project: Project, clustering: Clustering, pool_rows: int) -> int:
    """Find, for rows that the clustering has not seen, their nearest clustered row; return the rows now covered."""
    if pool_rows <= clustering.joined_rows:
        return clustering.joined_rows
    join(step, clustering, read_joins(project, clustering), pool_rows)
    return pool_rows


def join(step: Step, clustering: Clustering, known: np.ndarray, rows: int) -> None:
    """Write where the rows up to `rows` joined, behind what is `known` of the first of them.

    New and old rows are embedded by the version that the dendrogram was built with: embeddings of two versions do not
    compare.
    """
    project, files = step.job.project, ProjectFiles(step.job.project)
    first = clustering.rows + len(known)
    if first == rows:
        save_array(files.joins(clustering.generation), known)
        return
    features = open_features(project, load_encoder(project))[first:rows]
    report = step.progress("placing new items", end=JOINING_SHARE)
    newcomers = files.pool(clustering.embedded_by, "newcomers")
    _write_embeddings(newcomers, project, clustering.embedded_by, features, report)
    new = load_array(newcomers, mmap=True)
    store().remove(newcomers)  # it lasts as long as it is mapped
    old = load_checked(files.pool(clustering.embedded_by, "embeddings"))
    joined = nearest(new, old, workers=compute.workers)
    save_array(files.joins(clustering.generation), np.concatenate([known, joined]))


def _measure(step: Step, clustering: Clustering, version: ModelVersion, batch: Batch) -> dict[str, Any]:
    """How much of the embeddings it was built from the clustering describes, and how much of this version's."""
    project = step.job.project
    if version == clustering.embedded_by:
        return {}
    # At 1 every item is a cluster of its own, which describes everything.
    clusters, _ = clusters_at(project, clustering, max(2.0, project.mean_cluster_size))
    rng = np.random.default_rng(seed_for(project, "drift", batch.number))
    pairs = draw_pairs(clusters[: clustering.rows], rng) if clustering.rows > 1 else None
    if pairs is None:
        return {}
    then = load_array(ProjectFiles(project).pool(clustering.embedded_by, "embeddings"), mmap=True)[pairs.rows]
    features = open_features(project, load_encoder(project))[pairs.rows]
    now = embed_rows(
        project, version, features, step.progress("looking whether the clustering still fits", start=JOINING_SHARE)
    )
    return {
        "described_then": described(then, pairs),
        "described_now": described(now, pairs),
        "measured_by": version,
    }


def read_dendrogram(project: Project, clustering: Clustering) -> Dendrogram:
    """The project's dendrogram. Raises `FileDamaged` if its file is missing, damaged, or not the one recorded."""

    def read(path: Path) -> Dendrogram:
        try:
            with reading(path):  # says what is wrong with a file that cannot be opened
                dendrogram = Dendrogram.load(path)
        except FileDamaged:
            raise
        except ValueError as error:
            raise FileDamaged(path, f"it cannot be read as a dendrogram ({error.__cause__ or error})") from error
        if dendrogram.digest != clustering.digest:
            raise FileDamaged(path, "it is not the dendrogram that was recorded")
        return dendrogram

    return read_whole(ProjectFiles(project).dendrogram(clustering.generation), read)


def read_joins(project: Project, clustering: Clustering) -> np.ndarray:
    """(joined_rows - rows,) the clustered row that each later row joined. Raises `FileDamaged`."""
    path, n = ProjectFiles(project).joins(clustering.generation), clustering.joined_rows - clustering.rows
    joins = load_array(path)[:n]  # joins of an attempt that was killed before it counted are cut off
    if len(joins) < n:
        raise FileDamaged(path, f"it has {len(joins):,} of {n:,} rows")
    return joins


def clusters_at(project: Project, clustering: Clustering, mean_cluster_size: float) -> tuple[np.ndarray, float]:
    """Cluster ids (joined_rows,) at the cut, and the cut's height. Raises `FileDamaged`."""
    dendrogram = read_dendrogram(project, clustering)
    clusters = dendrogram.cut(mean_cluster_size=mean_cluster_size)
    joins = read_joins(project, clustering)
    return np.concatenate([clusters, clusters[joins]]), dendrogram.height_at(clusters=int(clusters.max(initial=-1)) + 1)
