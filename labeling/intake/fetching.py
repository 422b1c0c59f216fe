"""Open imports from sources: a file of the source is copied first, and files that are items are read one by one,
or stay there.
"""

from __future__ import annotations

import uuid
from pathlib import Path

from django.conf import settings

from labeling import kinds
from labeling.intake.readers import Layout, Source, UnreadableFile
from labeling.intake.readers.keys_file import KeysSource
from labeling.loop.step import StepFailed
from labeling.models import ItemImport, Project
from labeling.models import Source as Place
from labeling.projects import quota
from labeling.shared_files import StoreAway, store
from labeling.sources import Reason, SourceProblem, remote_of


def fetch(item_import: ItemImport) -> None:
    """Copy the import's file from its source, unless it is here already.

    Raises `SourceProblem`, and `NoRoom` if the project has no room for it.
    """
    path = store().path_of(item_import.path)
    if not item_import.source_key or item_import.source is None or store().exists(path):
        return
    place = item_import.source
    key = "" if place.content == Place.Content.FILE else item_import.source_key
    remote, limit = remote_of(place), settings.MAX_UPLOAD_MB << 20
    size = remote.entry(key).size
    if (size or 0) > limit:
        raise SourceProblem(
            Reason.SIZE, f"{item_import.name} is larger than {settings.MAX_UPLOAD_MB} MB (MAX_UPLOAD_MB). Split it."
        )
    quota.reserve(project=item_import.project, path=path, size=size or 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{uuid.uuid4().hex}.part")  # `sweep` removes what a killed process leaves
    try:
        remote.save(key, draft, limit=limit)
        quota.reserve(project=item_import.project, path=path, size=draft.stat().st_size)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    store().publish(path)


def open_keys(item_import: ItemImport, project: Project) -> Source | None:
    """Return the files that the import's list names; None unless its file is a list."""
    if item_import.source is None or item_import.source_key:
        return None
    return KeysSource(
        store().local(store().path_of(item_import.path)),
        remote_of(item_import.source),
        source_id=item_import.source.pk,
        kind=kinds.of(project),
        name=item_import.name,
        layout=Layout.read(item_import.layout),
        files_stay=item_import.source.by_reference,
    )


def ending(problem: SourceProblem) -> Exception:
    """Return the error that ends the step of an import whose source has this problem.

    A file that has vanished refuses the import. Other lasting problems fail it until a person acts; then it continues.
    """
    if problem.reason in (Reason.FILE, Reason.SIZE):
        return UnreadableFile(str(problem))
    return StoreAway(str(problem)) if problem.passes else StepFailed(str(problem))


def path_for(folder: Path, key: str) -> Path:
    """Return a new path for the copy of a file, with its suffix."""
    return folder / f"{uuid.uuid4().hex}{Path(key).suffix.lower()[:11]}"
