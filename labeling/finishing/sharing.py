"""Public links of certificates: who has the link reads the certificate without an account.

A certificate has one at most. Only a digest of its token is stored.
"""

import hashlib
import secrets

from django.db import transaction

from labeling.models import Certificate, LogKind, Project
from labeling.observing import auditlog


@transaction.atomic
def share(certificate: Certificate) -> str:
    """Give the certificate a public link, and return its token; an older link no longer works."""
    token = secrets.token_urlsafe(32)
    certificate.link_digest = _digest(token)
    certificate.save(update_fields=["link_digest"])
    auditlog.record(
        LogKind.CERTIFICATE_SHARED, project=certificate.project, subject=f"certificate {certificate.number}"
    )
    return token


@transaction.atomic
def unshare(certificate: Certificate) -> None:
    """Revoke the certificate's public link, if it has one."""
    if Certificate.objects.filter(pk=certificate.pk).exclude(link_digest="").update(link_digest=""):
        subject = f"certificate {certificate.number}"
        auditlog.record(LogKind.CERTIFICATE_UNSHARED, project=certificate.project, subject=subject)


def find(token: str) -> Certificate | None:
    """Return the certificate with this link; None if it was revoked, or its project is deleted."""
    found = Certificate.objects.filter(link_digest=_digest(token), project__in=Project.objects.kept())
    return found.select_related("audit__version", "audit__project", "project").first()


def _digest(token: str) -> str:
    """Return the SHA-256 of the token. A token of 256 random bits needs no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()
