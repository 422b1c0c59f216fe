"""Add, change, look at, pause and remove sources."""

import datetime
from collections.abc import Mapping
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from labeling import kinds
from labeling.intake import uploads
from labeling.intake.readers import Layout
from labeling.models import ItemImport, Job, LogKind, Project, Source, User
from labeling.models.refusals import StateConflict
from labeling.observing import auditlog
from labeling.outside.sources import (
    BadAddress,
    Entry,
    Reason,
    SourceProblem,
    checked_remote,
    options_of,
    remote_of,
    seal_secrets,
)
from labeling.outside.waiting import Later, Questions
from labeling.storage.shared_files import store

MOST = 50
"""The most sources of a project."""
SHOWN = 5
"""The files that a test of the connection returns."""
TESTS = Questions(8, 2, seconds=5.0)
"""The tests that a process runs for people at a time, and those of one person, project or server."""


class SourceRefused(StateConflict):
    """The state of the source does not allow the change; the message says why."""


def check_source(
    project: Project, *, address: str, options: Mapping[str, str], secrets: Mapping[str, str], content: str
) -> None:
    """Raise `ValidationError`, by field, unless these can be a source of the project."""
    try:
        remote = checked_remote(address, {**options, **secrets})
    except BadAddress as error:
        raise ValidationError({error.option: str(error)}) from error
    kind = kinds.of(project)
    if content == Source.Content.MEDIA and not kind.is_file:
        raise ValidationError(
            {
                "content": gettext("The items of this project are %(plural)s. Choose files with rows.")
                % {"plural": gettext(kind.plural)}
            }
        )
    if content != Source.Content.FILE and not remote.can_list:
        raise ValidationError({"content": gettext("A web server does not list its files. Enter the URL of one file.")})
    if content == Source.Content.FILE and not remote.names_file:
        raise ValidationError({"address": gettext("This URL names a bucket, not a file. Add the path of the file.")})


def divided(address: str, values: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the options among these texts, and the secrets; empty ones are left out. Raises `BadAddress`."""
    secret = {each.name for each in options_of(address) if each.secret}
    there = {name: text for name, text in values.items() if text}
    return (
        {name: text for name, text in there.items() if name not in secret},
        {name: text for name, text in there.items() if name in secret},
    )


def only(address: str, values: Mapping[str, str], *, secret: bool) -> dict[str, str]:
    """Return these options, or with `secret` these secrets, without empty ones. Raises `BadAddress` for other names."""
    known = [each.name for each in options_of(address) if each.secret == secret]
    for name in values:
        if name not in known:
            sentence = (
                gettext("Unknown credential. This source takes: %(names)s.")
                if secret
                else gettext("Unknown option. This source takes: %(names)s.")
            )
            raise BadAddress(name, sentence % {"names": ", ".join(known) or gettext("none")})
    return {name: text for name, text in values.items() if text}


@transaction.atomic
def add(
    *,
    project: Project,
    user: User | None,
    name: str,
    address: str,
    options: Mapping[str, str],
    secrets: Mapping[str, str],
    content: str,
    layout: Layout | None,
    schedule: str = Source.Every.DAY,
    full_schedule: str = Source.Every.WEEK,
    by_reference: bool = False,
) -> Source:
    """Create a source, and look at it. Without a layout, the first look at files with rows waits for a person to choose
    the columns.

    `by_reference`: the files of items stay at the source. Raises `ValidationError` as `check_source` does, and
    `SourceRefused` if the project has `MOST`.
    """
    check_source(project, address=address, options=options, secrets=secrets, content=content)
    if by_reference and not kinds.of(project).is_file:
        plural = kinds.of(project).plural
        raise ValidationError(
            {
                "by_reference": gettext("The items of this project are %(plural)s. Only files can stay at a source.")
                % {"plural": plural}
            }
        )
    if content == Source.Content.MEDIA and layout is None:
        layout = Layout()
    project = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    if project.sources.count() >= MOST:
        raise SourceRefused(gettext("This project has %(n)s sources already. Remove one of them first.") % {"n": MOST})
    source = Source(
        project=project,
        name=name,
        address=address,
        options=dict(options),
        sealed_secrets=seal_secrets(secrets),
        content=content,
        layout=None if layout is None else layout.stored(),
        schedule=schedule,
        full_schedule=full_schedule,
        by_reference=by_reference,
        created_by=user,
    )
    source.next_look_at, source.next_full_at = source.next_after(schedule), source.next_after(full_schedule)
    source.save()
    enqueue(source)
    _record(source, after={"name": name, "content": content, "schedule": schedule, "by_reference": by_reference})
    return source


@transaction.atomic
def change(
    *,
    source: Source,
    name: str | None = None,
    options: Mapping[str, str] | None = None,
    secrets: Mapping[str, str] | None = None,
    schedule: str | None = None,
    full_schedule: str | None = None,
    layout: Layout | None = None,
    paused: bool | None = None,
) -> None:
    """Change a source; None leaves a value as it is. New secrets replace all earlier ones, and imports that failed
    continue. Raises `ValidationError` as `check_source` does.
    """
    now = timezone.now()
    source = Source.objects.select_for_update(no_key=True).get(pk=source.pk)
    if options is not None or secrets is not None:
        check_source(
            source.project,
            address=source.address,
            options=source.options if options is None else options,
            secrets=_secrets_of(source) if secrets is None else secrets,
            content=source.content,
        )
    values: dict[str, Any] = {
        "name": name,
        "options": options,
        "sealed_secrets": None if secrets is None else seal_secrets(secrets),
        "layout": None if layout is None else layout.stored(),
        "schedule": schedule,
        "full_schedule": full_schedule,
    }
    values = {key: value for key, value in values.items() if value is not None}
    if schedule is not None and schedule != source.schedule:
        values["next_look_at"] = source.next_after(schedule, now)
    if full_schedule is not None and full_schedule != source.full_schedule:
        values["next_full_at"] = source.next_after(full_schedule, now)
    if paused is not None:
        values["paused_at"] = now if paused else None
    Source.objects.filter(pk=source.pk).update(**values)
    with auditlog.part_of_one():
        if layout is not None:
            for parked in source.imports.parked():
                uploads.discard_parked(parked)
            if source.layout is None and source.paused_at is None:
                enqueue(source)
        if secrets is not None or options is not None or paused is False:
            for failed in source.imports.failed():
                uploads.retry(item_import=failed)
            source.refresh_from_db()
            if source.paused_at is None:
                enqueue(source)
    _record(
        source,
        after={name: values[name] for name in ("name", "schedule", "full_schedule", "paused_at") if name in values}
        | {"changed": sorted(values)},
    )


def _record(source: Source, *, before: Any = None, after: Any = None) -> None:
    # Without the address and the options, which can hold a secret: auditors read the log.
    subject = f"source {source.pk}"
    auditlog.record(LogKind.SOURCE_CHANGED, project=source.project, subject=subject, before=before, after=after)


def _secrets_of(source: Source) -> Mapping[str, str]:
    try:
        return {name: text for name, text in remote_of(source).given.items() if name not in source.options}
    except SourceProblem as problem:  # the secrets cannot be read any more
        raise ValidationError({"address": str(problem)}) from problem


@transaction.atomic
def remove_source(*, source: Source, lose_files: bool = False) -> None:
    """Remove the source, and its imports that are not done. Items stay.

    Raises `SourceRefused` if files of items stay there, unless `lose_files`: these can then no longer be read.
    """
    kept = 0 if lose_files else source.references.count()
    if kept:
        sentence = ngettext(
            "%(n)s item has its file at this source, deleted ones that can be restored included. Pause it, or confirm "
            "that these files are lost.",
            "%(n)s items have their files at this source, deleted ones that can be restored included. Pause it, or "
            "confirm that these files are lost.",
            kept,
        )
        raise SourceRefused(sentence % {"n": f"{kept:,}"})
    states = ItemImport.State
    for each in source.imports.exclude(state__in=[states.DONE, states.REFUSED]):
        each.delete()
        transaction.on_commit(partial(uploads.remove_upload, store().path_of(each.path)))
    Job.objects.waiting().filter(kind=Job.Kind.SOURCE, project=source.project_id, occasion=str(source.pk)).delete()
    _record(source, before={"name": source.name})
    source.delete()


@transaction.atomic
def look_now(*, source: Source, full: bool = False) -> None:
    """Look at the source as soon as a worker is free. Raises `SourceRefused` if it is paused."""
    source = Source.objects.select_for_update(no_key=True).get(pk=source.pk)
    if source.paused_at is not None:
        raise SourceRefused(gettext("The source is paused. Resume it first."))
    enqueue(source, full=full)
    after = {"full": full}
    auditlog.record(LogKind.SOURCE_LOOKED, project=source.project, subject=f"source {source.pk}", after=after)


def enqueue(source: Source, *, full: bool = False) -> None:
    """Enqueue a look. Call inside a transaction. A full look that has begun continues where it is."""
    if full:
        Source.objects.filter(pk=source.pk).update(in_full=True)
    Job.objects.enqueue(Job.Kind.SOURCE, project=source.project, occasion=str(source.pk))


def look_at_due(now: datetime.datetime) -> None:
    """Enqueue the looks that are due by their schedules, and set the next ones."""
    for each in Source.objects.due(now).select_related("project")[:MOST]:
        full = each.next_full_at is not None and each.next_full_at <= now
        values = {"next_look_at": each.next_after(each.schedule, now)}
        if full:
            values["next_full_at"] = each.next_after(each.full_schedule, now)
        with transaction.atomic():
            taken = Source.objects.filter(pk=each.pk, next_look_at=each.next_look_at, next_full_at=each.next_full_at)
            if taken.update(**values):
                enqueue(each, full=full)


def files_for(user: User, source: Source) -> list[Entry]:
    """Return the first files for a person who waits. Raises `SourceProblem`, also if it takes long, and `Busy`."""
    key = (source.pk, source.content, source.address, str(source.options), source.sealed_secrets)
    of = [("person", user.pk), ("project", source.project_id), ("server", source.server)]
    try:
        return TESTS.ask(key, partial(first_files, source), of)
    except Later:
        sentence = gettext("%(place)s did not respond in time. Try again later.")
        raise SourceProblem(Reason.AWAY, sentence % {"place": source.server}) from None


def first_files(source: Source) -> list[Entry]:
    """Return the first files of the source, to test the connection. Takes one request. Raises `SourceProblem`."""
    remote = remote_of(source)
    return [remote.entry()] if source.content == Source.Content.FILE else list(islice(remote.entries(), SHOWN))


class States(NamedTuple):
    """The ids of the sources that a look waits or runs for, and the import of each that waits for its columns."""

    looking: set[int]
    parked: dict[int, int]


def states_of(project: Project) -> States:
    """Return the states of the project's sources. Takes two queries."""
    jobs = project.jobs.unfinished().filter(kind=Job.Kind.SOURCE).values_list("occasion", flat=True)
    parked = project.imports.parked().filter(source__isnull=False).values_list("source", "pk")
    return States(set(map(int, jobs)), dict(parked))
