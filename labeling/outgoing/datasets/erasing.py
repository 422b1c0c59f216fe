"""Take items that are removed for good out of all dataset versions.

A version never changes otherwise. Its manifest then names the items, the time and the reasons, and keeps a list of its
earlier digests.
"""

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from django.db import transaction
from django.utils import timezone

from labeling.models import DatasetFile, DatasetVersion, Job, LogKind, Project, Removal
from labeling.observing import auditlog
from labeling.outgoing import layers
from labeling.outgoing.datasets.freeze import publish
from labeling.outgoing.datasets.manifest import counted, seal
from labeling.outgoing.exports.frozen_rows import files_of, manifest_of, paths_of_files
from labeling.projects import quota
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.db.statements import among
from labeling.storage.shared_files import store

NO_REASON = "deleted"


def forget(project: Project, items: Sequence[int]) -> None:
    """Remove the rows of these items from all versions of the project. Call it again after a kill, and never twice at a
    time: it removes the files of a killed call.

    Raises `FileDamaged` or `FileMissing`, and then it has written no file.
    """
    _sweep(project)
    paths_of_files(list(project.dataset_files.all()))
    reasons = dict(Removal.objects.standing().filter(item__in=among(items)).values_list("item", "reason"))
    gone = np.sort(np.array(items, np.int64))
    replacements: dict[str, DatasetFile | None] = {}
    for file in project.dataset_files.all():
        replaced = _without(file, gone)
        if replaced is not file:
            replacements[file.digest] = replaced
    for dataset in project.datasets.whole().defer("manifest") if replacements else ():
        if replacements.keys() & set(dataset.layers):
            _replace(dataset, replacements, reasons, gone)
    if replacements:
        _sweep(project)


def _sweep(project: Project) -> None:
    """Remove files that no version has, and then their rows; and files that a killed step or command left behind."""
    for file in project.dataset_files.exclude(digest__in=_used(project)):
        with transaction.atomic():
            quota.lock_storage(project)  # a step that stores a version holds it, too
            if file.digest not in _used(project):
                store().remove(ProjectFiles(project).owned(file))
                file.delete()
    # In this order: a step that begins later has written none of these files, and one that has ended has its row.
    entries = store().entries(ProjectFiles(project).root / DatasetFile.noun)
    if project.jobs.running().filter(kind__in=(Job.Kind.DATASET, Job.Kind.TRAIN)).exists():
        return  # it may be writing a file that has no row yet
    names = {file.file_name.name for file in project.dataset_files.all()}
    for entry in entries:
        if entry.path.name not in names:
            store().remove(entry.path)


def _used(project: Project) -> set[str]:
    """Return the digests of the files that versions have."""
    return {digest for digests in project.datasets.values_list("layers", flat=True) for digest in digests}


def _without(file: DatasetFile, items: np.ndarray) -> DatasetFile | None:
    """Return a new file without these items, ascending; the file itself if it has none of them, None if no others."""
    [path] = paths_of_files([file])
    if (layers.places_in(items, layers.items_of(path)) < 0).all():
        return file
    draft = path.with_suffix(f".{uuid.uuid4().hex}")
    written = layers.write_layer(draft, layers.without(path, items))
    if not written:
        draft.unlink()
        return None
    new = publish(file.project, draft, written)
    values = {"size": new.size, "rows": new.rows}
    return DatasetFile.objects.get_or_create(project=file.project, digest=new.digest, defaults=values)[0]


def _replace(
    dataset: DatasetVersion,
    replacements: Mapping[str, DatasetFile | None],
    reasons: Mapping[int, str],
    gone: np.ndarray,
) -> None:
    """Give the version the new files, a new manifest and a new digest. Only the last transaction writes."""
    manifest, earlier, now = manifest_of(dataset), files_of(dataset), timezone.now()
    index = layers.index_of(paths_of_files(earlier))
    removed: dict[str, list[int]] = defaultdict(list)
    for item in gone[index.places(gone) >= 0].tolist():
        removed[reasons.get(item) or NO_REASON].append(item)
    files = [file for file in (replacements.get(each.digest, each) for each in earlier) if file is not None]
    entries = [{"items": items, "reason": reason, "removed_at": now} for reason, items in removed.items()]
    rows, n = dataset.rows, sum(map(len, removed.values()))
    before = {"sha256": dataset.digest, "replaced_at": now.isoformat(), "removed": n}
    replaced = [*dataset.replaced, before]
    counts = counted(dataset.project.asks, files)
    seal(dataset, {**manifest, **counts, "removed": [*manifest["removed"], *entries]})
    values = {name: getattr(dataset, name) for name in ("manifest", "digest", "rows", "layers")}
    with transaction.atomic():
        same = DatasetVersion.objects.filter(pk=dataset.pk, digest=before["sha256"])
        if same.update(**values, replaced=replaced):
            auditlog.record(
                LogKind.DATASET_ERASED,
                project=dataset.project,
                subject=f"dataset {dataset.name}",
                before={"sha256": before["sha256"], "rows": rows},
                after={"sha256": dataset.digest, "rows": dataset.rows},
            )
