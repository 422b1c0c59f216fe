"""Take items that are removed for good out of all dataset versions.

A version never changes otherwise. Its manifest then names the items, the time and the reasons, and keeps a list of its
earlier digests.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from django.db import transaction
from django.utils import timezone

from labeling.arrays.files import ProjectFiles
from labeling.models import DatasetFile, DatasetVersion, Project, Removal
from labeling.outgoing import layers
from labeling.outgoing.datasets.freeze import publish
from labeling.outgoing.datasets.manifest import counted, seal
from labeling.outgoing.exports.frozen_rows import manifest_of, paths_of_files
from labeling.shared_files import store

NO_REASON = "deleted"
# No step writes a file for longer.
LEFT_BEHIND_SECONDS = 24 * 3600


def forget(project: Project, items: Sequence[int]) -> None:
    """Remove the rows of these items from all versions of the project. Call it again after a kill."""
    _sweep(project)
    reasons = dict(Removal.objects.standing().filter(item__in=items).values_list("item", "reason"))
    replacements: dict[str, DatasetFile | None] = {}
    for file in project.dataset_files.all():
        replaced = _without(file, np.array(items))
        if replaced is not file:
            replacements[file.digest] = replaced
    if not replacements:
        return
    with transaction.atomic():
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        for file in filter(None, replacements.values()):
            values = {"size": file.size, "rows": file.rows}
            DatasetFile.objects.get_or_create(project=project, digest=file.digest, defaults=values)
        for dataset in project.datasets.whole():
            if replacements.keys() & set(dataset.layers):
                _replace(dataset, replacements, reasons, items)
    _sweep(project)


def _sweep(project: Project) -> None:
    """Remove files that no version has, and then their rows; and files that a killed step left behind."""
    used = {digest for digests in project.datasets.values_list("layers", flat=True) for digest in digests}
    for file in project.dataset_files.exclude(digest__in=used):
        store().remove(ProjectFiles(project).owned(file))
        file.delete()
    names = {file.file_name.name for file in project.dataset_files.all()}
    for entry in store().entries(ProjectFiles(project).root / DatasetFile.noun):
        if entry.path.name not in names and entry.written_at < time.time() - LEFT_BEHIND_SECONDS:
            store().remove(entry.path)


def _without(file: DatasetFile, items: np.ndarray) -> DatasetFile | None:
    """Return a new file without the rows of these items; the file itself if it has none, None if it has no others."""
    paths = paths_of_files([file])
    if not len(np.intersect1d(layers.items_of(paths[0]), items)):
        return file
    gone = set(items.tolist())
    rows = ([row for row in page if row.item not in gone] for page in layers.stored_rows(paths, keep_gone=True))
    draft = paths[0].with_suffix(".draft")
    written = layers.write(draft, rows)
    if not written:
        draft.unlink()
        return None
    return publish(file.project, draft, written)


def _replace(
    dataset: DatasetVersion,
    replacements: Mapping[str, DatasetFile | None],
    reasons: Mapping[int, str],
    items: Sequence[int],
) -> None:
    """Give the version the new files, a new manifest and a new digest."""
    manifest = manifest_of(dataset)
    had = set(layers.index_of(paths_of_files([_file(dataset, digest) for digest in dataset.layers])).items.tolist())
    now = timezone.now()
    removed: list[dict[str, Any]] = [
        {"item": item, "reason": reasons.get(item) or NO_REASON, "removed_at": now} for item in items if item in had
    ]
    files = [replacements.get(digest, _file(dataset, digest)) for digest in dataset.layers]
    left = [file for file in files if file is not None]
    index = layers.index_of(paths_of_files(left))
    dataset.replaced = [
        *dataset.replaced,
        {"sha256": dataset.digest, "replaced_at": now.isoformat(), "removed": len(removed)},
    ]
    seal(dataset, {**manifest, **counted(index, left), "removed": [*manifest["removed"], *removed]})
    dataset.save(update_fields=["manifest", "digest", "rows", "layers", "replaced"])


def _file(dataset: DatasetVersion, digest: str) -> DatasetFile:
    return dataset.project.dataset_files.get(digest=digest)
