"""The audit log: the kinds of its entries, and a chain of entries for each project and one for the server.

`labeling.observing.auditlog` writes and verifies the entries. No other code changes them.
"""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import Any

from django.db import models

from labeling.models.projects import Project

GENESIS = "0" * 64
"""The hash that the first entry of a chain follows."""
MOST_SUBJECT = 100


class LogKind(StrEnum):
    """The name of a kind, and its meaning as a sentence without a subject: the person is the entry's.

    Pages, the API and the reference list all kinds.
    """

    meaning: str

    # the server
    SIGNED_IN = "account.signed_in", "signed in"
    SIGN_IN_FAILED = "account.sign_in_failed", "failed to sign in"
    SIGNED_OUT = "account.signed_out", "signed out"
    FACTOR_ADDED = "account.factor_added", "set up a second factor"
    FACTOR_REMOVED = "account.factor_removed", "removed a second factor"
    CODES_MADE = "account.recovery_codes", "made new recovery codes"
    PROVIDER_LINKED = "account.linked", "linked an account of the login provider"
    PROVIDER_UNLINKED = "account.unlinked", "unlinked the account of the login provider"
    SESSION_ENDED = "account.session_ended", "signed another browser out"
    ACCOUNT_CREATED = "account.created", "created an account"
    PASSWORD_CHANGED = "account.password_changed", "changed the password"
    RESET_MAILED = "account.reset_mailed", "was mailed a link to set a new password"
    PASSWORD_RESET = "account.password_reset", "set a new password by a mailed link"
    ADDRESS_ENTERED = "account.address_entered", "entered an e-mail address, to be confirmed"
    ADDRESS_CONFIRMED = "account.address_confirmed", "confirmed an e-mail address, to which links for new passwords go"
    ADDRESS_REMOVED = "account.address_removed", "removed the e-mail address"
    RIGHTS_CHANGED = "account.rights", "changed the rights of an account"
    UNLOCKED = "account.unlocked", "unlocked an account after failed sign-ins"
    TOKEN_CREATED = "token.created", "made an API token"
    TOKEN_REVOKED = "token.revoked", "revoked an API token"
    ADMIN_CHANGED = "admin.changed", "changed a row in the admin"
    BACKED_UP = "server.backed_up", "backed up the installation"
    # the server, or a project
    REFUSED = "access.refused", "was refused a page or an endpoint"
    LOG_EXPORTED = "auditlog.exported", "exported the audit log"
    LOG_SEALED = "auditlog.sealed", "recorded the newest entries of the project logs"
    LOG_CUT = "auditlog.cut", "removed entries older than AUDIT_LOG_DAYS"
    # a project
    PROJECT_CREATED = "project.created", "created the project"
    PROJECT_ARCHIVED = "project.archived", "archived the project"
    PROJECT_UNARCHIVED = "project.unarchived", "unarchived the project"
    PROJECT_DELETED = "project.deleted", "deleted the project"
    PROJECT_RESTORED = "project.restored", "restored the project"
    PROJECT_ERASED = "project.erased", "erased the project for good"
    PROJECT_COPIED = "project.copied", "made a copy of another project"
    PROJECT_TRANSFERRED = "project.transferred", "handed the project over"
    SETTINGS_CHANGED = "settings.changed", "changed settings"
    LOOP_CHANGED = "loop.changed", "started, paused or stopped the loop"
    ENCODER_CHANGED = "encoder.changed", "chose or changed the encoder, or withdrew the change"
    ENCODERS_COMPARED = "encoder.compared", "had encoders compared"
    GUIDELINES_CHANGED = "guidelines.changed", "changed the guidelines"
    IMAGE_ADDED = "guidelines.image_added", "added an image to the guidelines"
    IMAGE_REMOVED = "guidelines.image_removed", "removed an image of the guidelines"
    CLASS_CHANGED = "class.changed", "changed classes"
    CLASS_UNDONE = "class.undone", "undid a change of classes"
    CLASS_EXAMPLE = "class.example", "chose or removed an example of a class"
    PROPOSAL_SETTLED = "class.proposal_settled", "accepted or dismissed a proposed class"
    MEMBER_JOINED = "member.joined", "joined by an invitation"
    MEMBER_ROLE = "member.role", "gave a role"
    MEMBER_WORK = "member.work", "changed the group or the daily limit of a member"
    MEMBER_PAUSED = "member.paused", "paused a member, or ended the pause"
    MEMBER_REMOVED = "member.removed", "removed a member"
    INVITATION_CREATED = "invitation.created", "invited people"
    INVITATION_RENEWED = "invitation.renewed", "made a new link for an invitation"
    INVITATION_WITHDRAWN = "invitation.withdrawn", "withdrew an invitation"
    ITEMS_IMPORTED = "items.imported", "brought in items"
    IMPORT_CHANGED = "import.changed", "changed or repeated an import"
    ITEMS_CHANGED = "items.changed", "changed items"
    ERASURE_ASKED = "items.erasure_asked", "had items erased at once"
    ITEMS_ERASED = "items.erased", "erased items for good"
    LABEL_CORRECTED = "label.corrected", "corrected a label"
    CORRECTION_WITHDRAWN = "label.correction_withdrawn", "withdrew a correction"
    COMMENTED = "item.commented", "commented on an item"
    BATCH_ENDED = "batch.ended", "ended a batch"
    BATCH_RETRIED = "batch.retried", "tried a failed step of a batch again"
    PART_KEPT = "batch.part_kept", "assigned a part of a batch"
    PART_LIFTED = "batch.part_lifted", "removed an assignment of a batch's tasks"
    VERSION_CHOSEN = "model.chosen", "chose which model version picks batches"
    VERSION_RELEASED = "model.released", "released a model version"
    MODEL_HANDED_IN = "model.handed_in", "handed in a model"
    MODEL_TRACKED = "model.tracked", "had a model version registered in MLflow"
    CLUSTERED = "clustering.changed", "had the items clustered again, or withdrew that"
    PREDICTION_ASKED = "prediction.asked", "had a model predict a file"
    PREDICTION_REMOVED = "prediction.removed", "removed predictions"
    PREDICTIONS_HANDED_IN = "predictions.handed_in", "handed in predictions, or asked a server for them"
    EMBEDDING_SERVER = "embedding_server.changed", "set or removed a server that makes embeddings"
    PREDICTION_SERVER = "prediction_server.changed", "set or removed the prediction server"
    FINISH_CHANGED = "finish.changed", "started or stopped the way to a label for every item"
    CERTIFICATE_ISSUED = "certificate.issued", "issued a certificate"
    CERTIFICATE_SUSPENDED = "certificate.suspended", "caused the suspension of a certificate"
    CERTIFICATE_SHARED = "certificate.shared", "made a public link of a certificate"
    CERTIFICATE_UNSHARED = "certificate.unshared", "revoked the public link of a certificate"
    DATASET_CREATED = "dataset.created", "made a dataset version"
    DATASET_ERASED = "dataset.erased", "took erased items out of a dataset version, which changed its digest"
    SOURCE_CHANGED = "source.changed", "added, changed or removed a source"
    SOURCE_LOOKED = "source.looked", "had a source checked"
    WEBHOOK_CHANGED = "webhook.changed", "added, changed or removed a webhook"
    WEBHOOK_SENT = "webhook.sent", "had a webhook's message sent"
    # Labels, and files made of them, that left the server.
    LABELS_EXPORTED = "labels.exported", "exported labels"
    DATASET_DOWNLOADED = "dataset.downloaded", "downloaded the manifest of a dataset version"
    CERTIFICATE_DOWNLOADED = "certificate.downloaded", "downloaded a certificate"
    MODEL_DOWNLOADED = "model.downloaded", "downloaded a model"
    PREDICTION_DOWNLOADED = "prediction.downloaded", "downloaded predictions"

    def __new__(cls, name: str, meaning: str) -> LogKind:
        kind = str.__new__(cls, name)
        kind._value_ = name
        kind.meaning = meaning
        return kind


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
