"""Store a part of an import: its media first, then in one transaction its items, its rejected rows, and the position
that the import has reached.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from django.db import IntegrityError
from django.db.models import F

from labeling import kinds
from labeling.intake.checking import Checked
from labeling.intake.drafts import Draft, Rejection
from labeling.intake.items import NewItem, bytes_of, fingerprint, rows_of
from labeling.intake.label_writing import settle, write_items
from labeling.intake.rejecting import THERE, TWICE, bytes_kept, set_aside
from labeling.intake.rules import Rules
from labeling.labels.items import search
from labeling.loop.step import Step, StepFailed
from labeling.models import ItemImport, Project, Reference
from labeling.outside import references
from labeling.projects import quota
from labeling.storage import media
from labeling.storage.db.long_writes import held_seconds
from labeling.storage.db.statements import marks, rows
from labeling.storage.disk import npy
from labeling.storage.disk.files import is_full


def known_ids(project_id: int, ids: Sequence[str]) -> set[str]:
    """Return those ids that items of the project have."""
    sql = f"SELECT external_id FROM labeling_item WHERE project_id = %s AND external_id IN ({marks(len(ids))})"
    return {name for (name,) in rows(sql, [project_id, *ids], planned_anew=True)} if ids else set()


def without_duplicates(
    project: Project, checked: Checked, places: list[str]
) -> tuple[list[tuple[int, Draft]], list[Rejection]]:
    """Split a chunk into good rows, each with its index in the chunk, and rejections.

    Rows with an id of an existing item or of an earlier row are rejected.
    """
    known = known_ids(project.pk, [name for draft in checked if isinstance(draft, Draft) for name in draft.ids])
    seen: set[str] = set()
    good: list[tuple[int, Draft]] = []
    bad: list[Rejection] = []
    for at, (place, result) in enumerate(zip(places, checked, strict=True)):
        if isinstance(result, Rejection):
            bad.append(result)
        elif not known.isdisjoint(result.ids):
            bad.append(Rejection(place, THERE, result.external_id))
        elif result.external_id in seen:
            bad.append(Rejection(place, TWICE, result.external_id))
        else:
            seen.add(result.external_id)
            good.append((at, result))
    return good, bad


def write_chunk(
    step: Step,
    item_import: ItemImport,
    project: Project,
    checked: Checked,
    rules: Rules,
    places: list[str],
    numbers: list[int],
) -> float:
    """Store one checked chunk of a file. Return the seconds for which others may have waited."""
    block = f"import-{item_import.pk}-{item_import.position}"
    for attempt in range(3):
        good, bad = without_duplicates(project, checked, places)
        items = [NewItem(numbers[at], draft, draft.kept.address if draft.kept else places[at]) for at, draft in good]
        size = media_bytes(draft for _, draft in good)
        # Bytes of a file on the server have no limit: it was named by an operator, who can fill the disk anyway.
        quota.check_room(project, size if item_import.owns_file else 0, items=len(items))
        try:
            _store_media(project, block, [draft for _, draft in good], items)
        except OSError as error:
            raise StepFailed(_media_problem(error)) from error
        kept = references.rows_for(project, [(item.media, item.draft.kept) for item in items if item.draft.kept])
        part = Part(items, rules.indices, numbers, size, kept, bad, rules.vector_length)
        try:
            return write_part(step, item_import, project, part, position=F("position") + len(places))
        except IntegrityError:  # another import has just added one of these ids: check the ids again
            if attempt == 2:
                raise
    raise AssertionError


class Part(NamedTuple):
    """New items, whose media are stored, and what goes into the database with them.

    `numbers`: those of the part's records, also of rejected ones. `media_bytes`: the bytes to count for the media.
    `vector_length`: that of the items, if they are the first vectors of the project.
    """

    items: Sequence[NewItem]
    indices: Mapping[str, int]
    numbers: Sequence[int]
    media_bytes: int
    references: Sequence[Reference]
    rejections: Sequence[Rejection] = ()
    vector_length: int | None = None


def write_part(step: Step, item_import: ItemImport, project: Project, part: Part, **progress: Any) -> float:
    """Write a part of an import or a copy, and its `progress`, in one transaction. Return the seconds for which others
    may have waited.

    Raises `NoRoom`, and `IntegrityError` if another import has added one of the ids.
    """
    items = part.items
    settle(item_import, items, part.indices)
    values = rows_of(project, items, part.indices)
    in_rows = bytes_of(project.asks, values, items) + bytes_kept(item_import, part.rejections)
    began = time.monotonic()
    with step.write():
        labeled = write_items(item_import, items, values, part.indices)
        Reference.objects.bulk_create(part.references)
        search.rewind(project, min(part.numbers))
        if part.vector_length and not project.vector_length:
            _settle_vector_length(project, part.vector_length)
        if items:  # rejections alone are recorded even without room: they are few
            limited = part.media_bytes + in_rows if item_import.owns_file or item_import.is_copy else 0
            quota.check_room(project, limited, items=len(items), lock=True)
        if not item_import.is_copy:  # a copy rejects nothing
            progress |= set_aside(item_import, part.rejections)
        ItemImport.objects.filter(pk=item_import.pk).update(
            accepted=F("accepted") + len(items), labeled=F("labeled") + labeled, **progress
        )
        if part.media_bytes or in_rows:
            quota.count(project, media=part.media_bytes, rows=in_rows)
    held = held_seconds(began)
    counted = ("position", "accepted", "rejected", "rejected_by_reason", "labeled", "copied_up_to", "batch")
    item_import.refresh_from_db(fields=counted)
    return held


def _settle_vector_length(project: Project, length: int) -> None:
    """Set the length of the project's vectors. Raises `StepFailed` if a concurrent import has set another length."""
    if Project.objects.filter(pk=project.pk, vector_length__isnull=True).update(vector_length=length):
        return
    settled = Project.objects.values_list("vector_length", flat=True).get(pk=project.pk)
    if settled != length:
        raise StepFailed(f"The vectors have {length} numbers, those of another import {settled}: only one length fits.")


def media_bytes(drafts: Iterable[Draft]) -> int:
    """Return the bytes to count for the media that `_store_media` writes.

    Equal files are stored once, but count for each of their items: a concurrent import may be writing the same file.
    """
    files, vectors = 0, 0
    for draft in drafts:
        files += draft.file_bytes
        vectors += 0 if draft.vector is None else draft.vector.nbytes
    return files + (vectors and npy.file_bytes(vectors))


def _store_media(project: Project, block_name: str, drafts: list[Draft], items: list[NewItem]) -> None:
    """Write the files, or one block with all vectors of the chunk; set each item's `media` and `fingerprint`."""
    kind = kinds.of(project)
    vectors: list[np.ndarray] = []
    for draft, item in zip(drafts, items, strict=True):
        if draft.file is not None:
            item.media = media.file_name(project.pk, kind.folder, draft.file, draft.suffix)
            media.write_content(item.media, draft.file, preview=draft.preview, thumbnail=draft.thumbnail)
        elif draft.kept is not None:
            item.media = references.name_of(project.pk, draft.kept, draft.external_id, draft.suffix)
        elif draft.vector is not None:
            item.media = f"{project.pk}/vectors/{block_name}.npy"
            item.media_offset = len(vectors)
            vectors.append(draft.vector)
    if any(draft.file is not None for draft in drafts):
        media.flush()
    if vectors:
        media.write_block(f"{project.pk}/vectors/{block_name}.npy", np.stack(vectors))
    for item in items:
        # Fingerprints trace labels: items without a label in a project without privacy need none.
        # The content of a file that stays at its source is not known yet.
        if item.draft.kept is None and (project.privacy_epsilon is not None or item.draft.labels):
            item.fingerprint = fingerprint(kind, item.draft, item.media)


def _media_problem(error: OSError) -> str:
    if is_full(error):
        return "The disk is full. Free some space on the server, then retry."
    return f"The server cannot store media ({error.strerror or error}). Mend that, then retry."
