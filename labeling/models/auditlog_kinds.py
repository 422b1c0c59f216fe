"""The declarations of all kinds of entries in the audit log, which pages, the API and the reference list."""

from __future__ import annotations

from enum import StrEnum


class LogKind(StrEnum):
    """The name of a kind, and its meaning as a sentence without a subject: the person is the entry's."""

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
    UNLOCKED = "account.unlocked", "ended a lock-out after failed sign-ins"
    TOKEN_CREATED = "token.created", "made an API token"
    TOKEN_REVOKED = "token.revoked", "revoked an API token"
    ADMIN_CHANGED = "admin.changed", "changed a row in the admin"
    BACKED_UP = "server.backed_up", "backed up the installation"
    # the server, or a project
    REFUSED = "access.refused", "was refused a page or an endpoint"
    LOG_EXPORTED = "auditlog.exported", "exported the audit log"
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
    LABEL_CORRECTED = "label.corrected", "corrected a label"
    CORRECTION_WITHDRAWN = "label.correction_withdrawn", "withdrew a correction"
    COMMENTED = "item.commented", "commented on an item"
    BATCH_ENDED = "batch.ended", "ended a batch"
    BATCH_RETRIED = "batch.retried", "had a failed step of a batch repeated"
    PART_KEPT = "batch.part_kept", "kept a part of a batch for people"
    PART_LIFTED = "batch.part_lifted", "gave a kept part of a batch back"
    VERSION_CHOSEN = "model.chosen", "chose which model version picks batches"
    VERSION_RELEASED = "model.released", "released a model version"
    MODEL_HANDED_IN = "model.handed_in", "handed in a model"
    MODEL_TRACKED = "model.tracked", "had a model version registered in MLflow"
    CLUSTERED = "clustering.changed", "had the items clustered again, or withdrew that"
    PREDICTION_ASKED = "prediction.asked", "had a model predict a file"
    PREDICTION_REMOVED = "prediction.removed", "removed predictions"
    PREDICTIONS_HANDED_IN = "predictions.handed_in", "handed in predictions, or asked a server for them"
    PREDICTION_SERVER = "prediction_server.changed", "set or removed the prediction server"
    FINISH_CHANGED = "finish.changed", "started or stopped the way to a label for every item"
    CERTIFICATE_ISSUED = "certificate.issued", "issued a certificate"
    CERTIFICATE_SUSPENDED = "certificate.suspended", "caused the suspension of a certificate"
    DATASET_CREATED = "dataset.created", "made a dataset version"
    SOURCE_CHANGED = "source.changed", "added, changed or removed a source"
    SOURCE_LOOKED = "source.looked", "had a source looked at"
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
