"""Import a file: its records become items, chunk by chunk; bad rows are recorded (`rejecting`). An import of another
project's items copies them in the same way (`labeling.intake.copying`).

The media of a chunk are stored before the transaction that writes the chunk. A killed import continues after the last
written chunk, and stores media that are there already under the same names.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from django.db import IntegrityError
from django.db.models import F
from django.utils import timezone

from labeling import kinds, references
from labeling.db.long_writes import held_seconds
from labeling.db.statements import analyze, marks, rows
from labeling.disk import npy
from labeling.disk.files import is_full
from labeling.intake import copying, fetching
from labeling.intake.checking import Checked, chunks
from labeling.intake.drafts import Draft, Rejection
from labeling.intake.ids import RepeatedIds, hash_of
from labeling.intake.items import NewItem, bytes_of, fingerprint, rows_of
from labeling.intake.label_writing import settle, write_items
from labeling.intake.numbering import numbers_for, settle_sequence
from labeling.intake.readers import Layout, Source, UnreadableFile, open_source
from labeling.intake.rejecting import KEPT, THERE, TWICE, bad_rows, bytes_kept, is_hopeless, set_aside
from labeling.intake.rules import Rules
from labeling.items import search
from labeling.kinds import Kind, media
from labeling.loop.step import Step, StepFailed
from labeling.models import Item, ItemImport, Job, Project
from labeling.projects import quota
from labeling.shared_files import store
from labeling.sources import SourceProblem

# A transaction should not hold up others for longer. It has at least `LEAST_CHUNKS`, even so.
HELD_SECONDS = 0.1
LEAST_CHUNKS = 2
STANDS_OUT = (
    "Annotators can tell gold items whose files are here: they load sooner than items whose files stay at a source. "
    "Use items of the source as gold."
)
# From this number of items on, the import refreshes the database's statistics each time the number has doubled.
FEW = 1000


class ChunkSize:
    """The records of the next chunk: as many as others can wait for. A transaction writes most pages of a growing table
    however few rows it adds, so large chunks write less.
    """

    def __init__(self, kind: Kind) -> None:
        self._chunk, self._most = kind.chunk, kind.chunks_at_once
        self._chunks = min(LEAST_CHUNKS, self._most)

    def records(self) -> int:
        return self._chunks * self._chunk

    def adapt(self, seconds: float) -> None:
        """Set the size after a chunk for which others may have waited `seconds`."""
        if seconds > HELD_SECONDS:
            self._chunks = max(self._chunks // 2, min(LEAST_CHUNKS, self._most))
        elif seconds < HELD_SECONDS / 2:
            self._chunks = min(2 * self._chunks, self._most)


def import_items(step: Step) -> None:
    """Import the job's file, or record the reason why the import was refused."""
    item_import, project = step.job.item_import, step.job.project
    ItemImport.objects.filter(pk=item_import.pk).update(state=ItemImport.State.RUNNING)
    media.remove_drafts(project.pk)
    try:
        if item_import.is_copy:
            if copying.copy_parts(step, item_import):
                _end(step, item_import)
        else:
            _import_file(step, item_import, project)
    except (UnreadableFile, OSError) as error:
        _refuse(step, item_import, str(error))
    except quota.NoRoom as error:
        _refuse(step, item_import, str(error.message))
    if step.finished and item_import.owns_file:
        quota.discard(store().path_of(item_import.path))


def _import_file(step: Step, item_import: ItemImport, project: Project) -> None:
    try:
        fetching.fetch(item_import)
        with _opened(item_import, project) as source:
            _import_from(step, source, item_import, project)
    except SourceProblem as problem:
        raise fetching.ending(problem) from problem


def _opened(item_import: ItemImport, project: Project) -> Source:
    if (keys := fetching.open_keys(item_import, project)) is not None:
        return keys
    truth = Path(item_import.truth_path) if item_import.truth_path else None
    return open_source(
        store().local(store().path_of(item_import.path)),
        kind=project.kind,
        truth_path=truth,
        name=item_import.name,
        layout=Layout.read(item_import.layout),
    )


def _import_from(step: Step, source: Source, item_import: ItemImport, project: Project) -> None:
    # Only rows of a file on the server, or of a source, may name files beside it; an upload has none beside it.
    rules = rules_of(project, allow_files=not item_import.owns_file, blind_ids=True)
    rules = fetching.rules_at(item_import, replace(rules, smaller=True))
    if item_import.total is None and source.total is not None:
        ItemImport.objects.filter(pk=item_import.pk).update(total=source.total)
    if item_import.strict and item_import.position == 0 and not _all_good(step, source, item_import, project, rules):
        return
    report = step.progress("importing", of=item_import.name)
    estimate = source.estimate
    chunk_size = ChunkSize(kinds.of(project))
    for places, checked, learned in chunks(source, rules, skip=item_import.position, most=chunk_size.records):
        numbers = numbers_for(item_import, len(places), estimate=estimate)
        before = item_import.accepted
        seconds = _write_chunk(step, item_import, project, checked, learned, places, numbers)
        if item_import.accepted - before > len(places) // 2:  # bad rows take no time
            chunk_size.adapt(seconds)
        if (before // FEW).bit_length() < (item_import.accepted // FEW).bit_length():  # the number has doubled
            analyze(Item._meta.db_table)
        report(source.position())
        if is_hopeless(item_import):
            _refuse(step, item_import, _hopeless_reason(item_import, places[-1]))
            return
        if step.should_give_way():
            step.give_way()
            return
    if item_import.position and bad_rows(item_import) == item_import.position:
        _refuse(step, item_import, _all_bad_reason(item_import))
    else:
        _end(step, item_import)


def _all_bad_reason(item_import: ItemImport) -> str:
    first = item_import.rejected_rows.first()
    assert first is not None
    rows = "its only row is" if item_import.position == 1 else f"all {item_import.position:,} rows are"
    return f"Nothing was imported: {rows} bad. {first.where.capitalize()}: {first.reason}"


def _hopeless_reason(item_import: ItemImport, last: str) -> str:
    rows = f"{bad_rows(item_import):,} of its first {item_import.position:,} rows are bad"
    return f"The import stopped behind {last}: {rows}. See the reasons, mend the file, then import it again."


def _end(step: Step, item_import: ItemImport) -> None:
    """Finish the import, and enqueue the job that encodes its items."""
    with step.finish():
        settle_sequence()
        notice = STANDS_OUT if item_import.accepted and references.gold_stands_out(step.job.project) else ""
        ItemImport.objects.filter(pk=item_import.pk).update(
            state=ItemImport.State.DONE, finished_at=timezone.now(), reason=notice
        )
        if item_import.accepted:
            references.try_again(step.job.project)
            Job.objects.enqueue(Job.Kind.ENCODE, project=step.job.project)


def rules_of(project: Project, *, allow_files: bool, with_truth: bool = True, blind_ids: bool = False) -> Rules:
    """Return the rules for the rows of this project. Without `with_truth`, labels and known answers in rows are
    ignored.

    With `blind_ids`, a row without an id gets an id that does not reveal the row's place, for annotators see the id.
    """
    return Rules(
        kind=project.kind,
        question=project.asks,
        classes=tuple(project.classes.order_by("index").values_list("name", flat=True)),
        vector_length=project.vector_length,
        allow_files=allow_files,
        with_truth=with_truth,
        id_of=blind_ids_of(project) if blind_ids else None,
        # Imports by earlier releases reserved no numbers, and named items after their places.
        knows_places=blind_ids and project.imports.filter(first_number__isnull=True, accepted__gt=0).exists(),
    )


def blind_ids_of(project: Project) -> Callable[[str], str]:
    """Return a function from a row's place in its file to an id: a keyed hash of 80 bits, which does not reveal the
    place.
    """
    keyed = project.keyed_by("id")
    return lambda place: keyed(place)[:10].hex()


def _all_good(step: Step, source: Source, item_import: ItemImport, project: Project, rules: Rules) -> bool:
    """Return the first of the two passes of a strict import: refuse the file, and return False, if any row is bad."""
    report = step.progress("checking", of=item_import.name)
    ids = RepeatedIds()
    rejections: list[Rejection] = []
    size = 0
    for places, checked, _ in chunks(source, rules):
        good, bad = _without_duplicates(project, checked, places)
        size += _media_bytes(draft for _, draft in good)
        ids.add(draft.external_id for _, draft in good)
        rejections += bad[: KEPT - len(rejections)]
        report(source.position())
        if len(rejections) == KEPT:
            break
    if not rejections and (repeated := ids.repeated()):
        rejections = _repetitions(source, rules, repeated)
    if not rejections:
        if item_import.owns_file:
            quota.check_room(project, size)
        return True
    first = rejections[0]
    number = f"{KEPT:,} or more" if len(rejections) == KEPT else len(rejections)
    rows = "bad row" if len(rejections) == 1 else "bad rows"
    reason = f"Nothing was imported: {number} {rows}, the first at {first.where}: {first.reason}"
    _refuse(step, item_import, reason, rejections)
    return False


def _repetitions(source: Source, rules: Rules, repeated: frozenset[int]) -> list[Rejection]:
    """Return the rows that repeat an id with one of these hashes. Reads the file once more."""
    seen: set[str] = set()
    repetitions: list[Rejection] = []
    for places, checked, _ in chunks(source, rules):
        for place, result in zip(places, checked, strict=True):
            if isinstance(result, Draft) and hash_of(result.external_id) in repeated:
                if result.external_id in seen:
                    repetitions.append(Rejection(place, TWICE, result.external_id))
                seen.add(result.external_id)
        if len(repetitions) >= KEPT:
            break
    return repetitions[:KEPT]


def known_ids(project_id: int, ids: Sequence[str]) -> set[str]:
    """Return those ids that items of the project have."""
    sql = f"SELECT external_id FROM labeling_item WHERE project_id = %s AND external_id IN ({marks(len(ids))})"
    return {name for (name,) in rows(sql, [project_id, *ids], planned_anew=True)} if ids else set()


def _without_duplicates(
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


def _write_chunk(
    step: Step,
    item_import: ItemImport,
    project: Project,
    checked: Checked,
    rules: Rules,
    places: list[str],
    numbers: list[int],
) -> float:
    """Store one chunk: media first, then items, rejected rows and the new position in one transaction. Return the
    seconds for which others may have waited.
    """
    indices = {name: index for index, name in enumerate(rules.classes)}
    block = f"import-{item_import.pk}-{item_import.position}"
    for attempt in range(3):
        good, bad = _without_duplicates(project, checked, places)
        items = [NewItem(numbers[at], draft, draft.kept.address if draft.kept else places[at]) for at, draft in good]
        size = _media_bytes(draft for _, draft in good)
        # A file on the server is counted without a limit: it was named by an operator, who can fill the disk anyway.
        if item_import.owns_file:
            quota.check_room(project, size)
        try:
            _store_media(project, block, [draft for _, draft in good], items)
        except OSError as error:
            raise StepFailed(_media_problem(error)) from error
        try:
            settle(item_import, items, indices)
            values = rows_of(project, items, indices)
            in_rows = bytes_of(values, items) + bytes_kept(item_import, bad)
            began = time.monotonic()
            with step.write():
                labeled = write_items(item_import, items, values, indices)
                references.insert(project, [(item.media, item.draft.kept) for item in items if item.draft.kept])
                search.rewind(project, min(numbers))
                if rules.vector_length and not project.vector_length:
                    _settle_vector_length(project, rules.vector_length)
                ItemImport.objects.filter(pk=item_import.pk).update(
                    position=F("position") + len(places),
                    accepted=F("accepted") + len(items),
                    labeled=F("labeled") + labeled,
                    **set_aside(item_import, bad),
                )
                if item_import.owns_file and items:  # rejections alone are recorded even without room: they are few
                    quota.check_room(project, size + in_rows, lock=True)
                if size or in_rows:
                    quota.count(project, media=size, rows=in_rows)
        except IntegrityError:  # another import has just added one of these ids: check the ids again
            if attempt == 2:
                raise
        else:
            break
    held = held_seconds(began)
    item_import.refresh_from_db(fields=["position", "accepted", "rejected", "rejected_by_reason", "labeled"])
    return held


def _settle_vector_length(project: Project, length: int) -> None:
    """Set the length of the project's vectors. Raises `StepFailed` if a concurrent import has set another length."""
    if Project.objects.filter(pk=project.pk, vector_length__isnull=True).update(vector_length=length):
        return
    settled = Project.objects.values_list("vector_length", flat=True).get(pk=project.pk)
    if settled != length:
        raise StepFailed(f"The vectors have {length} numbers, those of another import {settled}: only one length fits.")


def _media_bytes(drafts: Iterable[Draft]) -> int:
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
            media.write(item.media, draft.file, preview=draft.preview, thumbnail=draft.thumbnail)
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


def _refuse(step: Step, item_import: ItemImport, reason: str, rejections: Sequence[Rejection] = ()) -> None:
    """Refuse the rest of the file, with a reason. Items that are imported already stay, and are encoded."""
    with step.finish():
        quota.count(step.job.project, rows=bytes_kept(item_import, rejections))
        if item_import.accepted:
            items = "item before that is" if item_import.accepted == 1 else "items before that are"
            reason = f"The {item_import.accepted:,} {items} imported. {reason}"
            Job.objects.enqueue(Job.Kind.ENCODE, project=step.job.project)
        ItemImport.objects.filter(pk=item_import.pk).update(
            state=ItemImport.State.REFUSED,
            reason=reason[:500],
            finished_at=timezone.now(),
            **set_aside(item_import, rejections),
        )
