"""The names of all URL patterns, for tests that check tables of pages for completeness."""

from collections.abc import Iterator

from django.urls import URLPattern, URLResolver, get_resolver

# They take something and lead to a page, and show none themselves.
TAKERS = {
    "project-encoder-change", "project-encoder-measure", "project-embedding-server",
    "project-embedding-server-remove", "logout", "guidelines-preview", "theme", "language", "token-revoke",
    "session-end", "provider-login", "provider-callback", "project-loop", "project-archive", "project-duplicate",
    "project-delete", "project-cluster-anew", "project-finish-stop", "project-model-use", "project-model-release",
    "project-models-automatic", "project-model-mlflow", "project-prediction-server", "project-prediction-server-ask",
    "project-prediction-server-remove", "project-retry", "project-batch-parts", "project-batch-part-lift",
    "project-role", "invitation-answer", "project-invitation-withdraw", "project-invitation-renew",
    "project-import-retry", "project-new-file", "project-item-correct", "project-item-example", "project-item-withdraw",
    "project-review-item", "project-item-comment", "project-items-change", "project-prediction-remove",
    "project-classes-undo", "project-class-merged", "project-class-split-done", "project-member-pause",
    "project-class-archive", "project-proposal-accept", "project-proposal-dismiss", "project-guidelines-restore",
    "project-source-credentials", "project-source-test", "project-source-look", "project-source-pause",
    "project-source-remove", "project-webhook-secret", "project-webhook-test", "project-webhook-pause",
    "project-webhook-remove", "project-delivery-again", "project-guidelines-image-remove",
    "project-certificate-unshare",
}  # fmt: skip
# Their page is another one's.
LIKE_OTHERS = {"mfa_remove_webauthn"}
# They answer with data.
DATA = {
    "label-classes", "label-guidelines", "label-today", "label-worker", "project-consequence",
    "project-find", "project-import-progress", "project-item-classes",
}  # fmt: skip
# For programs.
PROGRAMS = {"schema", "healthz", "readyz", "metrics"}
# For operators and programs.
OPERATORS = {"server", "server-auditlog", *PROGRAMS}
# Second names of addresses, by which django-allauth finds them.
ALIASES = {"account_login"}
# They lead to another page, whoever asks.
REDIRECTS = {"admin-sign-in", "admin-password"}


def all_names() -> set[str]:
    """Return the names of all URL patterns outside the namespaces of the API and Django's admin."""
    return set(_names(get_resolver().url_patterns)) - ALIASES


def _names(patterns: list[URLPattern | URLResolver]) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLPattern):
            yield str(pattern.name)
        elif not pattern.namespace:
            yield from _names(pattern.url_patterns)
