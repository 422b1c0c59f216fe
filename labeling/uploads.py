"""Files that arrive over HTTP: spooled to disk as they come, then imported at once or in the background."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from labeling.models import ItemImport, Job, Project, User
from labeling.models.jobs import worker_name
from labeling.pipeline.importing.run import import_items
from labeling.pipeline.step import Step, StepLost

logger = logging.getLogger(__name__)

# Uploads up to this size are imported while the client waits: it sees at once what was set aside.
AT_ONCE_BYTES = 1 << 20


def receive(*, project: Project, user: User, name: str, chunks: Iterable[bytes], strict: bool) -> ItemImport:
    """Store an upload and import it. Raises `ValidationError` if it is empty or larger than allowed."""
    folder = Path(settings.DATA_DIR) / "uploads"
    folder.mkdir(parents=True, exist_ok=True)
    suffix = "".join(re.findall(r"\.[a-z0-9]{1,10}\Z", name.lower()))
    path = folder / f"{uuid.uuid4().hex}{suffix}"
    size = 0
    try:
        with path.open("xb") as file:
            for chunk in chunks:
                size += len(chunk)
                if size > settings.MAX_UPLOAD_MB << 20:
                    raise ValidationError(f"The upload is larger than {settings.MAX_UPLOAD_MB} MB. Split it.")
                file.write(chunk)
        if not size:
            raise ValidationError("The upload is empty.")
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    at_once = size <= AT_ONCE_BYTES
    job = register(
        project=project,
        user=user,
        path=path,
        name=name,
        strict=strict,
        owns_file=True,
        taken_by=worker_name() if at_once else "",
    )
    item_import = job.item_import
    assert item_import is not None
    if at_once:
        # Whatever stops this, a worker takes it up where it was.
        try:
            import_items(Step(job))
        except StepLost:
            logger.warning("A worker took %s over.", job)
        item_import.refresh_from_db()
    return item_import


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
        name=Path(name).name[:200] or "upload",
        path=str(path),
        truth_path=str(truth_path or ""),
        owns_file=owns_file,
        strict=strict,
        created_by=user,
    )
    job = Job.objects.enqueue(Job.Kind.IMPORT, project=project, item_import=item_import)
    if taken_by:
        Job.objects.take(job, taken_by, timezone.now())
    return job
