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
    }
)
"""The names of the addresses whose texts are all translated. All other pages are in English."""

TEMPLATES = (
    *("400.html", "403.html", "403_csrf.html", "404.html", "500.html", "503.html", "507.html"),
    *("account/", "base.html", "guidelines/", "home.html", "invitation/", "label/"),
    *("kinds/audio/shown.html", "kinds/image/shown.html", "kinds/text/shown.html", "kinds/vector/shown.html"),
    *("project/base.html", "project/field.html", "project/item_shown.html", "project/pager.html", "project/time.html"),
    *(
        "project/overview.html",
        "project/progress.html",
        "project/charts/",
        "guidelines/section.html",
        "project/errors.html",
    ),
    *("project/accuracy.html", "project/attention.html", "project/batch_table.html", "project/counts.html"),
    *(
        "project/damaged.html",
        "project/fit.html",
        "project/for_engineers.html",
        "project/loop.html",
        "project/parts.html",
    ),
    *("project/payoff.html", "project/picking.html", "project/running.html"),
    *("project/batches.html", "project/batch.html", "project/batch_parts.html", "project/batch_end.html"),
    *("project/picked.html", "project/map.html", "project/items.html", "project/items_filter.html"),
    *("project/items_change.html", "project/item.html", "project/item_answers.html", "project/item_comments.html"),
    *("project/item_correct.html", "project/review.html", "project/review_item.html", "project/agreement.html"),
    *(
        "auditlog.html",
        "auditlog_table.html",
        "deleted.html",
        "questions/",
        "project/auditlog.html",
        "project/new.html",
    ),
    *("project/classes.html", "project/classes_proposed.html", "project/class.html", "project/class_merge.html"),
    *("project/class_split.html", "project/manage.html", "project/transfer.html", "project/members.html"),
    *("project/member_remove.html", "project/pictured.html", "project/verdict.html"),
    *("project/copies.html", "project/confusion.html", "project/classes_list.html", "project/thumb.html"),
    "registration/",
)
"""The templates, and folders of templates, in which every text is marked for translation."""

SCRIPTS = (
    *("label/", "viewer/", "kept.js", "passkeys.js", "sign-out.js", "project/notices.js", "project/step.js"),
    *(
        "project/item.js",
        "project/items.js",
        "project/new.js",
        "project/preview.js",
        "project/review.js",
        "project/select.js",
    ),
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
