"""Note the newest entries of all chains in the server's chain, so that a chain that was removed or replaced shows;
and remove old entries, and what would name a person whose account is removed.

A seal takes no lock of another chain: it reads what is committed, and appends to the server's chain alone.
"""

import datetime
import json
from collections.abc import Iterator
from functools import partial

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from labeling.models import LogChain, LogEntry, LogKind, Project, User
from labeling.observing.auditlog.writing import SERVER, acting, append, chain_name, locked_chain

EVERY = datetime.timedelta(days=1)
CHAINS_PER_ENTRY = 15
"""So few that their names, numbers and hashes stay below `MOST_VALUE`."""
VIA = "worker"

Heads = dict[str, tuple[int, str]]
"""Number and hash of an entry, by the name of its chain."""


def seal_project(project: Project) -> None:
    """Seal the project's chain once the present transaction is committed."""
    # Afterwards, because the lock of the server's chain would be held until the end of a longer transaction.
    transaction.on_commit(partial(_seal, [chain_name(project)]), robust=True)


def newest_of_server() -> dict[str, list[int | str]]:
    """Return the server's newest entry, which the first entry of a project records, so that the chains are linked.

    Empty without an entry. Takes no lock: the entry is committed, but it need not be the newest any more.
    """
    server = LogChain.objects.filter(name=SERVER).first()
    return {SERVER: [server.length, server.head]} if server else {}


def seal_daily(now: datetime.datetime) -> None:
    """Seal all chains that have grown, unless a worker has done so within a day."""
    if not _is_due(now) or not LogChain.objects.exclude(name=SERVER).exists():
        return
    with acting(VIA), transaction.atomic():
        server = locked_chain(None)
        if _is_due(now):  # another worker held the chain until now
            sealed = {name: head for heads in seals() for name, head in heads.items()}
            _append(server, {name: head for name, head in _newest().items() if sealed.get(name) != head})


def seals() -> Iterator[Heads]:
    """Yield what each seal of the server's chain says, the oldest first."""
    entries = LogEntry.objects.filter(chain__name=SERVER, kind=LogKind.LOG_SEALED).order_by("number")
    for after in entries.values_list("after", flat=True).iterator(chunk_size=1000):
        yield _heads_of(after)


def notes_of_server() -> Iterator[Heads]:
    """Yield what the first entries of projects note of the server's chain."""
    entries = LogEntry.objects.filter(kind=LogKind.PROJECT_CREATED).order_by("pk")
    for after in entries.values_list("after", flat=True).iterator(chunk_size=1000):
        yield {name: head for name, head in _heads_of(after).items() if name == SERVER}


def _heads_of(text: str) -> Heads:
    """Return number and hash of each chain that a value of an entry names. A value that was changed may name none: the
    hash of its entry shows the change.
    """
    try:
        pairs = json.loads(text).items()
    except (ValueError, AttributeError):
        return {}
    return {
        name: (pair[0], pair[1])
        for name, pair in pairs
        if isinstance(pair, list) and [type(each) for each in pair] == [int, str]
    }


@transaction.atomic
def _seal(names: list[str]) -> None:
    server = locked_chain(None)
    if heads := _newest(names):
        _append(server, heads)


def _is_due(now: datetime.datetime) -> bool:
    last = LogEntry.objects.filter(chain__name=SERVER, kind=LogKind.LOG_SEALED, via=VIA).order_by("-number").first()
    return last is None or last.at <= now - EVERY


def _newest(names: list[str] | None = None) -> Heads:
    """Return the newest entries of these chains, or of all but the server's."""
    chains = LogChain.objects.exclude(name=SERVER).order_by("pk")
    if names is not None:
        chains = chains.filter(name__in=names)
    return {chain.name: (chain.length, chain.head) for chain in chains}


def _append(server: LogChain, heads: Heads) -> None:
    """Append the heads; without any an empty seal, which says that a worker looked."""
    rest = list(heads.items())
    while True:
        append(server, LogKind.LOG_SEALED, after=dict(rest[:CHAINS_PER_ENTRY]))
        rest = rest[CHAINS_PER_ENTRY:]
        if not rest:
            return


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
