"""The files of a project: the name, the check and the rebuild of each.

The project's rows say which files it must have. Checksums are in the .npy files, in archives, in the manifests of model
versions, in the names of items' files, and for the features in rows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from labeling.loop.step import Step
from labeling.models import (
    Clustering,
    ItemImport,
    ModelVersion,
    PredictionRun,
    PredictionSet,
    Project,
    Selection,
    Upload,
)
from labeling.models.files import FileOwner, file_owners
from labeling.outside.references import is_reference
from labeling.steps import rebuild
from labeling.steps.cluster import read_dendrogram, read_joins
from labeling.steps.embed import arrays_of
from labeling.steps.features import load_encoder
from labeling.steps.model_inputs import open_features
from labeling.storage import media
from labeling.storage.arrays import damage, stored
from labeling.storage.arrays.batch_forecast import Sample
from labeling.storage.arrays.features import sums_of
from labeling.storage.arrays.files import ProjectFiles, load_checked
from labeling.storage.arrays.forms import FORMS
from labeling.storage.arrays.stored import Baseline, PoolMap
from labeling.storage.disk.files import FileDamaged, FileMissing, sha256_of_file
from labeling.storage.shared_files import read_whole, store
from models_store import artifact


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a project. `name`: its path below the project's folder, or its whole location.

    `check` reads the whole file and raises `FileDamaged`. `rebuild` rebuilds the file; None if it cannot be rebuilt.
    `version`: the model version that predicts nothing without the file.
    """

    name: str
    check: Callable[[], object]
    rebuild: Callable[[Step], None] | None = None
    version: ModelVersion | None = None


def files_of(project: Project, *, with_media: bool = True) -> Iterator[StoredFile]:
    """Yield all files of the project, in an order in which each is rebuilt from earlier ones."""
    yield from _features(project)
    for version in project.versions.exclude(artifact="").order_by("number"):
        yield _version(project, version)
    yield from _pool(project)
    yield from _clustering(project)
    yield from _surveys(project)
    if with_media:
        yield from _media(project)
    yield from _waiting(project)


def file_named(project: Project, name: str) -> StoredFile | None:
    """Return the project's file of this name, or None. Does not search the items' files."""
    return next((file for file in files_of(project, with_media=False) if file.name == name), None)


def _features(project: Project) -> Iterator[StoredFile]:
    if not project.features_generation:
        return
    files = ProjectFiles(project)
    yield StoredFile(
        files.encoder(project.features_generation).name, lambda: load_encoder(project), rebuild.rebuild_encoder
    )

    def check() -> None:
        # Without the encoder, if possible: it may be damaged itself.
        features = files.stored_features() or open_features(project, load_encoder(project))
        if damaged := features.check(sums_of(project)).damaged:
            raise features.damage(damaged)

    if project.encoded_rows:
        yield StoredFile(files.features(project.features_generation).name, check, rebuild.rebuild_features)


def _version(project: Project, version: ModelVersion) -> StoredFile:
    def check() -> None:
        location = ProjectFiles(project).artifact_at(version.artifact)
        try:
            artifact.check_files(location, digest=version.digest, calibration=version.calibration_at())
        except artifact.ArtifactError as error:
            raise FileDamaged(Path(location), str(error).removeprefix(f"{location}/")) from error

    return StoredFile(version.files, check, version=version)


def _pool(project: Project) -> Iterator[StoredFile]:
    """Yield the arrays of versions that picked a batch or embedded the clustering, and all others in their folders."""
    files = ProjectFiles(project)
    looked = {batch.selected_by_id for batch in project.batches.exclude(selected_by=None)}
    looked |= set(Selection.objects.filter(batch__project=project).values_list("selected_by", flat=True))
    clustering = Clustering.objects.filter(project=project).first()
    for version in project.versions.order_by("number"):
        least = dict.fromkeys(arrays_of(version), files.rows_picked_from(version)) if version.pk in looked else {}
        if clustering is not None and clustering.embedded_by_id == version.pk:
            least["embeddings"] = clustering.rows
        stored_there = (entry.path for entry in store().entries(files.pool(version, "any").parent))
        for name in sorted({path.stem for path in stored_there if path.suffix == ".npy"} | least.keys()):
            yield _pool_array(project, version, name, least.get(name))


def _pool_array(project: Project, version: ModelVersion, name: str, rows: int | None) -> StoredFile:
    """`rows`: those that the array must have at least, if known."""
    files = ProjectFiles(project)

    def check() -> None:
        if name in FORMS:
            files.read(version, name, rows=rows, load=load_checked)
        else:
            load_checked(files.pool(version, name))

    return StoredFile(
        damage.name_of(project, files.pool(version, name)),
        check,
        partial(rebuild.rebuild_pool_array, version, name),
    )


def _clustering(project: Project) -> Iterator[StoredFile]:
    clustering = Clustering.objects.filter(project=project).first()
    if clustering is None:
        return
    files = ProjectFiles(project)
    yield StoredFile(
        files.dendrogram(clustering.generation).name,
        lambda: read_dendrogram(project, clustering),
        rebuild.rebuild_clustering,
    )
    yield StoredFile(
        files.joins(clustering.generation).name,
        lambda: read_joins(project, clustering),
        rebuild.rebuild_joins,
    )


def _surveys(project: Project) -> Iterator[StoredFile]:
    """Yield the existing files of forecasts and maps. A damaged one is removed, and the next batch writes it again."""
    files = ProjectFiles(project)
    kinds: list[tuple[Path, type]] = [(files.sample, Sample), (files.baseline, Baseline)]
    kinds += [(files.map(number), PoolMap) for number in project.batches.values_list("number", flat=True)]
    for path, kind in kinds:
        if store().exists(path):
            check = partial(stored.read_stored, path, kind)
            yield StoredFile(damage.name_of(project, path), check, _removal_of(path))


def _media(project: Project) -> Iterator[StoredFile]:
    names = project.items.exclude(media="").order_by("media").values_list("media", flat=True).distinct()
    for name in names.iterator(chunk_size=2000):
        if not is_reference(name):  # that file is at its source
            yield StoredFile(f"media/{name}", partial(read_whole, media.path_of(name), media.check_file))
        for size in ("preview", "thumbnail"):
            smaller = media.path_of(media.smaller(name, size))
            if not name.endswith(".npy") and store().exists(smaller):
                yield StoredFile(
                    f"media/{media.smaller(name, size)}",
                    partial(read_whole, smaller, media.check_smaller),
                    _removal_of(smaller),
                )


def _waiting(project: Project) -> Iterator[StoredFile]:
    """Yield uploaded files that wait for their import or prediction, and the files that rows own."""
    imports = ItemImport.objects.filter(project=project, owns_file=True)
    paths = {each.path for each in (imports.reading() | imports.failed()) if each.path}
    paths |= set(PredictionRun.objects.filter(project=project).unfinished().values_list("path", flat=True))
    paths |= set(PredictionSet.objects.filter(project=project).unfinished().values_list("path", flat=True))
    for upload in Upload.objects.filter(project=project, path__in=paths):
        path = store().path_of(upload.path)
        yield StoredFile(f"uploads/{path.name}", partial(_check_size, path, upload.bytes))
    for table in file_owners():
        for row in table._default_manager.filter(table.whole, project=project):
            path = ProjectFiles(project).owned(row)
            version = row.version if isinstance(row, PredictionSet) else None
            yield StoredFile(damage.name_of(project, path), partial(_check_owned, path, row), version=version)


def _removal_of(path: Path) -> Callable[[Step], None]:
    """Return the rebuild of a file that pages can do without, or that the next batch writes again: its removal."""
    return lambda step: store().remove(path)


def _check_owned(path: Path, row: FileOwner) -> None:
    _check_size(path, row.size)
    if row.digest and read_whole(path, sha256_of_file) != row.digest:
        raise FileDamaged(path, "checksum mismatch: the file was changed")


def _check_size(path: Path, size: int) -> None:
    try:
        length = store().size(path)
    except FileNotFoundError as error:
        raise FileMissing(path) from error
    if length < size or path.is_dir():
        raise FileDamaged(path, f"it has {length:,} bytes, and not {size:,}")
