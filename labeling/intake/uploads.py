"""Receive files over HTTP: spool them to the disk, then import them at once or in the background.

An upload lies in one folder from its first byte until the end of its import. Every upload begins with `sweep`, which
removes the files that killed processes or broken connections have left in the folder.
"""

import datetime
import hashlib
import logging
import os
import re
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.http import HttpRequest, QueryDict, UnreadablePostError
from django.utils import timezone
from django.utils.datastructures import MultiValueDict
from django.utils.formats import number_format
from django.utils.translation import gettext, gettext_noop, override

from labeling.intake.readers import PLAIN, Layout, UnreadableFile, check_form
from labeling.intake.run import import_items
from labeling.loop import endings
from labeling.loop.step import Step, StepFailed, StepLost
from labeling.models import ItemImport, Job, LogKind, PredictionRun, PredictionSet, Project, Registration, User
from labeling.models.jobs import worker_name
from labeling.observing import auditlog, logs
from labeling.observing.metrics import UPLOAD_BYTES
from labeling.projects import quota
from labeling.storage import media
from labeling.storage.db.statements import among
from labeling.storage.disk.files import is_full
from labeling.storage.shared_files import StoreAway, store

logger = logging.getLogger(__name__)

# Uploads up to this size are imported while the client waits, so that the client sees rejected rows at once. A small
# file can take hours (images of one colour with fifty million pixels): after AT_ONCE_SECONDS a worker continues.
AT_ONCE_BYTES = 1 << 20
AT_ONCE_SECONDS = 10.0

BROKE_OFF = gettext_noop("The upload was interrupted. Send the file again.")

STORE_AWAY = gettext_noop("The file store is not responding, so nothing was imported. Send the file again later.")

# Files that no import needs are removed after ORPHAN_SECONDS, when no process can still be writing them. Files of
# failed imports are kept for KEPT_SECONDS, so that a manager can retry the import.
ORPHAN_SECONDS = 6 * 3600
KEPT_SECONDS = 7 * 24 * 3600
# No command writes a draft of an image for this long.
LEFT_SECONDS = 60
# Files that wait for a person to choose their columns are kept this long.
PARKED_KEPT = datetime.timedelta(days=1)


def folder() -> Path:
    """Return the folder of uploads, created if it is missing."""
    path = Path(settings.DATA_DIR) / "uploads"
    path.mkdir(parents=True, exist_ok=True)
    return path


class Admission(NamedTuple):
    """The permission to store the file of a request. `project`: the one whose storage it counts towards; None before
    there is one. `proven`: the request has passed a check against CSRF.
    """

    project: Project | None
    proven: bool


def admit(request: HttpRequest, project: Project | None, *, proven: bool) -> None:
    """Permit the upload handler to store the request's file. Call it after the permission check of the sender."""
    request.file_admission = Admission(project, proven)  # type: ignore[attr-defined]


def admission_of(request: HttpRequest | None) -> Admission | None:
    return getattr(request, "file_admission", None)


def without_body(request: HttpRequest, fields: QueryDict | None = None) -> HttpRequest:
    """Return a copy of the request without its body, with `fields` as its whole form."""
    bare = copy(request)  # Django's copy leaves out the stream
    bare._post = fields or QueryDict()  # type: ignore[attr-defined]
    bare._files = MultiValueDict()  # type: ignore[attr-defined]
    return bare


def check_length(length: int | None) -> None:
    """Raise `ValidationError` if `length`, in bytes, is more than an upload may have."""
    if length is not None and length > settings.MAX_UPLOAD_MB << 20:
        raise ValidationError(too_large())


def too_large() -> str:
    most = number_format(settings.MAX_UPLOAD_MB, force_grouping=True)
    return gettext("The upload is larger than %(n)s MB. Split it.") % {"n": most}


def receive(
    *, project: Project, user: User, name: str, strict: bool, layout: Layout = PLAIN, key: str = "", **upload: Any
) -> ItemImport:
    """Store an upload, and import it: a small one at once, a larger one by a worker.

    Parameters
    ----------
    strict: whether one bad row refuses the whole file.
    key: names the request. If a request with this key has sent the same file, its import is returned, and nothing is
        imported.
    upload: as for `store_upload`, as are errors.
    """
    path = store_upload(project=project, name=name, **upload)
    return begin(project=project, user=user, path=path, name=name, strict=strict, layout=layout, key=key)


def begin(
    *, project: Project, user: User, path: Path, name: str, strict: bool, layout: Layout = PLAIN, key: str = ""
) -> ItemImport:
    """Import a stored upload. Parameters and errors as for `receive`."""
    request = _request_hash(path, key, strict=strict, layout=layout) if key else ""
    try:
        if request and (earlier := project.imports.filter(request=request).first()):
            remove_upload(path)
            return earlier
        quota.check_room(project, 0, items=1)
        size = path.stat().st_size
        UPLOAD_BYTES.inc(size)
        at_once = size <= AT_ONCE_BYTES
        if not at_once:  # refuse a bad format now, while the client waits, and not later in the worker
            try:
                check_form(path, kind=project.kind, name=sanitize_filename(name))
            except UnreadableFile as error:
                raise ValidationError(str(error)) from error
        job = register(
            project=project,
            user=user,
            path=path,
            name=name,
            strict=strict,
            layout=layout,
            owns_file=True,
            taken_by=worker_name() if at_once else "",
            request=request,
        )
    except IntegrityError:  # the same request, at the same time
        remove_upload(path)
        if request and (earlier := project.imports.filter(request=request).first()):
            return earlier
        raise
    except BaseException:
        remove_upload(path)
        raise
    return begun(job, at_once=at_once)


def begun(job: Job, *, at_once: bool) -> ItemImport:
    """Return the import of a job that waits for a worker, or, `at_once`, that this process has taken and runs now."""
    item_import = job.item_import
    if at_once:
        _import_at_once(job)
        item_import.refresh_from_db()
    return item_import


def _request_hash(path: Path, key: str, *, strict: bool, layout: Layout) -> str:
    """Return a hash of the key, the options and the file: another file under the same key is another request."""
    with path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    return hashlib.sha256(f"{content} {strict} {layout} {key}".encode()).hexdigest()


def store_upload(
    *,
    project: Project | None,
    name: str,
    chunks: Iterable[bytes],
    length: int | None = None,
    spooled_at: Path | None = None,
    prefix: str = "",
) -> Path:
    """Store an upload in the uploads' folder, and return its path.

    Parameters
    ----------
    project: the project whose storage the upload counts towards; None before there is one.
    prefix: the beginning of the file's name in the folder.
    chunks: the content; ignored if the file at `spooled_at` can be linked.
    length: the number of bytes that the client announced; None if unknown.
    spooled_at: where the spooled file lies.

    Raises `ValidationError`, and leaves no file behind, if the upload is empty, too large, broken off by the client,
    or more than the project or the disk can hold.
    """
    sweep()
    check_length(length)
    suffix = "".join(re.findall(r"\.[a-z0-9]{1,10}\Z", name.lower()))
    path = folder() / f"{prefix}{uuid.uuid4().hex}{suffix}"
    if project and not (spooled_at and quota.rename(spooled_at, path)):
        quota.reserve(project=project, path=path, size=length or 0)
    try:
        size = _link_or_write(path, chunks, spooled_at)
        if length is not None and size != length:  # the web server may end a body early without an error
            raise ValidationError(gettext(BROKE_OFF))
        if project:
            quota.reserve(project=project, path=path, size=size)
        try:
            store().publish(path)
        except StoreAway as error:
            logger.exception("An upload could not be put into the object store.")
            raise ValidationError(gettext(STORE_AWAY)) from error
    except BaseException:
        remove_upload(path)
        raise
    return path


@contextmanager
def stored(**upload: Any) -> Iterator[Path]:
    """Store an upload for the block, which makes the row that needs it: if the block fails, the file is removed.

    Parameters and errors as for `store_upload`.
    """
    path = store_upload(**upload)
    try:
        yield path
    except BaseException:
        remove_upload(path)
        raise


def remove_upload(path: Path) -> None:
    """Remove the file and the count of an upload. If the store does not answer, `sweep` removes them later."""
    try:
        quota.discard(path)
    except StoreAway as error:
        logger.warning("%s stays until it is swept: %s", path, error)


def _link_or_write(path: Path, chunks: Iterable[bytes], spooled_at: Path | None) -> int:
    """Link the spooled file to `path`, or else write the chunks to `path`. Returns the number of bytes."""
    if spooled_at is not None:
        try:
            os.link(spooled_at, path)
        except OSError:  # another disk, or a disk without hard links
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
        raise ValidationError(gettext(BROKE_OFF)) from error
    except OSError as error:
        logger.exception("An upload could not be stored.")
        raise ValidationError(storing_problem(error)) from error
    if not size:
        raise ValidationError(gettext("The upload is empty."))
    return size


def spooled(file: UploadedFile) -> Path | None:
    """Return the path of a form's spooled file; None for a small file, which is in memory."""
    return Path(file.temporary_file_path()) if isinstance(file, TemporaryUploadedFile) else None


def storing_problem(error: OSError) -> str:
    """Return the reason why an upload cannot be stored, as a text for its sender."""
    if is_full(error):
        return gettext("The server’s disk is full, so nothing was imported. Free some space, then send the file again.")
    sentence = gettext("The server cannot store the upload (%(error)s), so nothing was imported. See the server’s log.")
    return sentence % {"error": error.strerror or error}


def _import_at_once(job: Job) -> None:
    """Import while the client waits, for at most `AT_ONCE_SECONDS`. A worker continues an interrupted import.

    As a worker does, it stores its reasons in English.
    """
    deadline = time.monotonic() + AT_ONCE_SECONDS
    with logs.about(job_id=job.pk, job_kind=job.kind), override(settings.LANGUAGE_CODE):
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
    layout: Layout = PLAIN,
    owns_file: bool = False,
    truth_path: Path | None = None,
    taken_by: str = "",
    request: str = "",
) -> Job:
    """Create the import and its job. The job waits for a worker, unless `taken_by` names the process that runs it."""
    item_import = ItemImport.objects.create(
        project=project,
        name=sanitize_filename(name),
        path=store().recorded(path),
        truth_path=str(truth_path or ""),
        owns_file=owns_file,
        strict=strict,
        layout=layout.stored(),
        created_by=user,
        request=request,
    )
    return enqueue(item_import, taken_by=taken_by)


def enqueue(item_import: ItemImport, *, taken_by: str = "") -> Job:
    """Create the job of an import, as `register` does. Call it in a transaction."""
    project = item_import.project
    job = Job.objects.enqueue(Job.Kind.IMPORT, project=project, cause=item_import)
    if taken_by:
        Job.objects.take(job, taken_by, timezone.now())
    auditlog.record(LogKind.ITEMS_IMPORTED, project=project, after={"import": item_import.pk, "file": item_import.name})
    return job


def sanitize_filename(name: str) -> str:
    """Return the file's name without folders and unprintable characters, cut to 200 characters before its suffix."""
    base = name.replace("\\", "/").rsplit("/", 1)[-1]
    shown = "".join(c for c in base if c.isprintable()).strip()
    stem, dot, suffix = shown.rpartition(".")
    if len(shown) <= 200:
        return shown or "upload"
    return f"{stem[: 199 - len(suffix)]}{dot}{suffix}" if stem and len(suffix) <= 10 else shown[:200]


@transaction.atomic
def retry(*, item_import: ItemImport) -> None:
    """Continue a failed import after its last imported record.

    Raises `ValidationError` if the file is gone or the import is not failed.
    """
    if not item_import.source_key and not store().exists(store().path_of(item_import.path)):
        sentence = gettext("%(name)s is no longer on the server: import it again.")
        raise ValidationError(sentence % {"name": item_import.name})
    if not Job.objects.filter(item_import=item_import, state=Job.State.FAILED).begin_anew():
        sentence = gettext("%(name)s has not failed, or has already been retried.")
        raise ValidationError(sentence % {"name": item_import.name})
    ItemImport.objects.filter(pk=item_import.pk).update(state=ItemImport.State.WAITING, reason="")
    subject, after = f"import {item_import.pk}", {"repeated": item_import.name}
    auditlog.record(LogKind.IMPORT_CHANGED, project=item_import.project, subject=subject, after=after)


def discard_parked(item_import: ItemImport) -> bool:
    """Remove a parked import and its file. Return False if it is not parked any more."""
    if not ItemImport.objects.parked().filter(pk=item_import.pk).delete()[0]:
        return False
    remove_upload(store().path_of(item_import.path))
    return True


def remove_files_of_items(project: Project, items: Sequence[int]) -> None:
    """Remove files that may hold these items: uploads whose import failed after it brought in items, and drafts of
    images. Such an import cannot be retried.
    """
    newest = project.items.filter(pk__in=among(items)).aggregate(at=Max("created_at"))["at"]
    if newest is None:
        return
    sweep()
    failed = project.imports.failed().filter(owns_file=True, accepted__gt=0, created_at__lte=newest)
    for path in failed.values_list("path", flat=True):
        quota.discard(store().path_of(path))
    if not project.jobs.running().filter(kind=Job.Kind.IMPORT).exists():
        media.remove_drafts(project.pk, seconds=LEFT_SECONDS)


def sweep() -> None:
    """Remove forgotten parked files, uploads that nothing will read, and the bytes counted for missing files."""
    quota.remove_counts_of_missing_files()
    for each in ItemImport.objects.parked().filter(created_at__lt=timezone.now() - PARKED_KEPT):
        discard_parked(each)
    now = time.time()
    ages = {path: now - written_at for path, written_at in store().entries(folder())}
    old = {store().recorded(path): path for path, age in ages.items() if age > ORPHAN_SECONDS}
    if not old:
        return
    # No quick look finds the files of a list again.
    lists = ItemImport.objects.failed().filter(source__isnull=False, source_key="")
    runs, sets = PredictionRun.objects.unfinished(), PredictionSet.objects.unfinished()
    needed: set[str] = set()
    for rows in (ItemImport.objects.reading(), lists, runs, sets, Registration.objects.waiting()):
        needed.update(rows.filter(path__in=old).values_list("path", flat=True))
    failed = set(ItemImport.objects.failed().filter(path__in=old).values_list("path", flat=True))
    for recorded, path in old.items():
        if recorded in needed or (recorded in failed and ages[path] < KEPT_SECONDS):
            continue
        logger.warning("Removed %s, which nothing is going to read.", path)
        quota.discard(path)
