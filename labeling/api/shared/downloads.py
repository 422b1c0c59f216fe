"""Downloads of labels and of files made of them: their record in the audit log, and documents as responses."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from labeling.models import LogKind, Project
from labeling.observing import auditlog


def record_download(
    request: Request, kind: LogKind, project: Project | None, *, subject: str = "", after: Any = None
) -> None:
    """Record that the caller takes this file. HEAD takes none."""
    if request.method == "GET":
        auditlog.record(kind, project=project, subject=subject, after=after)


def attachment(content: str, name: str, content_type: str) -> HttpResponse:
    """Return a text that browsers save as a file with this name, and that no cache keeps."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
    return HttpResponse(content, content_type=content_type, headers=headers)
