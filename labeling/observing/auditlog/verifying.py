"""Verify the chains of the audit log."""

import itertools
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from labeling.models import LogChain, LogEntry, LogKind, Project, User
from labeling.models.auditlog import GENESIS, address_digest
from labeling.observing.auditlog.sealing import Heads, notes_of_server, seals
from labeling.observing.auditlog.writing import SERVER, chain_name

NO_SEALS: Mapping[int, str] = {}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result for one chain: the number of entries, the number and hash of the newest, and the first problem."""

    chain: str
    entries: int
    newest: int
    head: str
    problem: str = ""


def verify_all() -> Iterator[Verdict]:
    """Verify each chain, and name those that are missing: of a project, of a seal, and the server's."""
    # In this order, so that what other processes write in the meantime is no problem.
    sealed = _sealed()
    wanted = {chain_name(project) for project in Project.objects.only("pk")}
    chains = {chain.name: chain for chain in LogChain.objects.all()}
    removed = _removed_by_age()
    if User.objects.exists():  # the first one is an entry
        wanted.add(SERVER)
    for chain in chains.values():
        yield verify(chain, sealed=sealed.get(chain.name, NO_SEALS))
    for name in sorted((wanted | sealed.keys()) - chains.keys()):
        number, digest = max(sealed.get(name, NO_SEALS).items(), default=(0, GENESIS))
        if name in wanted or removed.get(name, (0, ""))[0] < number:
            known = f": another chain holds its entry {number} with the hash {digest}" if number else ""
            yield Verdict(name, 0, 0, GENESIS, f"the whole chain is missing{known}")


def verify_one(chain: LogChain, *, expected: str = "") -> Verdict:
    """Verify one chain, against the seals of the server's chain, too."""
    return verify(chain, expected=expected, sealed=_sealed().get(chain.name, NO_SEALS))


def verify(chain: LogChain, *, expected: str = "", sealed: Mapping[int, str] = NO_SEALS) -> Verdict:
    """Read the whole chain and check each hash, each link, and the newest entry. Reads entries one by one.

    `expected` is a hash that was the newest one at some time: it must still be that of an entry, so that a removed tail
    shows. `sealed` are hashes by the numbers of their entries. Entries that the retention removed are proven by the
    entry `auditlog.cut`, which holds the last hash.
    """
    reading = _Reading(chain, expected, sealed)
    for entry in chain.entries.order_by("number").iterator(chunk_size=2000):
        entry.chain = chain
        if problem := reading.add(entry):
            break
    else:
        problem = reading.conclude()
    return Verdict(chain.name, reading.entries, reading.newest, reading.head, problem)


@dataclass
class _Reading:
    """What is known of a chain up to the newest entry that was read.

    `chain` is the row as it was before, because others may append while this reads.
    """

    chain: LogChain
    expected: str
    sealed: Mapping[int, str]
    entries: int = 0
    newest: int = 0
    head: str = GENESIS
    first: LogEntry | None = None
    found: bool = False
    at_length: str = GENESIS
    cuts: dict[int, str] = field(default_factory=dict)
    without_address: dict[int | None, int] = field(default_factory=dict)

    def add(self, entry: LogEntry) -> str:
        """Add the next entry, and return ""; or return what is wrong with it."""
        if self.first is None:
            self.first = entry
            self.newest, self.head = entry.number - 1, entry.previous
        if problem := _problem(entry, self.newest, self.head):
            return problem
        if (known := self.sealed.get(entry.number, entry.hash)) != entry.hash:
            return f"entry {entry.number} was replaced: its hash was {known}"
        if entry.kind == LogKind.LOG_CUT and not entry.subject:
            through, digest = _cut_of(entry)
            self.cuts[through] = digest
            self.found |= digest == self.expected
        if entry.address_digest and not entry.address:
            self.without_address.setdefault(_person(entry), entry.number)
        if entry.number == self.chain.length:
            self.at_length = entry.hash
        self.found |= entry.hash == self.expected
        self.entries, self.newest, self.head = self.entries + 1, entry.number, entry.hash
        return ""

    def conclude(self) -> str:
        """Return the problem of the log as a whole, after its entries were checked one by one; "" if there is none."""
        first, newest, length = self.first, self.newest, self.chain.length
        if first is not None and first.number > 1 and self.cuts.get(first.number - 1) != first.previous:
            return f"entries up to {first.number - 1} are missing, and no entry says that they were removed by age"
        if first is not None and first.number == 1 and first.previous != GENESIS:
            return "entry 1 follows another entry"
        if self.at_length != self.chain.head:
            return f"entries after {newest} are missing: the newest was {length} with the hash {self.chain.head}"
        if newest < (number := max(self.sealed, default=0)):
            return f"entries after {newest} are missing: there was {number} with the hash {self.sealed[number]}"
        if LogChain.objects.filter(pk=self.chain.pk, length__lt=newest).exists():
            return f"entries after {length} were not appended by the log"
        if self.expected and not self.found:
            return (
                f"no entry has the expected hash {self.expected}: newer entries were removed, or the chain was replaced"
            )
        if (erased := _first_without_reason(self.without_address)) is not None:
            return f"the address of entry {erased} was removed, but not with the account of its person"
        return ""


def _problem(entry: LogEntry, number: int, head: str) -> str:
    """Return what is wrong with the entry that follows `number`; "" if nothing is."""
    if entry.number != number + 1:
        return f"entry {number + 1} is missing"
    if entry.previous != head:
        return f"entry {entry.number} does not follow entry {number}: one of them was replaced"
    if entry.digest() != entry.hash:
        return f"entry {entry.number} was changed"
    if entry.address and address_digest(entry.salt, entry.address) != entry.address_digest:
        return f"the address of entry {entry.number} was changed"
    return ""


def _person(entry: LogEntry) -> int | None:
    """Return the account whose removal takes the address along: `labeling.observing.auditlog.sealing.forget`."""
    return entry.whom if entry.who is None else entry.who


def _first_without_reason(without_address: Mapping[int | None, int]) -> int | None:
    """Return the first entry that lacks its address while its account exists; None if there is none."""
    kept = set(User.objects.filter(pk__in=[pk for pk in without_address if pk]).values_list("pk", flat=True))
    return min((number for pk, number in without_address.items() if pk is None or pk in kept), default=None)


def _cut_of(entry: LogEntry) -> tuple[int, str]:
    """Return the number and the hash of the last entry that a cut removed; (0, "") if the cut says neither."""
    try:
        cut = json.loads(entry.after)
        return int(cut["through"]), str(cut["hash"])
    except (ValueError, TypeError, KeyError):
        return 0, ""


def _sealed() -> dict[str, dict[int, str]]:
    """Return by chain the hashes that other chains hold, by the numbers of the entries."""
    sealed: dict[str, dict[int, str]] = defaultdict(dict)
    for heads in itertools.chain(notes_of_server(), seals()):
        for name, (number, digest) in heads.items():
            sealed[name].setdefault(number, digest)
    return sealed


def _removed_by_age() -> Heads:
    """Return the last entries of the chains that the retention removed whole."""
    cuts = LogEntry.objects.filter(chain__name=SERVER, kind=LogKind.LOG_CUT).exclude(subject="")
    return {entry.subject: _cut_of(entry) for entry in cuts}
