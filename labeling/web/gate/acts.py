"""Record in the audit log who signs in and out, and who is refused.

Django announces sign-ins by signals alone. They reach all ways in: the sign-in page, a login header, the first account.
"""

from __future__ import annotations

import datetime
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from labeling.models import LogEntry, LogKind, Project, User
from labeling.observing import auditlog

REFUSED_AGAIN = datetime.timedelta(minutes=10)
"""Of refusals of one person at one address, at most one in this time is recorded: the log must stay bounded."""


@receiver(user_logged_in)
def signed_in(user: User, **_: Any) -> None:
    auditlog.record(LogKind.SIGNED_IN, who=user)


@receiver(user_logged_out)
def signed_out(user: User | None, **_: Any) -> None:
    if user is not None:
        auditlog.record(LogKind.SIGNED_OUT, who=user)


def refused(request: HttpRequest) -> None:
    """Record that the person was refused (403). Refusals of people who are signed out are not recorded."""
    match = request.resolver_match
    if match is None or not request.user.is_authenticated:
        return
    slug = match.kwargs.get("slug")
    project = Project.objects.kept().filter(slug=slug).first() if slug else None
    subject = f"{request.method} {match.view_name}"
    lately = LogEntry.objects.filter(
        chain__name=auditlog.chain_name(project), who=request.user.pk, at__gt=timezone.now() - REFUSED_AGAIN
    )
    if not lately.filter(kind=LogKind.REFUSED, subject=subject).exists():
        auditlog.record(LogKind.REFUSED, project=project, subject=subject)
