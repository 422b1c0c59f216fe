"""Files that arrive over HTTP: spooled to disk as they come, then imported at once or in the background.

An upload lies in one folder from its first byte until it has been taken in. Nothing else keeps a file there for long:
`sweep`, which every upload begins with, removes what a killed process or a client that went away has left behind.
"""

from __future__ import annotations

import logging
import os
import re
import time
import uuid
from collections.abc import Iterable
from copy import copy
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.db import transaction
from django.http import HttpRequest, QueryDict, UnreadablePostError
from django.utils import timezone
from django.utils.datastructures import MultiValueDict

from labeling import logs
from labeling.disk import is_full
from labeling.intake.readers import UnreadableFile, check_form
from labeling.intake.run import import_items
from labeling.loop import endings
from labeling.loop.step import Step, StepFailed, StepLost
from labeling.metrics import UPLOAD_BYTES
from labeling.models import ItemImport, Job, PredictionRun, Project, User
from labeling.models.jobs import worker_name
from labeling.projects import storage
from labeling.shared_files import StoreAway, store

logger = logging.getLogger(__name__)

# Uploads up to this size are imported while the client waits: it sees at once what was set aside. A few kilobytes can
# hold hours of work (images of one colour and fifty million pixels): after this time, a worker goes on with it.
AT_ONCE_BYTES = 1 << 20
AT_ONCE_SECONDS = 10.0

BROKE_OFF = "The upload broke off before it was complete. Send it again."

STORE_AWAY = "The store of files does not answer: nothing was imported. Send it again later."

# Nobody writes so slowly; and a failed import may be retried for so long.
ORPHAN_SECONDS = 6 * 3600
KEPT_SECONDS = 7 * 24 * 3600


def folder() -> Path:
    """Where uploads lie; made if need be."""
    path = Path(settings.DATA_DIR) / "uploads"
    path.mkdir(parents=True, exist_ok=True)
    return path


class Admission(NamedTuple):
    """Leave to store the file of a request. `proven`: it is known not to come from a page of another site."""

    project: Project
    proven: bool


def admit(request: HttpRequest, project: Project, *, proven: bool) -> None:
    """Let the request's file be stored, for whoever sends it may. Without this, none is: `labeling.intake.spool`."""
    request.file_admission = Admission(project, proven)  # type: ignore[attr-defined]


def admission_of(request: HttpRequest | None) -> Admission | None:
    return getattr(request, "file_admission", None)


def without_body(request: HttpRequest, fields: QueryDict | None = None) -> HttpRequest:
    """The request as far as its headers tell, and with the fields, as if those were all of its form."""
    bare = copy(request)  # Django leaves the stream out
    bare._post = fields or QueryDict()  # type: ignore[attr-defined]
    bare._files = MultiValueDict()  # type: ignore[attr-defined]
    return bare


def check_length(length: int | None) -> None:
    """Refuse, before a byte of it is stored, an upload that says it is too large. Raises `ValidationError`."""
    if length is not None and length > settings.MAX_UPLOAD_MB << 20:
        raise ValidationError(too_large())


def too_large() -> str:
    return f"The upload is larger than {settings.MAX_UPLOAD_MB} MB. Split it."


def receive(
    *,
    project: Project,
    user: User,
    name: str,
    chunks: Iterable[bytes],
    strict: bool,
    length: int | None = None,
    spooled_at: Path | None = None,
) -> ItemImport:
    """Store an upload, of `length` bytes if that is known, and import it.

    One that lies `spooled_at` a path already is not copied if that can be helped. Raises `ValidationError`, and leaves
    nothing behind, if it is empty, larger than allowed, broken off by the client, or more than the project or the disk
    can hold.
    """
    path = keep(project=project, name=name, chunks=chunks, length=length, spooled_at=spooled_at)
    try:
        size = path.stat().st_size
        UPLOAD_BYTES.inc(size)
        at_once = size <= AT_ONCE_BYTES
        if not at_once:  # the worker would refuse it too, after the sender was told that all is well
            _check_form(project, path, name)
        taken_by = worker_name() if at_once else ""
        job = register(
            project=project, user=user, path=path, name=name, strict=strict, owns_file=True, taken_by=taken_by
        )
    except BaseException:
        give_up(path)
        raise
    item_import = job.item_import
    if at_once:
        _import_at_once(job)
        item_import.refresh_from_db()
    return item_import


def _check_form(project: Project, path: Path, name: str) -> None:
    try:
        check_form(path, kind=project.kind, name=plain_name(name))
    except UnreadableFile as error:
        raise ValidationError(str(error)) from error


def keep(
    *,
    project: Project,
    name: str,
    chunks: Iterable[bytes],
    length: int | None = None,
    spooled_at: Path | None = None,
) -> Path:
    """Store an upload in the uploads' folder, and say where. Parameters and errors are those of `receive`."""
    sweep()
    check_length(length)
    suffix = "".join(re.findall(r"\.[a-z0-9]{1,10}\Z", name.lower()))
    path = folder() / f"{uuid.uuid4().hex}{suffix}"
    if not (spooled_at and storage.rename(spooled_at, path)):
        storage.reserve(project=project, path=path, size=length or 0)
    try:
        size = _store(path, chunks, spooled_at)
        if length is not None and size != length:  # a server may end a body early without a word
            raise ValidationError(BROKE_OFF)
        storage.reserve(project=project, path=path, size=size)
        _publish(path)
    except BaseException:
        give_up(path)
        raise
    return path


def give_up(path: Path) -> None:
    """Leave nothing behind of an upload that failed. Where the store is away, `sweep` does it later."""
    try:
        storage.discard(path)
    except StoreAway as error:
        logger.warning("%s stays until it is swept: %s", path, error)


def _store(path: Path, chunks: Iterable[bytes], spooled_at: Path | None) -> int:
    """Give the spooled file a second name, `path`, or else write the chunks there; how many bytes there are."""
    if spooled_at is not None:
        try:
            os.link(spooled_at, path)
        except OSError:  # another disk, or one that knows no second names
            logger.info("Copying %s: it cannot be linked.", spooled_at)
        else:
            return path.stat().st_size
    size = 0
    try:
        with path.open("xb") as file:
            for chunk in chunks:
                size += len(chunk)
                check_length(size)
                file.write(chunk)
    except UnreadablePostError as error:
        raise ValidationError(BROKE_OFF) from error
    except OSError as error:
        logger.exception("An upload could not be stored.")
        raise ValidationError(storing_problem(error)) from error
    if not size:
        raise ValidationError("The upload is empty.")
    return size


def _publish(path: Path) -> None:
    try:
        store().publish(path)
    except StoreAway as error:
        logger.exception("An upload could not be put into the object store.")
        raise ValidationError(STORE_AWAY) from error


def spooled(file: UploadedFile) -> Path | None:
    """Where a form's file lies, None for a small one, which is held in memory."""
    return Path(file.temporary_file_path()) if isinstance(file, TemporaryUploadedFile) else None


def storing_problem(error: OSError) -> str:
    """Why an upload cannot be stored, for whoever sent it."""
    if is_full(error):
        return "The disk of the server is full: nothing was imported. Free some space there, then send it again."
    return f"The server cannot store the upload ({error.strerror or error}): nothing was imported. See its log."


def _import_at_once(job: Job) -> None:
    """Import while the client waits; whatever stops this, a worker takes it up where it was."""
    deadline = time.monotonic() + AT_ONCE_SECONDS
    with logs.about(job_id=job.pk, job_kind=job.kind):
        try:
            import_items(Step(job, stopping=lambda: time.monotonic() > deadline))
        except StepLost:
            logger.warning("A worker took %s over.", job)
        except StoreAway as error:
            logger.error("%s is put off: %s", job, error)
            Job.objects.put_back(job, reason=str(error)[:500], run_after=timezone.now())
        except StepFailed as failure:
            logger.error("%s failed: %s", job, failure)
            endings.fail(job, str(failure))


@transaction.atomic
def register(
    *,
    project: Project,
    user: User | None,
    path: Path,
    name: str,
    strict: bool,
    owns_file: bool = False,
    truth_path: Path | None = None,
    taken_by: str = "",
) -> Job:
    """Make the import and its job: for a worker to take up, or already taken by the process that will run it."""
    item_import = ItemImport.objects.create(
        project=project,
        name=plain_name(name),
        path=store().recorded(path),
        truth_path=str(truth_path or ""),
        owns_file=owns_file,
        strict=strict,
        created_by=user,
    )
    job = Job.objects.enqueue(Job.Kind.IMPORT, project=project, cause=item_import)
    if taken_by:
        Job.objects.take(job, taken_by, timezone.now())
    return job


def plain_name(name: str) -> str:
    """The file's name without folders and without characters that cannot be shown or stored, its suffix kept."""
    base = name.replace("\\", "/").rsplit("/", 1)[-1]
    shown = "".join(c for c in base if c.isprintable()).strip()
    stem, dot, suffix = shown.rpartition(".")
    if len(shown) <= 200:
        return shown or "upload"
    return f"{stem[: 199 - len(suffix)]}{dot}{suffix}" if stem and len(suffix) <= 10 else shown[:200]


@transaction.atomic
def retry(*, item_import: ItemImport) -> None:
    """Let a failed import go on behind the last record that counted. Raises `ValidationError` where it cannot."""
    if not store().exists(store().path_of(item_import.path)):
        raise ValidationError(f"{item_import.name} is no longer on the server: import it again.")
    put_back = Job.objects.filter(item_import=item_import, state=Job.State.FAILED).update(
        state=Job.State.WAITING, worker="", attempts=0, reason="", run_after=timezone.now(), finished_at=None
    )
    if not put_back:
        raise ValidationError(f"{item_import.name} has not failed, or somebody has retried it already.")
    ItemImport.objects.filter(pk=item_import.pk).update(state=ItemImport.State.WAITING, reason="")


def sweep() -> None:
    """Remove files from the uploads' folder that nothing is going to read, and what was counted of such as are gone."""
    storage.forget_missing()
    now = time.time()
    ages = {path: now - written_at for path, written_at in store().entries(folder())}
    old = {store().recorded(path): path for path, age in ages.items() if age > ORPHAN_SECONDS}
    if not old:
        return
    needed = set(ItemImport.objects.reading().filter(path__in=old).values_list("path", flat=True))
    needed |= set(PredictionRun.objects.unfinished().filter(path__in=old).values_list("path", flat=True))
    failed = set(ItemImport.objects.failed().filter(path__in=old).values_list("path", flat=True))
    for recorded, path in old.items():
        if recorded in needed or (recorded in failed and ages[path] < KEPT_SECONDS):
            continue
        logger.warning("Removed %s, which nothing is going to read.", path)
        storage.discard(path)
