"""Bringing items in, and what became of each file."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from labeling import access, uploads
from labeling.models import ItemImport, Membership, Project
from labeling.web.forms import UploadForm
from labeling.web.members import for_members
from labeling.web.pages import render_page
from labeling.web.words import Moment, count, moment, number

LISTED = 20
UNFINISHED = (ItemImport.State.WAITING, ItemImport.State.RUNNING)


@dataclass(frozen=True, slots=True)
class ImportRow:
    """One file in the list. `share` is None where nothing is under way."""

    pk: int
    name: str
    state: str
    reason: str
    share: float | None
    accepted: str
    rejected: int
    at: Moment | None


@require_http_methods(["GET", "HEAD", "POST"])
@for_members(access.MANAGE)
def imports(request: HttpRequest, membership: Membership) -> HttpResponse:
    """The form and the list. A small file is taken in at once, a large one by the worker."""
    form = UploadForm(request.POST, request.FILES) if request.method == "POST" else UploadForm()
    if form.is_bound and form.is_valid() and _receive(request, membership, form):
        return redirect("project-import", membership.project.slug)
    project = membership.project
    rows = _rows(project, timezone.now())
    encoding = project.items.unencoded().count()
    context = {
        "form": form,
        "rows": rows,
        "encoding": encoding and count(encoding, "item"),
        "unfinished": bool(encoding) or any(row.share is not None for row in rows),
        "in_pool": project.encoded_rows and count(project.encoded_rows, "item"),
        "max_mb": number(settings.MAX_UPLOAD_MB),
    }
    status = 400 if form.errors else 200
    return render_page(request, membership, "project/import.html", context, section="project-import", status=status)


def _receive(request: HttpRequest, membership: Membership, form: UploadForm) -> bool:
    """Take the file; False, with the reason beside the field, if it is refused."""
    file = form.cleaned_data["file"]
    try:
        received = uploads.receive(
            project=membership.project,
            user=membership.user,
            name=file.name,
            chunks=file.chunks(),
            strict=form.cleaned_data["strict"],
        )
    except ValidationError as error:
        form.add_error("file", error)
        return False
    if received.state in (ItemImport.State.REFUSED, ItemImport.State.FAILED):
        form.add_error("file", received.reason)
        return False
    if received.state == ItemImport.State.DONE:
        aside = f" {count(received.rejected, 'row')} set aside: see the list." if received.rejected else ""
        tell = messages.warning if received.rejected else messages.success
        tell(request, f"{count(received.accepted, 'item')} taken in from {received.name}.{aside}")
    else:
        messages.success(request, f"{received.name} has arrived and is taken in in the background.")
    return True


def _rows(project: Project, now: datetime.datetime) -> list[ImportRow]:
    """The newest imports, each with the share its job has done."""
    return [
        ImportRow(
            pk=each.pk,
            name=each.name,
            state=each.state,
            reason=each.reason,
            share=max((job.share for job in each.jobs.all()), default=0.0) if each.state in UNFINISHED else None,
            accepted=number(each.accepted),
            rejected=each.rejected,
            at=moment(each.finished_at or each.created_at, now),
        )
        for each in project.imports.prefetch_related("jobs")[:LISTED]
    ]
