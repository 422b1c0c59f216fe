"""Record a change of a project's settings in the audit log."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from django.db import transaction

from labeling.models import LogKind, Project
from labeling.observing import auditlog


@contextmanager
def recorded(project: Project, names: Collection[str]) -> Iterator[None]:
    """Record what the block changes in these fields of the project, as one entry, in the transaction of the block."""
    rows = Project.objects.filter(pk=project.pk)
    with transaction.atomic():
        before = rows.values(*names).get()
        with auditlog.part_of_one():
            yield
        after = rows.values(*names).get()
        changed = [name for name in names if before[name] != after[name]]
        if changed:
            old, new = ({name: values[name] for name in changed} for values in (before, after))
            subject = ", ".join(sorted(changed))
            auditlog.record(LogKind.SETTINGS_CHANGED, project=project, subject=subject, before=old, after=new)
