"""Open imports from sources: a file of the source is copied first, and files that are items are read one by one,
or stay there.
"""

import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import PurePosixPath
from urllib.parse import unquote

from django.conf import settings

from labeling import kinds
from labeling.intake.drafts import Draft
from labeling.intake.readers import Layout, Source, UnreadableFile
from labeling.intake.readers.base import SourceFile, inside
from labeling.intake.readers.keys_file import KeysSource, bad_files, place_of
from labeling.intake.rules import Rules
from labeling.kinds import BadFile, FileKind, KeptAtSource
from labeling.kinds.wording import printable
from labeling.loop.step import StepFailed
from labeling.models import ItemImport, Project
from labeling.models import Source as SourceRow
from labeling.outside.references.fetching import read_for, remote_of_files
from labeling.outside.sources import Reason, SourceProblem, remote_of
from labeling.projects import quota
from labeling.storage.shared_files import StoreAway, store


def fetch(item_import: ItemImport) -> None:
    """Copy the import's file from its source, unless it is here already.

    Raises `SourceProblem`, and `NoRoom` if the project has no room for it.
    """
    path = store().path_of(item_import.path)
    if not item_import.source_key or item_import.source is None or store().exists(path):
        return
    source = item_import.source
    key = "" if source.content == SourceRow.Content.FILE else item_import.source_key
    remote, limit = remote_of(source), settings.MAX_UPLOAD_MB << 20
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
    path, layout = store().local(store().path_of(item_import.path)), Layout.read(item_import.layout)
    file = SourceFile(path, kinds.of(project), item_import.name, layout=layout)
    source = item_import.source
    return KeysSource(file, remote_of(source), source_id=source.pk, files_stay=source.by_reference)


def rules_at(item_import: ItemImport, rules: Rules, *, person: int | None = None) -> Rules:
    """Return the rules for the rows of a file of a source: they may name files there, and those without an id get
    other ids than the rows of other files with the same name. The rules of other imports stay as they are.

    `person`: the id of the person who waits for the rows, if one does.
    """
    id_of, key = rules.id_of, item_import.source_key
    if item_import.source is None or not key or id_of is None:
        return rules
    place = place_of(item_import.source.pk, key)
    return replace(rules, files_at=_files_at(item_import, person), id_of=lambda row: id_of(f"{place}: {row}"))


def _files_at(item_import: ItemImport, person: int | None) -> Callable[[str], bytes | KeptAtSource] | None:
    """Return the function from a file that a row names to its content, or to its place if files stay at the source;
    None if items have no files.

    Rows name files by addresses, or by paths from the folder of the file with the rows. The function raises `BadFile`
    and `SourceProblem`.
    """
    source, kind = item_import.source, kinds.of(item_import.project)
    if source is None or not isinstance(kind, FileKind):
        return None
    base = f"{source.files_address}/"
    folder = "" if source.content == SourceRow.Content.FILE else PurePosixPath(item_import.source_key).parent.as_posix()

    def find(name: str) -> KeptAtSource:
        path = f"{folder}/{name}".removeprefix("/")
        if "://" in name[:20]:
            if not name.startswith(base):
                raise BadFile(f"is not at this source: name a file below {base}")
            path = name.removeprefix(base)
            path = unquote(path.partition("?")[0]) if base.startswith("http") else path
        key = inside(path)
        if not key:
            raise BadFile("is named by a path outside of the source: give a path within it")
        return KeptAtSource(source.pk, key, base + key)

    def read(name: str) -> bytes:
        key = find(name).key
        with bad_files(kind.most_bytes, f"is missing: there is no file {printable(key)} at the source"):
            if person is not None:
                return read_for(person, source, key, limit=kind.most_bytes)
            return remote().read(key, limit=kind.most_bytes)

    remote = cache(lambda: remote_of_files(source))
    return find if source.by_reference else read


def with_picture(item_import: ItemImport, item: Draft, *, person: int) -> Draft:
    """Return the item with its file, read at the source for this person, if it is there and can be read."""
    kind = kinds.of(item_import.project)
    if item.kept is None or item_import.source is None or not isinstance(kind, FileKind):
        return item
    with suppress(SourceProblem):
        content = read_for(person, item_import.source, item.kept.key, limit=kind.most_bytes)
        [file] = kind.open([content], smaller=True)
        if not isinstance(file, BadFile):
            return item._replace(file=file.content, suffix=file.suffix, thumbnail=file.thumbnail)
    return item


def error_that_ends(problem: SourceProblem) -> Exception:
    """Return the error that ends the step of an import whose source has this problem.

    A file that has vanished or is refused ends the import. Other lasting problems fail it until a person acts; then it
    continues.
    """
    if problem.reason in (Reason.FILE, Reason.REFUSED, Reason.SIZE):
        return UnreadableFile(str(problem))
    return StoreAway(str(problem)) if problem.passes else StepFailed(str(problem))
