"""Which pages are translated, and the texts of their scripts. docs/decisions/0129-languages.md says why."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.conf import settings
from django.utils import translation
from django.utils.translation.trans_real import DjangoTranslation
from django.views.i18n import JavaScriptCatalog

PAGES = frozenset(
    {
        *(
            "home",
            "login",
            "account_login",
            "provider-login",
            "provider-callback",
            "provider-unlink",
            "logout",
            "setup",
        ),
        *("forgotten-password", "new-password", "invitation", "invitation-answer"),
        *("mfa_authenticate", "mfa_index", "mfa_activate_totp", "mfa_deactivate_totp", "account_reauthenticate"),
        *("mfa_add_webauthn", "mfa_remove_webauthn", "mfa_view_recovery_codes", "mfa_generate_recovery_codes"),
        *("account", "session-end", "theme", "language", "password", "token-revoke"),
        *("notices", "notice-choices", "notice-address", "notice-stop"),
        *("label", "label-guidelines", "label-comments"),
        *("project", "project-loop", "project-retry", "project-progress"),
        *("project-batches", "project-batch", "project-batch-parts", "project-batch-part-lift", "project-batch-end"),
        *("project-items", "project-items-change", "project-item", "project-item-correct", "project-item-withdraw"),
        *("project-item-comment", "project-item-example", "project-review", "project-review-item"),
        *("project-agreement", "project-copies"),
        *("project-new", "guidelines-preview", "project-guidelines", "project-guidelines-edit"),
        *("project-guidelines-restore", "project-guidelines-images", "project-guidelines-image-remove"),
        *("project-classes", "project-classes-undo", "project-proposal-accept", "project-proposal-dismiss"),
        *("project-class", "project-class-merge", "project-class-merged", "project-class-split"),
        *("project-class-split-done", "project-class-archive"),
        *("project-members", "project-role", "project-remove", "project-transfer", "project-member-pause"),
        *("project-invitation-withdraw", "project-invitation-renew"),
        *("project-manage", "project-archive", "project-duplicate", "project-delete", "projects-deleted"),
        *("project-auditlog", "server-auditlog"),
        *("project-settings", "project-consequence", "project-cluster-anew", "project-learner"),
        *("project-encoder", "project-encoder-change", "project-encoder-measure"),
        *("project-embedding-server", "project-embedding-server-remove"),
        *("project-finish", "project-finish-stop", "project-privacy", "server"),
        *("project-models", "project-model", "project-model-use", "project-models-automatic", "project-models-compare"),
        *("project-model-release", "project-model-mlflow", "project-model-register"),
        *("project-model-predict", "project-prediction", "project-prediction-remove", "project-prediction-sets"),
        *("project-prediction-server", "project-prediction-server-ask", "project-prediction-server-remove"),
        *("project-export", "project-datasets", "project-dataset"),
        *("project-import", "project-import-detail", "project-import-progress", "project-import-retry"),
        *("project-sources", "project-source", "project-source-credentials", "project-source-test"),
        *("project-source-look", "project-source-pause", "project-source-remove"),
        *("project-webhooks", "project-webhook", "project-webhook-secret", "project-webhook-test"),
        *("project-webhook-pause", "project-webhook-remove", "project-delivery-again"),
    }
)
"""The names of the addresses whose texts are all translated. All other pages are in English."""

TEMPLATES = (
    *("400.html", "403.html", "403_csrf.html", "404.html", "405.html", "500.html", "503.html", "507.html"),
    *("auditlog.html", "auditlog_table.html", "base.html", "deleted.html", "home.html", "server.html"),
    *("account/", "guidelines/", "invitation/", "kinds/", "label/", "project/", "questions/", "registration/"),
)
"""The templates, and folders of templates, in which every text is marked for translation."""

SCRIPTS = (
    *("label/", "viewer/", "kept.js", "passkeys.js", "sign-out.js", "project/notices.js", "project/step.js"),
    *("project/item.js", "project/items.js", "project/review.js", "project/select.js", "project/export.js"),
    *("project/import-folder.js", "project/import-live.js", "project/import-parked.js", "project/import-send.js"),
    *("project/import-words.js", "project/import.js", "project/prediction.js", "project/settings.js"),
    *("project/new.js", "project/preview.js"),
)
"""The same for scripts, in `static/js`."""


def is_translated(name: str) -> bool:
    """Return whether the page at the address with this name is translated."""
    return name in PAGES


def texts_of_scripts() -> dict[str, Any]:
    """Return the present language, and the translations of the scripts' texts: {text: translation}.

    A text with plural forms has a list of them, in gettext's order. English has no translations.
    """
    language = translation.get_language() or settings.LANGUAGE_CODE
    return {"language": language, "texts": _texts(language)}


@cache
def _texts(language: str) -> dict[str, str | list[str]]:
    if language == settings.LANGUAGE_CODE:
        return {}
    view = JavaScriptCatalog()
    view.translation = DjangoTranslation(language, domain="djangojs", localedirs=[*map(str, settings.LOCALE_PATHS)])
    return dict(view.get_catalog())
