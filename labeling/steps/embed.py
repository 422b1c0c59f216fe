"""Embed: run the version in use over the whole pool, for the selection of the next batch."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from labeling.loop import batches
from labeling.loop.step import Step
from labeling.loop.table import BatchEvent
from labeling.models import Batch, Clustering, ModelVersion, Project
from labeling.projects.version_in_use import InUse, in_use
from labeling.steps.cluster import is_over, reaches, write_predictions
from labeling.steps.compute import compute
from labeling.steps.features import load_encoder
from labeling.steps.model_inputs import check_handed_in, open_features, scorer_of
from labeling.storage.arrays.features import store_sums, sums_of
from labeling.storage.arrays.files import ProjectFiles, load_mapped, sha256_of
from labeling.storage.disk.files import FileDamaged
from labeling.storage.shared_files import store
from models_store.model import Model
from models_store.prediction import CALIBRATED, EXTRAS
from selector.strategies import STRATEGIES

# The arrays that every version stores, for pages and tasks; and the arrays with many numbers per item that are removed
# once no batch needs them.
ALWAYS = ("margins", "best", "confidence")
WIDE = ("embeddings", "errors", "likely")


def arrays_of(version: ModelVersion) -> tuple[str, ...]:
    """Return the arrays that the version stores of each pool, whatever the strategy."""
    return tuple(dict.fromkeys((*ALWAYS, *version.project.asks.answer_arrays))) if version.answers else ("margins",)


class Look(NamedTuple):
    """The facts of a run over the pool for the batch's row, and whether the strategy needs clusters."""

    facts: dict[str, Any]
    clustered: bool


def embed(step: Step) -> None:
    """Run the version in use over the pool, store the arrays that the strategy needs, enqueue the next step."""
    batch, project = step.batch, step.job.project
    used = in_use(project)
    assert used is not None
    if used.version.damaged:  # so are all others: this batch is drawn at random, and the next version will be whole
        with step.finish():
            batches.advance(batch, BatchEvent.LOOKED)
        return
    look = look_at_pool(project, used, project.strategy, progress=step.progress("surveying the pool"))
    with step.finish():
        Batch.objects.filter(pk=batch.pk).update(**look.facts)
        batches.advance(batch, BatchEvent.LOOKED_TO_CLUSTER if look.clustered else BatchEvent.LOOKED)
    drop_wide_arrays(project, used.version)


def look_at_pool(project: Project, used: InUse, strategy: str, *, progress: Any = None) -> Look:
    """Run this version over the pool, and return the facts that fix how the batch is picked.

    Later steps rely on these facts to know which arrays exist. Raises `FileDamaged` if features do not match their
    sums.
    """
    version = used.version
    clustering = Clustering.objects.filter(project=project).select_related("project", "embedded_by").first()
    model, inputs = scorer_of(project, version)
    stored = open_features(project, load_encoder(project))
    checked = stored.check(sums_of(project))
    if checked.damaged:
        raise stored.damage(checked.damaged)
    store_sums(project, project.features_generation, checked.found)
    if version.is_given:
        check_handed_in(version)
    inputs = inputs[:]
    needed = set(STRATEGIES[strategy].needs)
    if "clusters" in needed and (clustering is None or is_over(clustering) or not reaches(clustering, len(inputs))):
        needed.add("embeddings")
    if project.suggests_several and version.answers:
        needed.add("likely")
    names = [*arrays_of(version), *(name for name in ("embeddings", *EXTRAS) if name in needed)]
    run_over_pool(project, version, model, inputs, names, progress=progress)
    known = version.calibrating
    version.refresh_from_db(fields=["calibrating", "calibration"])
    if version.calibrating != known:  # calibrated during the run
        rewrite_confidence(project, version)
    return Look(
        {
            "strategy": strategy,
            "selected_by": version,
            "newest_version": used.newest.number,
            "choice": used.choice,
            "pool_rows": len(inputs),
            "features_hash": version.digest if version.is_given else checked.sha256,
            "margins_hash": sha256_of(ProjectFiles(project).read(version, "margins", load=load_mapped)),
        },
        clustered="clusters" in needed,
    )


def rewrite_confidence(project: Project, version: ModelVersion, *, progress: Any = None) -> None:
    """Rewrite the arrays that depend on the version's calibration, for all items that the version has predicted."""
    if store().exists(ProjectFiles(project).pool(version, "confidence")):
        model, inputs = scorer_of(project, version)
        names = [name for name in arrays_of(version) if name in ("confidence", *CALIBRATED)]
        inputs = inputs[: rows_predicted(project, version) or None]
        run_over_pool(project, version, model, inputs, names, progress=progress)


def rows_predicted(project: Project, version: ModelVersion) -> int:
    """Return the number of rows that the version has predicted: the length of its longest array that is whole, and at
    least the rows that it has picked a batch from or clustered.
    """
    files = ProjectFiles(project)
    clustered = Clustering.objects.filter(embedded_by=version).values_list("rows", flat=True)
    rows = [files.rows_picked_from(version), *clustered]
    for name in arrays_of(version):
        with suppress(FileDamaged):
            rows.append(len(files.read(version, name, load=load_mapped)))
    return max(rows)


def drop_wide_arrays(project: Project, version: ModelVersion) -> None:
    """Remove the wide arrays of all versions but this one and the one that embedded the clustering."""
    files = ProjectFiles(project)
    clustering = Clustering.objects.filter(project=project).select_related("embedded_by").first()
    kept = {version.number, clustering.embedded_by.number if clustering else version.number}
    for other in project.versions.exclude(number__in=kept):
        for name in WIDE:
            store().remove(files.pool(other, name))


def run_over_pool(
    project: Project,
    version: ModelVersion,
    model: Model,
    features: np.ndarray,
    names: Sequence[str],
    *,
    progress: Any = None,
) -> None:
    """Write the model's predictions for every row, part by part, to a file for each name (a field of `Prediction`)."""
    proposed = None
    if model.asks.proposes:
        proposed = np.zeros(len(features), np.int64)
        pairs = project.items.filter(row__lt=len(features)).values_list("row", "proposed")
        for row, index in pairs.iterator(chunk_size=10_000):
            assert row is not None
            assert index is not None
            proposed[row] = index
    parts = compute.score(
        model,
        features,
        proposed=proposed,
        merged=project.merges,
        extras=[name for name in names if name in EXTRAS],
        embeddings="embeddings" in names,
        progress=progress,
    )
    files = ProjectFiles(project)
    write_predictions(parts, len(features), {name: files.pool(version, name) for name in names})
