"""Look at a source, and make imports of what is new there.

A quick look lists what follows the last key that was listed, so it costs as much as there is new. A full look lists all
files, and finds those whose keys sort before it, and files with rows that have changed. Both store their progress
together with the imports that they make, so a killed look continues there, and nothing is imported twice.
"""

import datetime
import uuid
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import Any

from django.db.models import F
from django.utils import timezone

from labeling import kinds
from labeling.intake import fetching, uploads
from labeling.intake.chunk_writing import known_ids
from labeling.intake.guessing import guess
from labeling.intake.readers import Layout, UnreadableFile, has_rows
from labeling.intake.readers.keys_file import REFUSED_FILE, SUFFIX, place_of, write_keys
from labeling.intake.run import rules_of
from labeling.loop.step import Step
from labeling.models import ItemImport, Job, LogKind, Reference, RejectedRow, Source
from labeling.models.imports import AGAIN
from labeling.observing import auditlog
from labeling.outside import references
from labeling.outside.sources import Entry, Reason, Remote, SourceProblem, remote_of
from labeling.projects import quota
from labeling.storage.shared_files import StoreAway, store

PART, FILES = 1000, 100
"""Files that are compared with the database at once; files with rows, which each get an import."""
LIST = 20_000
"""The most files of one import."""
LISTED = 50_000
"""A look stores how far it has come after so many files, at the latest."""
LOOK_SECONDS = 600.0
"""After so long a look stores how far it has come, and other jobs have their turn before it goes on."""
CHECKED_AGAIN = 10
"""The newest files with rows, and as many that were refused, which a quick look checks for a change."""

FORMS = "CSV, TSV, JSONL, JSON, Parquet, Arrow, .xlsx, .npy, .zip or .tar"

REFUSED = ItemImport.State.REFUSED


def look(step: Step) -> None:
    """Look at the source that the job names, quickly or in full, and store the problem if there is one."""
    uploads.sweep()
    source = Source.objects.filter(pk=int(step.job.occasion), paused_at=None).first()
    problem: SourceProblem | UnreadableFile | None = None
    if source is not None:
        try:
            if not _looked(step, source):
                return
        except (SourceProblem, UnreadableFile) as error:
            problem = error
        except quota.NoRoom as error:
            problem = UnreadableFile(str(error.message))
    with step.finish():
        if source is not None:
            _store_end(source, problem)


def _store_end(source: Source, problem: SourceProblem | UnreadableFile | None) -> None:
    now = timezone.now()
    values: dict[str, Any] = {"looked_at": now, "problem": "" if problem is None else str(problem)[:500]}
    if problem is None and source.in_full:
        values |= {"in_full": False, "full_cursor": "", "full_looked_at": now}
        if references.try_again(source.project):
            Job.objects.enqueue(Job.Kind.ENCODE, project=source.project)
    if problem is None and source.problem:  # the look that failed may have set an early next one
        values["next_look_at"] = source.next_after(source.schedule, now)
    elif isinstance(problem, SourceProblem) and problem.passes and source.schedule != Source.Every.OFF:
        values["next_look_at"] = now + AGAIN
    Source.objects.filter(pk=source.pk).update(**values)


def _looked(step: Step, source: Source) -> bool:
    """Return whether the look has come to its end; False if it gave way to other steps."""
    quota.check_room(source.project, 0, items=1)
    remote = remote_of(source)
    if source.layout is None:
        _park_first(step, source, remote)
        return True
    if source.content == Source.Content.FILE:
        entry = remote.entry()
        with step.write():
            _record_in_log(source, _add_files(source, [entry._replace(key=name_of(source.address))]))
        return True
    list_new = _list_items if source.content == Source.Content.MEDIA else _list_files
    return list_new(step, source, remote)


def name_of(address: str) -> str:
    """Return the name of the file at an address."""
    return PurePosixPath(address.partition("?")[0]).name[:1024] or "file"


def _list_files(step: Step, source: Source, remote: Remote) -> bool:
    """Make an import of each new or changed file with rows."""
    if not source.in_full:
        again = list(takewhile(lambda _: not _is_long(step), _checked_again(source, remote)))
        with step.write():
            _record_in_log(source, _add_files(source, again))
    for part in _parts(step, remote, _start(source), FILES):
        with step.write():
            made = _add_files(source, [each for each in part if has_rows(each.key)])
            _advance(source, part[-1].key)
            _record_in_log(source, made)
        if _is_long(step) or step.should_give_way():
            step.give_way()
            return False
    return True


def _checked_again(source: Source, remote: Remote) -> Iterator[Entry]:
    """Yield the present facts about the newest files, which may have grown, and about files that were refused."""
    keys = source.imports.exclude(source_key="").values_list("source_key", flat=True)
    for key in {*keys[:CHECKED_AGAIN], *keys.filter(state=REFUSED)[:CHECKED_AGAIN]}:
        try:
            yield remote.entry(key)
        except SourceProblem as problem:
            if problem.reason not in (Reason.FILE, Reason.REFUSED):
                raise


def _record_in_log(source: Source, made: Sequence[ItemImport]) -> None:
    """Record these imports in the audit log. Call it last in the transaction that makes them."""
    for each in made:
        after = {"import": each.pk, "file": each.name}
        kind, subject = LogKind.ITEMS_IMPORTED, f"source {source.pk}"
        auditlog.record(kind, project=source.project, subject=subject, after=after)


def _add_files(source: Source, entries: Sequence[Entry]) -> list[ItemImport]:
    """Make imports of new or changed files, and return them. A full look takes refused files once more."""
    earlier = source.imports.filter(source_key__in=[each.key for each in entries]).order_by("pk")
    known = {each.source_key: each for each in earlier}
    made = []
    for entry in entries:
        last = known.get(entry.key)
        again = last is None or not mark_of(entry) or last.source_etag != mark_of(entry)
        if again or (last is not None and last.state == REFUSED and source.in_full):
            item_import = _import_of_file(source, entry, layout=source.layout)
            item_import.save()
            Job.objects.enqueue(Job.Kind.IMPORT, project=source.project, cause=item_import)
            made.append(item_import)
    Source.objects.filter(pk=source.pk).update(found=F("found") + len(made))
    return made


def _import_of_file(source: Source, entry: Entry, **facts: Any) -> ItemImport:
    """Return an import of a file of the source, to be saved, with a new path for its copy."""
    path = uploads.folder() / f"{uuid.uuid4().hex}{Path(entry.key).suffix.lower()[:11]}"
    name, mark = uploads.sanitize_filename(entry.key), mark_of(entry)
    return _import_of(source, name, path, source_key=entry.key, source_etag=mark, **facts)


def _import_of(source: Source, name: str, path: Path, **facts: Any) -> ItemImport:
    """Return an import from the source, to be saved, of the file at this path."""
    facts |= {"owns_file": True, "source": source, "created_by": source.created_by}
    return ItemImport(project=source.project, name=name, path=store().recorded(path), **facts)


def mark_of(entry: Entry) -> str:
    """Return a text that changes with the file; "" if the place tells nothing that does."""
    return (entry.etag or (f"{entry.size} {entry.changed}" if entry.changed else ""))[:200]


def _list_items(step: Step, source: Source, remote: Remote) -> bool:
    """Make imports of lists of the files that are not items yet. A full look waits for imports, whose files are not
    items yet: raises `StoreAway`.
    """
    kind, rules = kinds.of(source.project), rules_of(source.project, allow_files=False, blind_ids=True)
    assert rules.id_of
    if source.in_full and not source.full_cursor and source.imports.reading().exists():
        raise StoreAway("The imports of the last look are not done yet.")
    path, n, listed, last = _new_list(), 0, 0, ""
    for part in _parts(step, remote, _start(source), PART):
        files = [each for each in part if not kind.file_problem(each.key) and not is_hidden(each.key)]
        ids = {rules.id_of(place_of(source.pk, each.key)): each for each in files}
        known = {each: ids.pop(each) for each in known_ids(source.project_id, list(ids))}
        if source.by_reference and (changed := references.compared(source, known)):
            with step.write():
                Reference.objects.bulk_update(changed, ["problem"])
        new = _not_rejected(source, list(ids.values()))
        write_keys(path, new)
        n, listed, last = n + len(new), listed + len(part), part[-1].key
        step.report(step.job.facts.phase, 0.0)
        gives_way = _is_long(step) or step.should_give_way()
        if n >= LIST or listed >= LISTED or gives_way:
            _store_list(step, source, path, n, last)
            path, n, listed, last = _new_list(), 0, 0, ""
        if gives_way:
            step.give_way()
            return False
    if last:
        _store_list(step, source, path, n, last)
    return True


def is_hidden(key: str) -> bool:
    return any(part.startswith(".") for part in key.split("/"))


def _new_list() -> Path:
    return uploads.folder() / f"{uuid.uuid4().hex}{SUFFIX}"


def _not_rejected(source: Source, entries: list[Entry]) -> list[Entry]:
    """Leave out files that an import has rejected and that are unchanged since. A file that the source refused stays:
    the source may allow it by now.
    """
    rejected = RejectedRow.objects.filter(item_import__source=source, where__in=[each.key[:300] for each in entries])
    rejected = rejected.exclude(reason__endswith=f"{REFUSED_FILE}.")
    since: dict[str, datetime.datetime] = dict(rejected.values_list("where", "item_import__created_at"))
    return [
        each
        for each in entries
        if each.key[:300] not in since or each.changed is None or each.changed > since[each.key[:300]]
    ]


def _store_list(step: Step, source: Source, path: Path, n: int, last: str) -> None:
    """Make an import of a list of `n` files, and store that the look has come to the key `last`."""
    if n:
        quota.reserve(project=source.project, path=path, size=path.stat().st_size)
        store().publish(path)
    with step.write():
        made = []
        if n:
            files = kinds.of(source.project).plural
            name = f"{source.name}: {n:,} {files if n > 1 else kinds.of(source.project).noun}"
            item_import = _import_of(source, name, path, layout=source.layout, total=n)
            item_import.save()
            Job.objects.enqueue(Job.Kind.IMPORT, project=source.project, cause=item_import)
            made.append(item_import)
        Source.objects.filter(pk=source.pk).update(found=F("found") + n)
        _advance(source, last)
        _record_in_log(source, made)
    if not n:
        path.unlink(missing_ok=True)


def _start(source: Source) -> str:
    return source.full_cursor if source.in_full else source.cursor


def _advance(source: Source, last: str) -> None:
    """Store that the look has come to this key. Call it in the transaction that makes the imports."""
    if source.in_full:
        source.full_cursor = last
    source.cursor = max(source.cursor, last, key=str.encode)
    Source.objects.filter(pk=source.pk).update(cursor=source.cursor, full_cursor=source.full_cursor)


def _parts(step: Step, remote: Remote, after: str, size: int) -> Iterator[list[Entry]]:
    """Yield the list in parts; a part is smaller where the time of the look is over."""
    part = []
    for entry in remote.entries(after):
        if "\0" not in entry.key:  # PostgreSQL does not store NUL
            part.append(entry)
        if len(part) == size or (part and _is_long(step)):
            yield part
            part = []
    if part:
        yield part


def _is_long(step: Step) -> bool:
    return step.seconds > LOOK_SECONDS


def _park_first(step: Step, source: Source, remote: Remote) -> None:
    """Copy the first file with rows, and park it, so that a person chooses the columns for all of them."""
    if source.imports.parked().exists():
        return
    if source.content == Source.Content.FILE:
        entry = remote.entry()._replace(key=name_of(source.address))
    else:
        listed = takewhile(lambda _: not _is_long(step), remote.entries())
        entry = next((each for each in listed if has_rows(each.key)), Entry("", None, None, ""))
    if not entry.key:
        raise SourceProblem(Reason.FILE, f"There is no file with rows at this address yet: {FORMS}.")
    item_import = _import_of_file(source, entry, state=ItemImport.State.PARKED)
    fetching.fetch(item_import)
    path = store().path_of(item_import.path)
    try:
        guessed = guess(store().local(path), rules_of(source.project, allow_files=False), name=item_import.name)
    except UnreadableFile:
        uploads.remove_upload(path)
        raise
    item_import.layout, item_import.columns = Layout.stored(guessed.layout), guessed.shape
    with step.write():
        item_import.save()
