"""Import a file: its records become items, chunk by chunk; bad rows are recorded (`rejecting`). An import of another
project's items copies them in the same way (`labeling.intake.copying`).

The media of a chunk are stored before the transaction that writes the chunk. A killed import continues after the last
written chunk, and stores media that are there already under the same names.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from django.utils import timezone

from labeling import kinds
from labeling.intake import copying, fetching, new_classes
from labeling.intake.checking import chunks
from labeling.intake.chunk_writing import media_bytes, without_duplicates, write_chunk
from labeling.intake.drafts import Draft, Rejection
from labeling.intake.items import numbers_for, settle_sequence
from labeling.intake.readers import Layout, Source, UnreadableFile, open_source
from labeling.intake.rejecting import KEPT, TWICE, bad_rows, bytes_kept, is_hopeless, set_aside
from labeling.intake.rules import Rules
from labeling.kinds import Kind
from labeling.loop.step import Step
from labeling.models import Item, ItemImport, Job, Project
from labeling.outside import references
from labeling.outside.sources import SourceProblem
from labeling.projects import quota
from labeling.queue import gold
from labeling.storage import media
from labeling.storage.db.statements import analyze
from labeling.storage.shared_files import store

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
        raise fetching.error_that_ends(problem) from problem


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
    if source.layout.adds_classes and not item_import.position:
        step.progress("adding classes", of=item_import.name)(0.0)
        user = item_import.created_by
        if new_classes.add_from(source, project=project, user=user, rules=rules):
            classes = tuple(project.classes.order_by("index").values_list("name", flat=True))
            rules = replace(rules, classes=classes)
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
        seconds = write_chunk(step, item_import, project, checked, learned, places, numbers)
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
        notice = _gold_notice(step.job.project) if item_import.accepted else ""
        ItemImport.objects.filter(pk=item_import.pk).update(
            state=ItemImport.State.DONE, finished_at=timezone.now(), reason=notice
        )
        if item_import.accepted:
            references.try_again(step.job.project)
            Job.objects.enqueue(Job.Kind.ENCODE, project=step.job.project)


def _gold_notice(project: Project) -> str:
    """Return what managers should know about the project's gold items, "" for nothing."""
    unasked = gold.why_not_asked(project) if project.show_suggestions else ""
    return " ".join(filter(None, [STANDS_OUT if references.gold_stands_out(project) else "", unasked]))


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
    """Return a function from a row's place to an id: a keyed hash of 80 bits, which does not reveal the place."""
    keyed = project.keyed_by("id")
    return lambda place: keyed(place)[:10].hex()


def _all_good(step: Step, source: Source, item_import: ItemImport, project: Project, rules: Rules) -> bool:
    """Return the first of the two passes of a strict import: refuse the file, and return False, if any row is bad."""
    report = step.progress("checking", of=item_import.name)
    ids = array("Q")  # their hashes: eight bytes each
    rejections: list[Rejection] = []
    size = items = 0
    for places, checked, _ in chunks(source, rules):
        good, bad = without_duplicates(project, checked, places)
        size += media_bytes(draft for _, draft in good)
        items += len(good)
        ids.extend(hash_of(draft.external_id) for _, draft in good)
        rejections += bad[: KEPT - len(rejections)]
        report(source.position())
        if len(rejections) == KEPT:
            break
    if not rejections and (repeated := repeated_in(ids)):
        rejections = _repetitions(source, rules, repeated)
    if not rejections:
        quota.check_room(project, size if item_import.owns_file else 0, items=items)
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


def hash_of(external_id: str) -> int:
    """Return a 64-bit hash of the id, the same in every process."""
    return int.from_bytes(hashlib.blake2b(external_id.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def repeated_in(hashes: array[int]) -> frozenset[int]:
    """Return the hashes that occur more than once. Ten million different ids have two equal hashes by chance in 3 of a
    million files.

    >>> repeated_in(array("Q", [3, 5, 3]))
    frozenset({3})
    """
    ordered = np.array(hashes, dtype=np.uint64)
    ordered.sort()
    return frozenset(ordered[1:][ordered[1:] == ordered[:-1]].tolist())


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
        item_import.tell_of_failure()
