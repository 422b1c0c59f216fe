"""Verify the chains of the audit log."""

from __future__ import annotations

import json
from dataclasses import dataclass

from labeling.models import LogChain, LogEntry, LogKind
from labeling.models.auditlog import GENESIS, address_digest


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result for one chain: the number of entries, the number and hash of the newest, and the first problem."""

    chain: str
    entries: int
    newest: int
    head: str
    problem: str = ""


def verify(chain: LogChain, *, expected: str = "") -> Verdict:
    """Read the whole chain and check each hash, each link, and the newest entry. Reads entries one by one.

    `expected` is a hash that was the newest one at some time: it must still be that of an entry, so that a removed tail
    shows. Entries that the retention removed are proven by the entry `auditlog.cut`, which holds the last hash.
    """
    entries, newest, head, problem, found = 0, 0, GENESIS, "", not expected
    first: LogEntry | None = None
    cuts: dict[int, str] = {}
    for entry in chain.entries.order_by("number").iterator(chunk_size=2000):
        entry.chain = chain
        if first is None:
            first = entry
            newest, head = entry.number - 1, entry.previous
        if problem := _problem(entry, newest, head):
            return Verdict(chain.name, entries, newest, head, problem)
        if entry.kind == LogKind.LOG_CUT:
            cut = json.loads(entry.after)
            cuts[cut["through"]] = cut["hash"]
            found = found or cut["hash"] == expected
        found = found or entry.hash == expected
        entries, newest, head = entries + 1, entry.number, entry.hash
    if first is not None and first.number > 1 and cuts.get(first.number - 1) != first.previous:
        problem = f"entries up to {first.number - 1} are missing, and no entry says that they were removed by age"
    elif first is not None and first.number == 1 and first.previous != GENESIS:
        problem = "entry 1 follows another entry"
    elif (newest, head) != (chain.length, chain.head):
        problem = f"entries after {newest} are missing: the newest was {chain.length} with the hash {chain.head}"
    elif not found:
        problem = f"no entry has the expected hash {expected}: newer entries were removed, or the chain was replaced"
    return Verdict(chain.name, entries, newest, head, problem)


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
