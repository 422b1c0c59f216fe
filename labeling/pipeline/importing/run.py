"""Import: a file's records become items, chunk by chunk; bad rows are set aside with the reason.

Media of a chunk are stored before the transaction that counts the chunk. Killed anywhere, the import goes on behind the
last chunk that counted, and stores the same media under the same names.
"""

from __future__ import annotations

import errno
import hashlib
import io
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from django.db import IntegrityError
from django.db.models import F
from django.utils import timezone

from labeling import media
from labeling.labels import parse
from labeling.models import Item, ItemImport, Job, Project, RejectedRow
from labeling.pipeline.importing.readers import Source, UnreadableFile, open_source
from labeling.pipeline.importing.rows import Draft, Rejection, Rules, check
from labeling.pipeline.step import Step, StepFailed

CHUNK = 500
# Images are held in memory until their chunk is stored.
IMAGE_CHUNK = 100

Checked = list[Draft | Rejection]
T = TypeVar("T")


def import_items(step: Step) -> None:
    """Take the job's file in, or refuse it as a whole with a reason."""
    item_import, project = step.job.item_import, step.job.project
    assert item_import is not None
    ItemImport.objects.filter(pk=item_import.pk).update(state=ItemImport.State.RUNNING)
    try:
        with _opened(item_import, project) as source:
            _import_from(step, source, item_import, project)
    except (UnreadableFile, OSError) as error:
        _refuse(step, item_import, str(error))
    if step.finished and item_import.owns_file:
        Path(item_import.path).unlink(missing_ok=True)


def _opened(item_import: ItemImport, project: Project) -> Source:
    truth = Path(item_import.truth_path) if item_import.truth_path else None
    return open_source(Path(item_import.path), kind=project.kind, truth_path=truth, name=item_import.name)


def _import_from(step: Step, source: Source, item_import: ItemImport, project: Project) -> None:
    # Only a file that lies on this machine may name image files beside it; an upload brings its own.
    rules = rules_of(project, allow_image_files=not item_import.owns_file)
    if item_import.total is None and source.total is not None:
        ItemImport.objects.filter(pk=item_import.pk).update(total=source.total)
    if item_import.strict and item_import.position == 0 and not _all_good(step, source, item_import, project, rules):
        return
    report = step.progress(f"importing {item_import.name}")
    size = IMAGE_CHUNK if project.kind == Project.Kind.IMAGE else CHUNK
    for records in _chunks(source.records(skip=item_import.position), size):
        checked, rules = _check_all(records, rules, source)
        _write_chunk(step, item_import, project, checked, rules, records)
        report(source.position())
        if step.should_give_way():
            step.give_way()
            return
    with step.finish():
        ItemImport.objects.filter(pk=item_import.pk).update(state=ItemImport.State.DONE, finished_at=timezone.now())
        if item_import.accepted:
            Job.objects.enqueue(Job.Kind.ENCODE, project=project)


def rules_of(project: Project, *, allow_image_files: bool) -> Rules:
    """What a row of this project must look like."""
    return Rules(
        kind=project.kind,  # type: ignore[arg-type]  # one of the choices, which are the same words
        question=project.question,  # type: ignore[arg-type]
        classes=tuple(project.classes.order_by("index").values_list("name", flat=True)),
        vector_length=project.vector_length,
        allow_image_files=allow_image_files,
    )


def _check_all(records: Iterable[Any], rules: Rules, source: Source) -> tuple[Checked, Rules]:
    """Check the records; the first good vector sets the length of all that follow."""
    checked: Checked = []
    for record in records:
        result = check(record, rules, source)
        if isinstance(result, Draft) and result.vector is not None and rules.vector_length is None:
            rules = replace(rules, vector_length=len(result.vector))
        checked.append(result)
    return checked, rules


def _all_good(step: Step, source: Source, item_import: ItemImport, project: Project, rules: Rules) -> bool:
    """The first of the two passes of a strict import: refuse the file if any row is bad."""
    report = step.progress(f"checking {item_import.name}")
    seen: set[str] = set()
    rejections: list[Rejection] = []
    for records in _chunks(source.records(), CHUNK):
        checked, rules = _check_all(records, rules, source)
        _, bad = _without_duplicates(project, checked, records, seen)
        rejections += bad[: max(0, 1000 - len(rejections))]
        report(source.position())
    if not rejections:
        return True
    first = rejections[0]
    _refuse(
        step,
        item_import,
        f"Nothing was imported: {len(rejections)} bad rows, the first at {first.where}: {first.reason}",
        rejections,
    )
    return False


def _without_duplicates(
    project: Project, checked: Checked, records: list[Any], seen: set[str] | None = None
) -> tuple[list[tuple[Draft, str]], list[Rejection]]:
    """Split into what can go in, with its place in the file, and what cannot; ids that are there are refused."""
    ids = [draft.external_id for draft in checked if isinstance(draft, Draft)]
    known = set(project.items.filter(external_id__in=ids).values_list("external_id", flat=True))
    seen = set() if seen is None else seen
    good: list[tuple[Draft, str]] = []
    bad: list[Rejection] = []
    for record, result in zip(records, checked, strict=True):
        if isinstance(result, Rejection):
            bad.append(result)
        elif result.external_id in known:
            bad.append(Rejection(record.where, "The project already has an item with this id.", result.external_id))
        elif result.external_id in seen:
            bad.append(Rejection(record.where, "This id occurs twice in the file.", result.external_id))
        else:
            seen.add(result.external_id)
            good.append((result, record.where))
    return good, bad


def _write_chunk(
    step: Step, item_import: ItemImport, project: Project, checked: Checked, rules: Rules, records: list[Any]
) -> None:
    """Store one chunk: media first, then items, rejected rows and the new position in one transaction."""
    indices = {name: index for index, name in enumerate(rules.classes)}
    number = item_import.position
    for attempt in range(3):
        good, bad = _without_duplicates(project, checked, records)
        items = [_item(project, draft, source, indices) for draft, source in good]
        try:
            _store_media(project, f"import-{item_import.pk}-{number}", [draft for draft, _ in good], items)
        except OSError as error:
            raise StepFailed(_storing_problem(error)) from error
        try:
            with step.write():
                Item.objects.bulk_create(items)
                _set_aside(item_import, bad)
                if rules.vector_length and not project.vector_length:
                    Project.objects.filter(pk=project.pk).update(vector_length=rules.vector_length)
                ItemImport.objects.filter(pk=item_import.pk).update(
                    position=F("position") + len(records),
                    accepted=F("accepted") + len(items),
                    rejected=F("rejected") + len(bad),
                )
        except IntegrityError:  # another import has just brought one of these ids: look again
            if attempt == 2:
                raise
        else:
            break
    item_import.refresh_from_db(fields=["position", "accepted", "rejected"])


def _item(project: Project, draft: Draft, source: str, indices: dict[str, int]) -> Item:
    key = control_key(project, draft.external_id)
    truth = draft.truth
    return Item(
        project=project,
        external_id=draft.external_id,
        source=source[:300],
        data=draft.data,
        truth=None if truth is None else parse(truth, question=project.question, indices=indices),
        proposed=None if draft.proposed is None else indices[draft.proposed],
        control_key=key,
        is_control=key < project.control_share,
    )


def control_key(project: Project, external_id: str) -> float:
    """The item's place in the project's random permutation, uniform in [0, 1): fixed, and the same on every machine."""
    digest = hashlib.sha256(f"{project.seed}/control/{external_id}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _store_media(project: Project, block_name: str, drafts: list[Draft], items: list[Item]) -> None:
    """Write the images, or one block with all vectors of the chunk, and tell the items where they are."""
    vectors: list[np.ndarray] = []
    for draft, item in zip(drafts, items, strict=True):
        if draft.image is not None:
            item.media = media.image_name(project.pk, draft.image, draft.image_suffix)
            media.write(item.media, draft.image)
        elif draft.vector is not None:
            item.media = f"{project.pk}/vectors/{block_name}.npy"
            item.media_offset = len(vectors)
            vectors.append(draft.vector)
    if items and not vectors:
        media.flush()
    if vectors:
        buffer = io.BytesIO()
        np.save(buffer, np.stack(vectors).astype(np.float32), allow_pickle=False)
        # Replaced, not kept: an attempt that did not count may have held other rows.
        media.replace_file(media.path_of(f"{project.pk}/vectors/{block_name}.npy"), buffer.getvalue())


def _storing_problem(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "The disk is full. Free some space on the server, then retry."
    return f"The server cannot store media ({error.strerror or error}). Mend that, then retry."


def _set_aside(item_import: ItemImport, rejections: Iterable[Rejection]) -> None:
    RejectedRow.objects.bulk_create(
        RejectedRow(item_import=item_import, where=r.where[:300], reason=r.reason[:500], excerpt=r.excerpt[:200])
        for r in rejections
    )


def _chunks(records: Iterator[T], size: int) -> Iterator[list[T]]:
    while chunk := list(itertools.islice(records, size)):
        yield chunk


def _refuse(step: Step, item_import: ItemImport, reason: str, rejections: Iterable[Rejection] = ()) -> None:
    """End the import without taking in any (more) of it."""
    with step.finish():
        _set_aside(item_import, rejections)
        ItemImport.objects.filter(pk=item_import.pk).update(
            state=ItemImport.State.REFUSED,
            reason=reason[:500],
            rejected=RejectedRow.objects.filter(item_import=item_import).count(),
            finished_at=timezone.now(),
        )
