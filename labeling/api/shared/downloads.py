"""Record downloads of labels, and of files made of them, in the audit log."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request

from labeling.models import LogKind, Project
from labeling.observing import auditlog


def record_download(
    request: Request, kind: LogKind, project: Project | None, *, subject: str = "", after: Any = None
) -> None:
    """Record that the caller takes this file. HEAD takes none."""
    if request.method == "GET":
        auditlog.record(kind, project=project, subject=subject, after=after)
