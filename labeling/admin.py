"""Django's admin, for changes that the pages do not offer. Rows that the loop depends on can be read, not edited."""

from typing import Any

from axes.admin import AccessAttemptAdmin
from axes.models import AccessAttempt
from django.apps import apps
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm
from django.http import HttpRequest
from django.utils.html import format_html

from labeling.models import Membership, Project, User


class PasswordForm(AdminPasswordChangeForm):
    """The password form, with a note that sessions and API tokens of the account end."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields["password1"].help_text = format_html(
            "<p>The person is signed out everywhere, and the API tokens of this account end: {}.</p>{}",
            self.user.auth_token_set.count(),
            self.fields["password1"].help_text,
        )


@admin.register(User)
class AccountAdmin(UserAdmin):
    change_password_form = PasswordForm

    def log_change(self, request: HttpRequest, obj: User, message: Any) -> Any:
        if message == [{"changed": {"fields": ["password"]}}]:
            messages.info(request, f"The sessions and API tokens of {obj} are ended.")
        return super().log_change(request, obj, message)


# Recent failed sign-ins: after an operator deletes the row, the person can try again at once.
admin.site.register(AccessAttempt, AccessAttemptAdmin)


class MembershipInline(admin.TabularInline):
    model = Membership
    autocomplete_fields = ["user"]
    extra = 0


@admin.register(Project)
class ProjectAdmin(admin.ModelAdmin):
    list_display = [
        "slug",
        "name",
        "kind",
        "question",
        "loop",
        "batch_size",
        "strategy",
        "class_guard",
        "storage_limit_mb",
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


# Every table that names its columns is shown.
for table in apps.get_app_config("labeling").get_models():
    if columns := getattr(table, "admin_columns", ()):
        filters = [name for name in ("project", "kind", "state") if name in columns]
        admin.site.register(table, ReadOnlyAdmin, list_display=columns, list_filter=filters)
