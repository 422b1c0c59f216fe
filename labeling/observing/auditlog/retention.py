"""Remove old entries of the audit log, and what would name a person whose account is removed."""

import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from labeling.models import LogChain, LogEntry, LogKind, User
from labeling.observing.auditlog.writing import SERVER, append

DAY = datetime.timedelta(days=1)
MOST = 5_000
"""The most entries of a chain that one call removes."""


def remove_expired_entries(now: datetime.datetime) -> None:
    """Remove entries older than `AUDIT_LOG_DAYS`, a day's at once. The chains stay provable.

    A new entry, `auditlog.cut`, holds the number and the hash of the last removed one. A chain of an erased project
    that has old entries alone is removed whole, and the entry is in the server's chain.
    """
    if not settings.AUDIT_LOG_DAYS:
        return
    end = now - datetime.timedelta(days=settings.AUDIT_LOG_DAYS)
    due = LogEntry.objects.filter(at__lt=end - DAY).order_by().values_list("chain", flat=True).distinct()
    for pk in list(due):
        with transaction.atomic():
            _remove_expired_of(LogChain.objects.select_for_update(no_key=True).get(pk=pk), end)


def _remove_expired_of(chain: LogChain, end: datetime.datetime) -> None:
    entries = LogEntry.objects.filter(chain=chain).order_by("number")
    first = entries.first()
    assert first is not None  # only this function removes entries, and it holds the chain
    last = entries.filter(at__lt=end, number__lt=first.number + MOST).last()
    if last is None:  # another worker has removed them
        return
    fact = {"through": last.number, "hash": last.hash}
    LogEntry.objects.filter(chain=chain, number__lte=last.number).delete()
    if chain.project_id is None and chain.name != SERVER and last.number == chain.length:
        server = LogChain.objects.select_for_update(no_key=True).get(name=SERVER)
        append(server, LogKind.LOG_CUT, subject=chain.name, after=fact)
        chain.delete()
    else:
        append(chain, LogKind.LOG_CUT, after=fact)


def forget(user: User) -> None:
    """Remove the addresses from the entries of a person. The entries keep the id of the account, a pseudonym."""
    LogEntry.objects.filter(Q(who=user.pk) | Q(who=None, whom=user.pk)).update(address="", salt="")
