"""Append entries to the audit log, and read them.

`record` is called where a change is written, as the last step of its transaction: it locks the chain until the
transaction ends. A transaction that took another lock after it could wait for a transaction that waits for the chain.
Annotators' answers are not recorded: they are rows with a person and a time already, and the queue writes no entry.
"""

import datetime
import hashlib
import json
import logging
import secrets
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from labeling.models import LogChain, LogEntry, LogKind, Project, User
from labeling.models.auditlog import MOST_SUBJECT, address_digest

logger = logging.getLogger("labeling.observing.auditlog")

SERVER = "server"
MOST_VALUE = 2_000
"""The longest JSON of a value before or after; of a longer one the entry has the size and the SHA-256."""


@dataclass(frozen=True, slots=True)
class Act:
    """Where an act comes from: `via` is page, api, command or worker; `request` is that of a page or of the API."""

    via: str
    request: HttpRequest | None = None
    request_id: str = ""

    @property
    def user(self) -> User | None:
        # Read late: the API knows the user of a token only once the endpoint runs.
        user = getattr(self.request, "user", None)
        return user if isinstance(user, User) else None

    @property
    def address(self) -> str:
        # `TrustedProxies` has set it: docs/decisions/38-signing-in.md.
        return str(self.request.META.get("REMOTE_ADDR", "")) if self.request else ""


_COMMAND = Act("command")
_T = TypeVar("_T")

_ACT: ContextVar[Act] = ContextVar("the act that changes belong to", default=_COMMAND)
_PART: ContextVar[bool] = ContextVar("whether changes are a part of a recorded act", default=False)


def acting(via: str, request: HttpRequest | None = None, request_id: str = "") -> AbstractContextManager[None]:
    """Attribute the entries of the block to this request, or to a `via` without a request. The default is a command."""
    return _holding(_ACT, Act(via, request, request_id))


def part_of_one() -> AbstractContextManager[None]:
    """Record nothing within the block: its changes are a part of an act that the caller records as one entry."""
    return _holding(_PART, True)


def in_its_own_right() -> AbstractContextManager[None]:
    """Record the changes of the block, also within `part_of_one`: a consequence that the act's entry does not state."""
    return _holding(_PART, False)


@contextmanager
def _holding(variable: ContextVar[_T], value: _T) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


@transaction.atomic
def record(
    kind: LogKind,
    *,
    project: Project | None = None,
    who: User | None = None,
    whom: User | None = None,
    subject: str = "",
    before: Any = None,
    after: Any = None,
) -> None:
    """Append an entry to the chain of the project, or of the server. Call it last in the transaction of the change.

    `who` is needed only if the request does not know the person yet. `before` and `after` are values for JSON; they
    must hold no secret and no name of a person.
    """
    if not _PART.get():
        append(locked_chain(project), kind, who=who, whom=whom, subject=subject, before=before, after=after)


def append(
    chain: LogChain,
    kind: LogKind,
    *,
    who: User | None = None,
    whom: User | None = None,
    subject: str = "",
    before: Any = None,
    after: Any = None,
) -> None:
    """Append an entry to a chain that this transaction has locked."""
    act = _ACT.get()
    who = who or act.user
    salt = secrets.token_hex(16) if act.address else ""
    entry = LogEntry(
        chain=chain,
        number=chain.length + 1,
        at=timezone.now(),
        kind=kind,
        who=who.pk if who else None,
        via=act.via,
        whom=whom.pk if whom else None,
        subject=subject[:MOST_SUBJECT],
        before=bounded(before),
        after=bounded(after),
        request=act.request_id,
        address=act.address,
        salt=salt,
        address_digest=address_digest(salt, act.address),
        previous=chain.head,
    )
    entry.hash = entry.digest()
    entry.save(force_insert=True)
    chain.length, chain.head = entry.number, entry.hash
    chain.save(update_fields=["length", "head"])
    transaction.on_commit(partial(_announce, entry))


def bounded(value: Any) -> str:
    """Return the value as JSON; of JSON longer than `MOST_VALUE` its size and SHA-256; "" for None.

    >>> bounded({"role": "annotator"})
    '{"role":"annotator"}'
    """
    if value is None:
        return ""
    text = json.dumps(value, cls=DjangoJSONEncoder, sort_keys=True, separators=(",", ":"))
    if len(text) <= MOST_VALUE:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()
    return json.dumps({"bytes": len(text), "sha256": digest}, sort_keys=True, separators=(",", ":"))


def chain_name(project: Project | None) -> str:
    return f"project {project.pk}" if project else SERVER


def locked_chain(project: Project | None) -> LogChain:
    """Return the chain, made if it is missing, locked until the transaction ends."""
    chains = LogChain.objects.filter(name=chain_name(project)).select_for_update(no_key=True)
    chain = chains.first()
    if chain is None:
        # Of two transactions that make it at once, one waits for the other and then finds it.
        LogChain.objects.bulk_create([LogChain(name=chain_name(project), project=project)], ignore_conflicts=True)
        chain = chains.get()
    return chain


def _announce(entry: LogEntry) -> None:
    """Write the entry to the log's stream. A copy elsewhere shows if the newest entries are removed."""
    logger.info(
        "%s %d %s %s",
        entry.chain.name,
        entry.number,
        entry.kind,
        entry.hash,
        extra={"line": json.dumps(entry.line()), "via": entry.via},
    )


def entries_of(
    project: Project | None,
    *,
    kind: str = "",
    person: str = "",
    since: datetime.datetime | None = None,
    until: datetime.datetime | None = None,
) -> QuerySet[LogEntry]:
    """Return the entries of the project, or of the server, that match all filters, the newest first.

    `person`: the username of whom acted, or whom the act is about. `until` is excluded.
    """
    entries = LogEntry.objects.filter(chain__name=chain_name(project)).select_related("chain").order_by("-number")
    if kind:
        entries = entries.filter(kind=kind)
    if person:
        people = list(User.objects.filter(username=person).values_list("pk", flat=True))
        entries = entries.filter(who__in=people) | entries.filter(whom__in=people)
    if since:
        entries = entries.filter(at__gte=since)
    if until:
        entries = entries.filter(at__lt=until)
    return entries


def names_of(entries: Iterable[LogEntry]) -> dict[int | None, str]:
    """Return the names of the entries' people by their ids; of removed accounts `person 17`. Takes one query."""
    ids = {pk for entry in entries for pk in (entry.who, entry.whom) if pk is not None}
    names: dict[int | None, str] = {pk: f"person {pk}" for pk in ids}
    return names | dict(User.objects.filter(pk__in=ids).values_list("pk", "username"))


def lines(entries: QuerySet[LogEntry]) -> Iterator[bytes]:
    """Yield the entries as JSON lines, in the order of their numbers."""
    for entry in entries.order_by("number").iterator(chunk_size=1000):
        yield json.dumps(entry.line()).encode() + b"\n"
