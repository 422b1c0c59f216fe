"""Uploads that wait for a person: who sees their first rows as items, says what columns and labels are, and begins."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext

from labeling.intake import fetching, new_classes, uploads
from labeling.intake.drafts import Draft, Rejection
from labeling.intake.guessing import Guess, open_guessed
from labeling.intake.looking import FirstRow, LabelCounts, count_labels, first_rows, item_at
from labeling.intake.readers import Layout, UnreadableFile, open_source
from labeling.intake.readers.layout import missing
from labeling.intake.rules import Rules
from labeling.intake.run import rules_of
from labeling.models import ItemImport, LogKind, Project, Source, Upload, User
from labeling.models.jobs import worker_name
from labeling.observing import auditlog
from labeling.outside.sources import SourceProblem
from labeling.storage.shared_files import store


class Look(NamedTuple):
    """A file in one layout, which of a parked import says what becomes of labels that are no classes, unless these look
    like texts. `problem` is the reason why it cannot be read in this layout; "" if it can.

    `columns` are those of the file; () for files in folders. `guessed` is the layout that these columns suggest, and
    `delimiter` the one in use. `questions` are those that the column of labels may name, too.
    """

    layout: Layout
    columns: tuple[str, ...]
    guessed: Layout
    delimiter: str
    first: list[FirstRow]
    counts: LabelCounts
    problem: str = ""
    questions: tuple[str, ...] = ()


def receive(
    *,
    project: Project,
    user: User,
    name: str,
    strict: bool,
    always: bool = False,
    **upload: Any,
) -> ItemImport:
    """Store an upload. Import it at once if it is in the product's own form without labels; else, or if `always`, park
    it.

    `upload` and errors as for `uploads.store_upload`.
    """
    with uploads.stored(project=project, name=name, **upload) as path:
        guessed = _guessed(project, path, uploads.sanitize_filename(name))
    if guessed is not None and guessed.layout.labels_as == "ignore" and new_classes.can_add(project.asks):
        guessed = guessed._replace(layout=replace(guessed.layout, labels_as="trusted"))
    if guessed is None or (guessed.own and not always):
        return uploads.begin(project=project, user=user, path=path, name=name, strict=strict)
    return ItemImport.objects.create(
        project=project,
        name=uploads.sanitize_filename(name),
        path=store().recorded(path),
        owns_file=True,
        strict=strict,
        state=ItemImport.State.PARKED,
        layout=_remembered(project, guessed).stored(),
        columns=guessed.shape,
        created_by=user,
    )


def preview(*, project: Project, name: str, layout: Layout, **upload: Any) -> Look:
    """Look into an upload, and keep nothing of it. Without options, the layout is guessed.

    Raises `ValidationError` as `uploads.store_upload` does, or if the file can be read in no layout.
    """
    path = uploads.store_upload(project=project, name=name, **upload)
    try:
        rules = rules_of(project, allow_files=False, blind_ids=True)
        return look_into(path, rules, layout, name=uploads.sanitize_filename(name), guessing=True)
    except UnreadableFile as error:
        raise ValidationError(str(error)) from error
    finally:
        uploads.remove_upload(path)


def look(item_import: ItemImport, *, person: int) -> Look:
    """Look into the file of a parked import, for a person who waits. Errors as for `look_into`."""
    layout, project = Layout.read(item_import.layout), item_import.project
    rules = rules_of(project, allow_files=False, blind_ids=True)
    return look_into(
        _file(item_import),
        rules,
        layout,
        name=item_import.name,
        at_source=lambda rules: fetching.rules_at(item_import, rules, person=person),
        unknown="add" if new_classes.can_add(project.asks) else "unlabeled",
    )


def is_known(seen: Look, project: Project) -> bool:
    """Return whether all rows that are shown are items of the project, as those of a file that came in before."""
    ids = [row.item.external_id for row in seen.first if isinstance(row.item, Draft)]
    return bool(ids) and project.items.filter(external_id__in=ids).count() == len(set(ids))


def first_item(item_import: ItemImport, place: int, *, person: int) -> Draft | Rejection | None:
    """Return the item that `look` shows at this place, without a look at the other rows; None if there is none.

    Errors as for `look`, and `SourceProblem`.
    """
    path, layout, name = _file(item_import), Layout.read(item_import.layout), item_import.name
    layout = replace(layout, unknown_labels="unlabeled")  # no label keeps a row out, as in `look`
    plain = rules_of(item_import.project, allow_files=False, blind_ids=True)
    rules = fetching.rules_at(item_import, plain, person=person)
    try:
        with open_source(path, kind=rules.kind, name=name, layout=layout) as source:
            item = item_at(source, rules, place)
    except UnreadableFile:  # as in `look`
        texts = {"encoding": layout.encoding, "delimiter": layout.delimiter}
        with open_guessed(path, plain, name=name, **texts) as (source, guessed):
            source.settle(replace(guessed.layout, unknown_labels="unlabeled"))
            item = item_at(source, rules, place)
    return fetching.with_picture(item_import, item, person=person) if isinstance(item, Draft) else item


def look_into(
    path: Path,
    rules: Rules,
    layout: Layout,
    *,
    name: str,
    guessing: bool = False,
    unknown: str = "",
    at_source: Callable[[Rules], Rules] = lambda rules: rules,
) -> Look:
    """Look into a file in this layout.

    Parameters
    ----------
    guessing: if the layout has no options, take the guessed one.
    unknown: what becomes of labels that are no classes where the layout does not say it, so that no row is rejected
        for its label; "" to leave it so. The layout is then guessed, too, if it does not fit.
    at_source: returns the rules for rows that name files at the file's source.

    Raises `UnreadableFile` if the file can be read in no layout.
    """
    guessing = guessing and not layout.stored()
    encoding = None if guessing else layout.encoding
    with open_guessed(path, rules, name=name, encoding=encoding, delimiter=layout.delimiter) as (source, guessed):
        # Another encoding or delimiter gives the columns other names.
        if guessing or (unknown and missing(layout, (*guessed.columns, *guessed.questions))):
            layout = guessed.layout
        seen = Look(layout, guessed.columns, guessed.layout, guessed.delimiter, [], LabelCounts())
        seen = seen._replace(questions=guessed.questions)
        settled = replace(layout, unknown_labels=layout.unknown_labels or unknown)
        try:
            source.settle(settled)
            seen = seen._replace(first=first_rows(source, at_source(rules)), counts=count_labels(source, rules))
            asks = settled.adds_classes and seen.counts.look_like_texts
            return seen if asks else seen._replace(layout=settled)
        except (UnreadableFile, SourceProblem) as error:
            return seen._replace(problem=str(error))


def change(*, item_import: ItemImport, layout: Layout) -> None:
    """Give a parked import another layout. Raises `ValidationError` if it is not parked any more."""
    if not ItemImport.objects.parked().filter(pk=item_import.pk).update(layout=layout.stored()):
        raise _gone(item_import)
    item_import.layout = layout.stored()


def start(*, item_import: ItemImport, layout: Layout) -> ItemImport:
    """Import a parked file in this layout, a small upload at once. Errors as for `change`."""
    size = Upload.objects.filter(path=item_import.path).values_list("bytes", flat=True).first() or 0
    # The rows of a source's file may name files there, which only workers wait for.
    at_once = size <= uploads.AT_ONCE_BYTES and item_import.source_id is None
    with transaction.atomic():
        waiting = {"state": ItemImport.State.WAITING, "layout": layout.stored()}
        if not ItemImport.objects.parked().filter(pk=item_import.pk).update(**waiting):
            raise _gone(item_import)
        # The columns hold for all files of a source, which is looked at from now on.
        mapped = {"layout": layout.stored(), "next_look_at": timezone.now()}
        Source.objects.filter(imports=item_import).update(**mapped, found=F("found") + 1)
        item_import.refresh_from_db()
        job = uploads.enqueue(item_import, taken_by=worker_name() if at_once else "")
    return uploads.begun(job, at_once=at_once)


def discard(*, item_import: ItemImport) -> None:
    """Remove a parked import and its file. Errors as for `change`."""
    subject, before = f"import {item_import.pk}", {"file": item_import.name}
    if not uploads.discard_parked(item_import):
        raise _gone(item_import)
    auditlog.record(LogKind.IMPORT_CHANGED, project=item_import.project, subject=subject, before=before)


def _guessed(project: Project, path: Path, name: str) -> Guess | None:
    """Return the guess about a file; None if the file cannot be read, which its import then records.

    A file with labels is not in the product's own form, so that a person says what they are.
    """
    rules = rules_of(project, allow_files=False)
    try:
        with open_guessed(path, rules, name=name) as (source, guessed):
            is_plain = guessed.columns and "label" not in guessed.columns
            if not guessed.own or is_plain:
                return guessed
            source.settle(guessed.layout)
            found = count_labels(source, rules)
    except (UnreadableFile, OSError):
        return None
    if not found.from_folders:
        return guessed._replace(own=not (found.labels or found.unknown or found.certified or found.copies))
    if rules.question.proposes or not (found.labels or len(found.unknown) > 1):  # one folder sorts nothing
        return guessed
    labels_as = "trusted" if found.labels >= sum(found.unknown.values()) else "ignore"
    return guessed._replace(layout=Layout(labels_as=labels_as), own=False)


def _remembered(project: Project, guessed: Guess) -> Layout:
    """Return the guess, with the uses of columns and labels of the project's newest import with the same columns.

    Encoding and delimiter are those of the file at hand.
    """
    states = ItemImport.State
    taken_in = project.imports.exclude(state__in=[states.PARKED, states.REFUSED, states.FAILED]).exclude(layout={})
    earlier = taken_in.filter(columns=guessed.shape).values_list("layout", flat=True).first()
    if not guessed.shape or earlier is None:
        return guessed.layout
    own = guessed.layout
    return replace(Layout.read(earlier), encoding=own.encoding, delimiter=own.delimiter, unknown_labels="")


def _file(item_import: ItemImport) -> Path:
    return store().local(store().path_of(item_import.path))


def _gone(item_import: ItemImport) -> ValidationError:
    sentence = gettext("%(name)s has been imported or discarded already.")
    return ValidationError(sentence % {"name": item_import.name})
