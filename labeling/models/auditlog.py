"""The audit log: a chain of entries for each project and one for the server.

`labeling.observing.auditlog` writes and verifies the entries. No other code changes them.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.db import models

from labeling.models.projects import Project

GENESIS = "0" * 64
"""The hash that the first entry of a chain follows."""
MOST_SUBJECT = 100


class LogChain(models.Model):
    """A chain of entries: of a project, or of the server. The chain of a project that was erased stays.

    Who appends an entry locks this row until the end of the transaction, so a chain has no forks.
    """

    name = models.CharField(max_length=40, unique=True, help_text="`server`, or `project` and the project's id.")
    project = models.OneToOneField(Project, null=True, on_delete=models.SET_NULL, related_name="log_chain")
    length = models.PositiveBigIntegerField(default=0, help_text="The number of the newest entry.")
    head = models.CharField(max_length=64, default=GENESIS, help_text="The hash of the newest entry.")

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.name


class LogEntry(models.Model):
    """One act. `hash` is the SHA-256 of the entry's `facts`, which contain the hash of the entry before.

    People are the ids of their accounts, never names. `address` and `salt` can be removed without a break of the chain,
    because the hash covers only their digest.
    """

    admin_columns = ("chain", "number", "at", "kind", "who", "subject")

    chain = models.ForeignKey(LogChain, on_delete=models.PROTECT, related_name="entries")
    number = models.PositiveBigIntegerField(help_text="Counts from 1 in each chain.")
    at = models.DateTimeField()
    kind = models.CharField(max_length=40)
    who = models.BigIntegerField(null=True, help_text="The id of the account that acted; none for the server itself.")
    via = models.CharField(max_length=10, help_text="page, api, command or worker.")
    whom = models.BigIntegerField(null=True, help_text="The id of the account that the act is about.")
    subject = models.CharField(max_length=MOST_SUBJECT, blank=True, help_text="What it is about, such as `class 3`.")
    before = models.TextField(blank=True, help_text="JSON, or its size and SHA-256 if it is long.")
    after = models.TextField(blank=True, help_text="Likewise.")
    request = models.CharField(max_length=64, blank=True, help_text="The id of the request.")
    address = models.CharField(max_length=45, blank=True, help_text="The client's address.")
    salt = models.CharField(max_length=32, blank=True)
    address_digest = models.CharField(max_length=64, blank=True, help_text="SHA-256 of salt and address.")
    previous = models.CharField(max_length=64, help_text="The hash of the entry before.")
    hash = models.CharField(max_length=64)

    class Meta:
        ordering = ["-pk"]
        verbose_name_plural = "log entries"
        constraints = [models.UniqueConstraint(fields=["chain", "number"], name="one_log_entry_of_a_number")]
        indexes = [
            models.Index(fields=["chain", "kind", "number"], name="log_kind"),
            models.Index(fields=["chain", "who", "number"], name="log_who"),
            models.Index(fields=["chain", "at"], name="log_at"),
        ]

    def __str__(self) -> str:
        return f"{self.chain} {self.number}"

    def facts(self) -> dict[str, Any]:
        """Return the fields that the hash covers."""
        return {
            "chain": self.chain.name,
            "number": self.number,
            "at": self.at.isoformat(timespec="microseconds"),
            "kind": self.kind,
            "who": self.who,
            "via": self.via,
            "whom": self.whom,
            "subject": self.subject,
            "before": self.before,
            "after": self.after,
            "request": self.request,
            "address_digest": self.address_digest,
            "previous": self.previous,
        }

    def line(self) -> dict[str, Any]:
        """Return the entry as exports have it: the facts, and what proves them."""
        return {**self.facts(), "address": self.address, "salt": self.salt, "hash": self.hash}

    def digest(self) -> str:
        """Return the SHA-256 of the facts as JSON with sorted keys, without spaces, in ASCII."""
        return hashlib.sha256(json.dumps(self.facts(), sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def address_digest(salt: str, address: str) -> str:
    """Return the SHA-256 of salt and address; "" without an address."""
    return hashlib.sha256(f"{salt}{address}".encode()).hexdigest() if address else ""
