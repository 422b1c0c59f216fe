"""Files that a project is to start with: kept for the person who sent one, looked into, and imported once the project
is there.

Such a file belongs to no project and no row names it, so `uploads.sweep` removes it after hours.
"""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from django.core import signing
from django.core.exceptions import ValidationError

from labeling.intake import parked, uploads
from labeling.intake.drafts import Draft, Rejection
from labeling.intake.guessing import open_guessed
from labeling.intake.looking import FEW_NAMES, FirstRow, first_rows
from labeling.intake.readers import Layout, UnreadableFile
from labeling.intake.rules import Rules
from labeling.kinds import KINDS
from labeling.models import ItemImport, Project, User
from labeling.projects import quota
from labeling.questions import QUESTIONS
from labeling.storage.shared_files import store

SALT = "labeling.intake.starting"
RATINGS = ("rating", "score", "stars", "grade", "points")
"""Columns whose numbers are points of a scale."""


class StartFile(NamedTuple):
    """A kept file, its name, and the token that names it in forms."""

    path: Path
    name: str
    token: str


def keep(*, user: User, name: str, **upload: Any) -> StartFile:
    """Store the file in place of an earlier one of this person.

    Raises `ValidationError`, and keeps nothing, if it cannot be stored or read.
    """
    prefix, name = f"start-{user.pk}-", uploads.sanitize_filename(name)
    path = uploads.store_upload(project=None, name=name, prefix=prefix, **upload)
    for other in store().entries(uploads.folder()):
        if other.path.name.startswith(prefix) and other.path != path:
            uploads.remove_upload(other.path)
    file = StartFile(path, name, signing.dumps([path.name, name, user.pk], salt=SALT, compress=True))
    try:
        guess_kind(file)
    except UnreadableFile as error:
        uploads.remove_upload(path)
        raise ValidationError(str(error)) from error
    return file


def kept(user: User, token: str) -> StartFile | None:
    """Return the file that the token names; None if it no longer exists or belongs to another user."""
    try:
        file_name, name, person = signing.loads(token, salt=SALT, max_age=uploads.ORPHAN_SECONDS)
    except signing.BadSignature:
        return None
    path = uploads.folder() / file_name
    return StartFile(path, name, token) if person == user.pk and store().exists(path) else None


def guess_kind(file: StartFile) -> str:
    """Return the kind of which the first rows are good items. Raises `UnreadableFile` if no kind reads the file."""
    problems: dict[str, UnreadableFile] = {}
    for name in ("image", "audio", "text", "vector"):
        try:
            rows = _first(file, name)
        except UnreadableFile as error:
            problems[name] = error
            continue
        if any(isinstance(row.item, Draft) and KINDS[name].is_likely(row.item.data) for row in rows):
            return name
    if "text" not in problems:
        return "text"
    raise problems["image" if file.name.lower().endswith(".zip") else "text"]


def look(file: StartFile, kind: str, question: str, layout: Layout | None) -> parked.Look:
    """Look into the file as a new project of this kind would read it; without a layout, in the guessed one.

    Raises `UnreadableFile`.
    """
    rules = _rules(kind, question)
    if layout is not None:
        return parked.look_into(_local(file), rules, layout, name=file.name, unknown="add")
    seen = parked.look_into(_local(file), rules, Layout(), name=file.name, guessing=True, unknown="add")
    # There are no classes yet, so none of the labels is one.
    return seen._replace(layout=replace(seen.layout, labels_as="trusted" if seen.layout.labels_as else ""))


def guess_question(seen: parked.Look) -> str:
    """Return the question that the labels answer."""
    names = seen.counts.unknown
    if seen.counts.several or any("|" in name for name in names):
        return "multi"
    column = (seen.layout.label_column or "label").rsplit(".", 1)[-1].lower()
    numbers = sorted(int(name) for name in names if name.isdecimal() and len(name) < 3)
    is_scale = len(numbers) == len(names) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1))
    return "score" if is_scale and column.endswith(RATINGS) else "single"


def class_names(seen: parked.Look) -> list[str]:
    """Return the labels as names of classes: numbers in their order, others by their frequency; none for texts."""
    names, rows = list(seen.counts.unknown), seen.counts.unknown_rows
    if len(names) > FEW_NAMES and 2 * len(names) > rows and not seen.counts.from_folders:
        return []
    return sorted(names, key=int) if names and all(name.isdecimal() for name in names) else names


def item_at(file: StartFile, kind: str, place: int) -> Draft | Rejection | None:
    """Return the item that `look` shows at this place; None if there is none. Errors as for `look`."""
    rows = _first(file, kind)
    return rows[place].item if place < len(rows) else None


def park(file: StartFile, *, project: Project, user: User, layout: Layout) -> ItemImport:
    """Make the file a parked import of the project. Call it in the transaction that creates the project.

    Raises `NoRoom`.
    """
    quota.reserve(project=project, path=file.path, size=_local(file).stat().st_size)
    return ItemImport.objects.create(
        project=project,
        name=file.name,
        path=store().recorded(file.path),
        owns_file=True,
        state=ItemImport.State.PARKED,
        layout=layout.stored(),
        created_by=user,
    )


def _first(file: StartFile, kind: str) -> list[FirstRow]:
    rules = _rules(kind, "single")
    with open_guessed(_local(file), rules, name=file.name) as (source, guessed):
        source.settle(replace(guessed.layout, unknown_labels="add"))
        return first_rows(source, rules)


def _rules(kind: str, question: str) -> Rules:
    return Rules(kind=kind, question=QUESTIONS[question], classes=(), id_of=_blind_id)


def _blind_id(place: str) -> str:
    return hashlib.sha256(place.encode("utf-8", "surrogatepass")).hexdigest()[:20]


def _local(file: StartFile) -> Path:
    return store().local(file.path)
