"""Rebuild a file that a step found damaged, and run the step again. A version that stays damaged picks no batch.

The log and the project's pages name each damaged file: `labeling.storage.arrays.damage`.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress

import numpy as np
from django.core.exceptions import ValidationError

from labeling.loop.step import GaveWay, Step, StepFailed
from labeling.models import Clustering, DamagedFile, Job, ModelVersion, Project
from labeling.projects.encoders.encoder_settings import encoder_with_options
from labeling.projects.version_in_use import in_use, is_outdated
from labeling.steps.cluster import build, embedder_is_gone, join
from labeling.steps.embed import ALWAYS, rows_predicted, run_over_pool
from labeling.steps.encode import start_generation
from labeling.steps.features import encode_rows, fit_encoder, load_encoder
from labeling.steps.model_inputs import VersionDamaged, check_handed_in, open_features, scorer_of
from labeling.steps.stored_files import StoredFile, file_named
from labeling.storage.arrays import damage
from labeling.storage.arrays.features import RowSum, rewrite_rows, store_sums, sums_of, write_shape
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.disk.files import FileDamaged, make_room
from labeling.storage.shared_files import store
from models_store import artifact
from models_store.folders import FolderError
from models_store.networks import Adaptive
from models_store.prediction import EXTRAS

# Items' files and uploads: only a backup can restore them.
NOT_REBUILT = ("media/", "uploads/")


def mending(run: Callable[[Step], None], step: Step) -> None:
    """Run the step, and again after each damaged file that it found and this function rebuilt.

    Raises `StepFailed`, which names the file, if a file cannot be rebuilt or is damaged a second time.
    """
    tried: set[str] = set()
    while True:
        try:
            run(step)
            return
        except FileDamaged as found:
            _mend(step, damage.name_of(step.job.project, found.path), found.problem, tried)
        except VersionDamaged as found:
            _mend_version(step, found, tried)
        step.job.refresh_from_db(fields=["batch", "project"])  # the rebuild may have changed their rows


def rebuild(step: Step) -> None:
    """Rebuild the project's files that are recorded as damaged, except those that only a backup can restore."""
    project = step.job.project
    for name in list(DamagedFile.objects.standing().filter(project=project).values_list("name", flat=True)):
        if step.urgent_work_is_due():
            raise GaveWay
        if name.startswith(NOT_REBUILT):
            continue
        file = file_named(project, name)
        if file is None:  # the project does not need it any more
            damage.mended(project, name)
        problem = problem_with(project, file) if file is not None else ""
        if not problem:
            continue
        try:
            _mend(step, name, problem, set())
        except StepFailed:
            continue  # `_mend` wrote the reason to the file's row
    with step.finish():
        pass


def problem_with(project: Project, file: StoredFile) -> str:
    """Check every byte of the file; return the damage in one line, or an empty string.

    Records the result, also on the file's version, so that a version whose files are whole again is used again.
    """
    version = project.versions.filter(pk=file.version.pk) if file.version else project.versions.none()
    try:
        file.check()
    except FileDamaged as found:
        damage.note_damage(project, file.name, found.problem)
        version.update(damaged=found.problem[:300])
        return found.problem
    damage.mended(project, file.name)
    version.exclude(damaged="").update(damaged="")
    return ""


def _mend(step: Step, name: str, problem: str, tried: set[str]) -> None:
    """Rebuild a file, and before it any damaged files that it is rebuilt from. Raises `StepFailed`."""
    project = step.job.project
    damage.note_damage(project, name, problem)
    file = file_named(project, name)
    if file is not None and file.version is not None:
        _mend_version(step, VersionDamaged(file.version, problem), tried)
        return
    try:
        if name in tried or file is None or file.rebuild is None:
            raise StepFailed(f"The file {name} is damaged: {problem}. Restore it from a backup, then retry.")
        tried.add(name)
        while True:
            try:
                file.rebuild(step)
                break
            except FileDamaged as other:
                _mend(step, damage.name_of(project, other.path), other.problem, tried)
            except VersionDamaged as other:
                _mend_version(step, other, tried)
    except StepFailed as failure:
        damage.not_mended(project, name, str(failure))
        raise
    damage.mended(project, name)


def _mend_version(step: Step, found: VersionDamaged, tried: set[str]) -> None:
    """Rebuild the version's derived files, or mark the version damaged. Raises `VersionDamaged` the second time."""
    version, project = found.version, step.job.project
    if version.files in tried:
        raise found
    tried.add(version.files)
    damage.note_damage(project, version.files, found.problem)
    try:
        rebuild_version(version)
    except VersionDamaged as still:
        ModelVersion.objects.filter(pk=version.pk).update(damaged=still.problem[:300])
        damage.not_mended(
            project,
            version.files,
            f"Version {version.number} picks no batch until its files are restored from a backup and `check_files` has "
            "found them whole." + (" Newer predictions pick batches at once." if version.is_given else ""),
        )
    else:
        ModelVersion.objects.filter(pk=version.pk).exclude(damaged="").update(damaged="")
        damage.mended(project, version.files)


# Rebuild damaged files, each from rows of the database and other files.
#
# Whole data stays untouched: files are replaced in one atomic step, and of the features only rows that do not match
# their sums are rewritten.

# Rows without sums are encoded again in parts of this size.
PART = 512


def rebuild_encoder(step: Step) -> None:
    """Fit the encoder again. Raises `StepFailed` if versions learned from an encoder with another digest."""
    project = step.job.project
    if not project.versions.exclude(artifact="").exists():
        start_generation(step, project)
        return
    path = ProjectFiles(project).encoder(project.features_generation)
    known = ""
    for version in project.versions.order_by("-number"):
        with suppress(artifact.ArtifactError):
            known = artifact.encoder_digest(ProjectFiles(project).artifact_at(version.artifact))
            break
    try:
        encoder = fit_encoder(step, project, *encoder_with_options(project.kind, project.encoder))
    except ValidationError as error:
        raise StepFailed(f"The encoder cannot be set up again: {error.messages[0]}") from error
    if encoder.digest != known:
        raise StepFailed(
            f"The encoder ({path.name}) was fitted to earlier items and cannot be rebuilt from the present ones. "
            f"Restore the file from a backup, then retry."
        )
    make_room(path)
    encoder.save(path)
    store().publish(path)


def rebuild_features(step: Step) -> None:
    """Encode the rows again that are missing or do not match their sums. Raises `GaveWay` if an urgent step is due."""
    project = step.job.project
    encoder = load_encoder(project)
    features = open_features(project, encoder)
    path = ProjectFiles(project).features(project.features_generation)
    damaged = [part for each in features.check(sums_of(project)).damaged for part in _parts(each)]
    make_room(path)
    write_shape(path, dim=encoder.dim, dtype=encoder.dtype)
    report = step.progress("encoding damaged rows again", of=path.name)
    for done, part in enumerate(damaged):
        if step.job.kind == Job.Kind.REBUILD and step.urgent_work_is_due():
            raise GaveWay  # the rows encoded so far are kept
        block = encode_rows(project, encoder, part.start, part.stop)
        rewrite_rows(path, start=part.start, block=block)
        with step.write():
            store_sums(project, project.features_generation, [RowSum.of(part.start, block)])
        report((done + 1) / len(damaged))


def _parts(damaged: RowSum) -> Iterator[RowSum]:
    """Yield the parts in which to rewrite damaged rows: all rows of a sum at once, others by `PART`."""
    size = damaged.stop - damaged.start if damaged.crc32 is not None else PART
    for start in range(damaged.start, damaged.stop, size):
        yield RowSum(start, min(start + size, damaged.stop), None)


def rebuild_version(version: ModelVersion) -> None:
    """Rebuild the version's derived files: the card from the manifest, and the calibration from the version's row.

    Weights and predictions from outside cannot be rebuilt. Raises `VersionDamaged` if the version is still damaged.
    """
    if version.is_given:
        check_handed_in(version)
        return
    location = ProjectFiles(version.project).artifact_at(version.artifact)
    try:
        artifact.rebuild_card(location, digest=version.digest)
        if version.calibration_at():
            found = version.calibration
            artifact.calibrate(
                location,
                Adaptive(found["scale"], found["power"]),
                digest=version.digest,
                fitted_to=found["labels"],
                measured=found["measured"],
            )
        artifact.check_files(location, digest=version.digest, calibration=version.calibration_at())
    except (artifact.ArtifactError, FolderError) as error:
        raise VersionDamaged(version, error) from error


def rebuild_pool_array(version: ModelVersion, name: str, step: Step) -> None:
    """Run the version over the pool again to rebuild one array.

    Remove the array if the version is damaged or of an earlier encoder, or if the array is of an unknown name: pages
    and batches do without it.
    """
    project, path = step.job.project, ProjectFiles(step.job.project).pool(version, name)
    version.refresh_from_db(fields=["damaged"])
    if version.damaged or is_outdated(project, version) or name not in (*ALWAYS, *EXTRAS, "embeddings"):
        store().remove(path)
        return
    model, inputs = scorer_of(project, version)
    inputs = inputs[: rows_predicted(project, version) or None]
    run_over_pool(project, version, model, inputs, [name], progress=step.progress("surveying the pool", of=name))


def rebuild_clustering(step: Step) -> None:
    """Cluster the pool again into new files, by the same version, or by the one in use if that one is damaged."""
    project = step.job.project
    clustering = Clustering.objects.select_related("project", "embedded_by").get(project=project)
    used = in_use(project)
    version = used.version if used is not None and embedder_is_gone(clustering) else clustering.embedded_by
    values = build(step, version, clustering.joined_rows, clustering.generation + 1)
    with step.write():
        Clustering.objects.filter(pk=clustering.pk, generation=clustering.generation).update(**values)


def rebuild_joins(step: Step) -> None:
    """Compute again which clustered row each later row joins."""
    clustering = Clustering.objects.select_related("embedded_by").get(project=step.job.project)
    if is_outdated(step.job.project, clustering.embedded_by):
        rebuild_clustering(step)
        return
    join(step, clustering, np.empty(0, np.int64), clustering.joined_rows)
