"""Django's admin, for changes that the pages do not offer. Rows that the loop depends on can be read, not edited."""

from collections.abc import Mapping
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.apps import apps
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from labeling import auditlog
from labeling.auditlog.retention import forget
from labeling.models import LogKind, Membership, Project, SignInFailure, User
from labeling.projects import second_factors
from labeling.projects.limits import LIMITS


class PasswordForm(AdminPasswordChangeForm):
    """The password form, with a note that sessions and API tokens of the account end."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields["password1"].help_text = format_html(
            "<p>The person is signed out everywhere, and the API tokens of this account end: {}.</p>{}",
            self.user.auth_token_set.count(),
            self.fields["password1"].help_text,
        )


def _without_names(change: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return a part of Django's message without the text of the row, which may be a person's name."""
    return {act: {key: value for key, value in facts.items() if key != "object"} for act, facts in change.items()}


class Recorded:
    """A mixin that records changes in the audit log, in Django's transaction of the change.

    The log has which fields of which row were changed, not their values.
    """

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self._record(obj, message)
        return super().log_addition(request, obj, message)  # type: ignore[misc]  # of ModelAdmin

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self._record(obj, message)
        return super().log_change(request, obj, message)  # type: ignore[misc]

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for each in queryset:
            self._record(each, "deleted")
            if isinstance(each, User):
                forget(each)
        return super().log_deletions(request, queryset)  # type: ignore[misc]

    def _record(self, row: Any, message: Any) -> None:
        project = row if isinstance(row, Project) else None
        whom = row if isinstance(row, User) else None
        subject = f"{row._meta.verbose_name} {row.pk}"
        changes = message if isinstance(message, str) else [_without_names(each) for each in message]
        auditlog.record(LogKind.ADMIN_CHANGED, project=project, whom=whom, subject=subject, after=changes)


# Rows of django-allauth, which the account page shows to their person.
for table in (Authenticator, EmailAddress, SocialAccount, SocialApp, SocialToken, UserSession):
    admin.site.unregister(table)


@admin.register(User)
class AccountAdmin(Recorded, UserAdmin):
    change_password_form = PasswordForm
    actions = ["remove_second_factor"]

    @admin.action(description="Remove the second factors, which were lost", permissions=["change"])
    def remove_second_factor(self, request: HttpRequest, accounts: QuerySet[User]) -> None:
        names = [str(each) for each in accounts if second_factors.remove(each)]
        messages.info(request, f"Second factors removed: {', '.join(names) or 'none'}.")

    def log_change(self, request: HttpRequest, obj: User, message: Any) -> Any:
        if message == [{"changed": {"fields": ["password"]}}]:
            messages.info(request, f"The sessions and API tokens of {obj} are ended.")
        return super().log_change(request, obj, message)


class MembershipInline(admin.TabularInline):
    model = Membership
    autocomplete_fields = ["user"]
    extra = 0


@admin.register(Project)
class ProjectAdmin(Recorded, admin.ModelAdmin):
    list_display = [
        "slug",
        "name",
        "kind",
        "question",
        "loop",
        "batch_size",
        "strategy",
        "class_guard",
        *(limit.own for limit in LIMITS if limit.own),
    ]
    # Guidelines are changed on the settings page, which records each version.
    readonly_fields = ["slug", "kind", "question", "seed", "guidelines"]
    inlines = [MembershipInline]

    def has_add_permission(self, request: object) -> bool:
        return False  # the page and the command create a project together with its classes


class ReadOnlyAdmin(admin.ModelAdmin):
    def has_add_permission(self, request: object) -> bool:
        return False

    def has_change_permission(self, request: object, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: object, obj: object = None) -> bool:
        return False


@admin.register(SignInFailure)
class SignInFailureAdmin(Recorded, ReadOnlyAdmin):
    """After an operator deletes a person's failures, the person can try again at once."""

    list_display = SignInFailure.admin_columns
    list_filter = ["user"]

    def has_delete_permission(self, request: Any, obj: object = None) -> bool:
        return request.user.has_perm("labeling.delete_signinfailure")


# Every table that names its columns is shown.
for table in apps.get_app_config("labeling").get_models():
    if (columns := getattr(table, "admin_columns", ())) and not admin.site.is_registered(table):
        filters = [name for name in ("project", "kind", "state") if name in columns]
        admin.site.register(table, ReadOnlyAdmin, list_display=columns, list_filter=filters)
