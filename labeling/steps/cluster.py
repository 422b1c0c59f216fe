"""Cluster the pool, once or when a manager asks; join later items to the cluster of their nearest neighbour."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from django.utils import timezone

from labeling.loop import batches
from labeling.loop.step import Step
from labeling.loop.table import BatchEvent
from labeling.models import Batch, Clustering, ModelVersion, Project
from labeling.projects.version_in_use import is_outdated
from labeling.steps.compute import compute
from labeling.steps.drift import described, draw_pairs
from labeling.steps.model_inputs import scorer_of, seed_for
from labeling.storage.arrays.files import ProjectFiles, load_array, load_checked, load_mapped, save_array, writing_array
from labeling.storage.arrays.forms import FORMS, JOINS, fitted
from labeling.storage.disk.files import FileDamaged, reading
from labeling.storage.shared_files import read_whole, store
from models_store.model import Model
from models_store.prediction import Prediction
from selector.joining import nearest
from selector.linkage import Dendrogram, average_linkage

Report = Callable[[float], None]

# Progress of the step after embedding, and after joining: pages estimate the time left from it.
EMBEDDING_SHARE, JOINING_SHARE = 0.3, 0.9


def cluster(step: Step) -> None:
    """Build a dendrogram if there is none, if a manager asked for one, if the encoder was changed, or if the version
    that embedded it is damaged. Else join new rows to the dendrogram and measure how well it still fits. Then enqueue
    the selection.

    A new dendrogram has files of its own: until the transaction writes its row, the project keeps the old one.
    """
    batch = step.batch
    assert batch.selected_by is not None
    assert batch.pool_rows is not None
    if batch.selected_by.damaged or is_outdated(step.job.project, batch.selected_by):  # another version picks it
        with step.finish():
            batches.advance(batch, BatchEvent.CLUSTERED)
        return
    clustered = Clustered(step, batch, batch.selected_by, batch.pool_rows)
    with step.finish():
        clustered.save()
        batches.advance(batch, BatchEvent.CLUSTERED)
    clustered.clean_up()


class Clustered:
    """The project's clustering, extended to the first `rows` rows of the pool for a batch that `version` picks."""

    def __init__(self, step: Step, batch: Batch, version: ModelVersion, rows: int) -> None:
        project = batch.project
        self._version = version
        self._before = Clustering.objects.filter(project=project).select_related("project", "embedded_by").first()
        if self._before is None or is_over(self._before) or not reaches(self._before, rows):
            self._values = build(step, version, rows, self._before.generation + 1 if self._before else 1)
        else:
            self._values = {
                "joined_rows": _join_new_rows(step, project, self._before, rows),
                **_measure(step, self._before, version, batch.number, rows),
            }
        self._project = project

    def save(self) -> None:
        """Write the clustering's row, from which other code reads it."""
        Clustering.objects.update_or_create(project=self._project, defaults=self._values)

    def clean_up(self) -> None:
        """Remove the embeddings of the previous clustering: they are large, and no code reads them any more."""
        before = self._before
        if before is not None and "generation" in self._values and before.embedded_by != self._version:
            store().remove(ProjectFiles(self._project).pool(before.embedded_by, "embeddings"))


def is_over(clustering: Clustering) -> bool:
    """Return whether the pool is to be clustered again: a manager asked for it, or no version can embed new items.

    The clustering must be selected with its project and `embedded_by`.
    """
    return clustering.anew_at is not None or embedder_is_gone(clustering)


def embedder_is_gone(clustering: Clustering) -> bool:
    """Return whether the version that embedded the clustering is damaged, or of an earlier encoder."""
    version = clustering.embedded_by
    return bool(version.damaged) or is_outdated(clustering.project, version)


def reaches(clustering: Clustering, rows: int) -> bool:
    """Return whether the version that embedded the clustering can embed the first `rows` rows. Predictions from outside
    have embeddings of the rows that the project had when they came.
    """
    version = clustering.embedded_by
    return rows <= clustering.joined_rows or not version.is_given or rows <= version.prediction_set.rows


def build(step: Step, version: ModelVersion, rows: int, generation: int) -> dict[str, Any]:
    """Cluster the version's embeddings of up to `rows` rows into new files, and return the row's values."""
    project = step.job.project
    files = ProjectFiles(project)
    embeddings, begun = _embeddings_of(step, project, version, rows)
    rows = len(embeddings)

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
    """Return the version's embeddings (rows, d), and the step's progress after reading or computing them.

    The step `embed` stored them unless a manager asked for a clustering after it; then they are computed here.
    """
    files = ProjectFiles(project)
    path = files.pool(version, "embeddings")
    if store().exists(path) and len(kept := files.read(version, "embeddings", load=load_checked)) >= rows:
        return kept[:rows], 0.0
    _write_embeddings(path, project, version, slice(rows), step.progress("surveying the pool", end=EMBEDDING_SHARE))
    return load_mapped(path), EMBEDDING_SHARE


def embed_rows(project: Project, version: ModelVersion, rows: np.ndarray, report: Report | None) -> np.ndarray:
    """Return the version's embeddings (m, d) of these rows (m,)."""
    return np.concatenate([part.embeddings for part in _predicted(*_scored(project, version, rows), report)])


def _write_embeddings(path: Path, project: Project, version: ModelVersion, rows: slice, report: Report | None) -> None:
    model, inputs = _scored(project, version, rows)
    write_predictions(_predicted(model, inputs, report), len(inputs), {"embeddings": path})


def write_predictions(parts: Iterable[Prediction], rows: int, paths: Mapping[str, Path]) -> None:
    """Write the predictions for `rows` rows, part by part, to an array for each field that `paths` names: together they
    may be larger than memory.
    """
    arrays: dict[str, np.memmap] = {}
    with ExitStack() as open_files:
        for part in parts:
            for name, path in paths.items():
                block = getattr(part, name)
                if name not in arrays:
                    writing = writing_array(path, (rows, *block.shape[1:]), block.dtype)
                    arrays[name] = open_files.enter_context(writing)
                arrays[name][part.start : part.start + len(block)] = block
                arrays[name].flush()  # part by part: other commits would wait for one large write


def _scored(project: Project, version: ModelVersion, rows: slice | np.ndarray) -> tuple[Model, np.ndarray]:
    """Return the version's model, and what it reads of these rows."""
    model, inputs = scorer_of(project, version)
    return model, inputs[rows]


def _predicted(model: Model, inputs: np.ndarray, report: Report | None) -> Iterator[Prediction]:
    # An embedding does not depend on the proposed class, but a `verify` model asks for one.
    proposed = np.zeros(len(inputs), np.int64) if model.asks.proposes else None
    return compute.score(model, inputs, progress=report, proposed=proposed)


def _join_new_rows(step: Step, project: Project, clustering: Clustering, pool_rows: int) -> int:
    """Join the rows behind the clustering's rows to their nearest clustered row; return the number of rows covered."""
    if pool_rows <= clustering.joined_rows:
        return clustering.joined_rows
    join(step, clustering, read_joins(project, clustering), pool_rows)
    return pool_rows


def join(step: Step, clustering: Clustering, known: np.ndarray, rows: int) -> None:
    """Write the clustered row that each later row up to `rows` joins; `known` holds the first of them.

    The version that embedded the dendrogram's rows embeds the new rows, too: distances between embeddings of two
    versions have no meaning.
    """
    project, files = step.job.project, ProjectFiles(step.job.project)
    first = clustering.rows + len(known)
    if first == rows:
        save_array(files.joins(clustering.generation), known)
        return
    report = step.progress("placing new items", end=JOINING_SHARE)
    version = clustering.embedded_by
    newcomers = files.pool(version, "newcomers")
    _write_embeddings(newcomers, project, version, slice(first, rows), report)
    new = fitted(newcomers, load_mapped(newcomers), FORMS["embeddings"], rows=rows - first)
    store().remove(newcomers)  # the memory map keeps the data readable
    old = files.read(version, "embeddings", rows=clustering.rows, width=new.shape[1], load=load_checked)
    joined = nearest(new, old, workers=compute.workers)
    save_array(files.joins(clustering.generation), np.concatenate([known, joined]))


def _measure(step: Step, clustering: Clustering, version: ModelVersion, batch: int, rows: int) -> dict[str, Any]:
    """Return the share that the clustering describes of the embeddings it was built from, and of this version's
    embeddings. The version can embed the first `rows` rows. `batch`: the number of the batch that it picks.

    Empty if this version embedded the clustering, or if every cluster has one item.
    """
    project = step.job.project
    if version == clustering.embedded_by:
        return {}
    # With a mean size of 1, clusters of one item would describe any embeddings.
    clusters, _ = clusters_at(project, clustering, max(2.0, project.mean_cluster_size))
    rng = np.random.default_rng(seed_for(project, "drift", batch))
    n = min(clustering.rows, rows)  # predictions from outside may cover fewer items than the clustering
    pairs = draw_pairs(clusters[:n], rng) if n > 1 else None
    if pairs is None:
        return {}
    embedder, files = clustering.embedded_by, ProjectFiles(project)
    then = files.read(embedder, "embeddings", rows=clustering.rows, load=load_mapped)[pairs.rows]
    now = embed_rows(
        project, version, pairs.rows, step.progress("checking whether the clustering still fits", start=JOINING_SHARE)
    )
    return {
        "described_then": described(then, pairs),
        "described_now": described(now, pairs),
        "measured_by": version,
    }


def read_dendrogram(project: Project, clustering: Clustering) -> Dendrogram:
    """Return the project's dendrogram. Raises `FileDamaged` if its file is missing, damaged, or has another digest."""

    def read(path: Path) -> Dendrogram:
        try:
            with reading(path):  # raises `FileDamaged` with the reason if the file cannot be opened
                dendrogram = Dendrogram.load(path)
        except FileDamaged:
            raise
        except ValueError as error:
            raise FileDamaged(path, f"it cannot be read as a dendrogram ({error.__cause__ or error})") from error
        if dendrogram.digest != clustering.digest or dendrogram.size != clustering.rows:
            raise FileDamaged(path, "it is not the dendrogram that was recorded")
        return dendrogram

    return read_whole(ProjectFiles(project).dendrogram(clustering.generation), read)


def read_joins(project: Project, clustering: Clustering) -> np.ndarray:
    """Return the clustered row that each later row joined, (joined_rows - rows,). Raises `FileDamaged`."""
    path, n = ProjectFiles(project).joins(clustering.generation), clustering.joined_rows - clustering.rows
    joins = fitted(path, load_array(path), JOINS, rows=n)  # more if an attempt was killed before its transaction
    if n and not 0 <= joins.min() <= joins.max() < clustering.rows:
        raise FileDamaged(path, "it names rows that the dendrogram does not have")
    return joins


def clusters_at(project: Project, clustering: Clustering, mean_cluster_size: float) -> tuple[np.ndarray, float]:
    """Cluster ids (joined_rows,) at the cut, and the cut's height. Raises `FileDamaged`."""
    dendrogram = read_dendrogram(project, clustering)
    clusters = dendrogram.cut(mean_cluster_size=mean_cluster_size)
    joins = read_joins(project, clustering)
    return np.concatenate([clusters, clusters[joins]]), dendrogram.height_at(clusters=int(clusters.max(initial=-1)) + 1)
