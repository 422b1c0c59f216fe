"""How many entries of the audit log the request of each line of `doors.py` writes.

A change is one entry; a read is none, unless it takes a file away. Other requests have a line here.
"""

from access.doors import Door

# An annotator's answers are rows with a person and a time already; the others change nothing that other people see.
NEVER = {
    "api:annotation", "api:annotations", "api:claim", "api:comments", "api:release", "api:skip", "api:source-test",
    "guidelines-preview", "label-comments", "notice-choices", "notices", "project-source-test", "theme", "language",
}  # fmt: skip
# GET of these takes labels, or a file that was made of them.
TAKES = {"api:auditlog-file", "api:server-auditlog-file", "api:certificate-file", "api:dataset-manifest", "api:export"}
# The copy has an entry, and so has the original.
TWICE = {"api:project-duplicate", "project-duplicate"}
# The requests of `doors.py` for these change nothing: they are refused, or there is nothing to change.
NOTHING_TO_CHANGE = {
    *("api:batch-retry-post", "project-retry-post", "project-batch-end-get"),
    *("api:class-archive-delete", "api:class-example-delete", "api:class-example-put", "project-item-example-post"),
    *("project-classes-undo-post", "project-proposal-accept-post", "project-proposal-dismiss-post"),
    *("api:clustering-anew-delete", "api:finish-delete", "api:finish-post", "project-finish-stop-post"),
    "project-certificate-unshare-post",
    *("project-finish-post", "api:item-correction-delete", "project-item-withdraw-post"),
    *("api:encoder-change-delete", "api:encoder-change-post", "api:encoder-comparison-post"),
    *("project-encoder-change-post", "project-encoder-measure-post"),
    *("api:member-pause-delete", "api:model-in-use-delete", "project-models-automatic-post"),
    *("api:model-mlflow-post", "project-model-mlflow-post", "project-model-predict-post"),
    *("api:registrations-post", "project-model-register-post", "project-prediction-sets-post"),
    *("api:project-archive-delete", "api:deleted-projects-post", "projects-deleted-post", "project-delete-post"),
    *("api:guidelines-images-post", "project-guidelines-images-post", "project-prediction-server-post"),
    *("project-import-post", "project-import-detail-post", "project-import-retry-post", "project-items-change-post"),
    *("project-members-post", "project-new-post", "project-new-file-post", "project-settings-post"),
    "project-settings-page-post",
    *("project-sources-post", "project-webhooks-post"),
    *("invitation-answer-post", "login-post", "forgotten-password-post", "provider-login-post"),
    *("provider-unlink-post", "account_reauthenticate-post", "mfa_activate_totp-post", "mfa_add_webauthn-post"),
    *("mfa_authenticate-post", "mfa_deactivate_totp-post", "mfa_generate_recovery_codes-post"),
    *("mfa_remove_webauthn-post", "new-password-post", "notice-address-post", "notice-stop-post", "password-post"),
    "setup-post",
}


def entries(door: Door) -> int:
    """Return how many entries the request writes if it is not refused."""
    if door.name in NEVER or str(door) in NOTHING_TO_CHANGE:
        return 0
    return int(door.method != "get" or door.name in TAKES) + int(door.name in TWICE)
