"""Django's admin, for changes that the pages do not offer. Rows that the loop depends on can be read, not edited."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm
from django.contrib.auth.models import Group, Permission
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from knox.models import AuthToken

from labeling.models import LogKind, Membership, Project, SignInFailure, User
from labeling.observing import auditlog
from labeling.observing.auditlog.sealing import forget
from labeling.projects.limits import LIMITS
from labeling.projects.people import second_factors

NEW_PASSWORD = [{"changed": {"fields": ["password"]}}]
"""Django's message of a new password."""

if TYPE_CHECKING:
    _Base = admin.ModelAdmin
else:
    _Base = object

site = admin.site


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


def _plain(value: Any) -> Any:
    """Return a value of a form as JSON: rows as a sorted list of what they are, such as `group 3`."""
    if not isinstance(value, (list, QuerySet)):
        return value
    return sorted(each.codename if isinstance(each, Permission) else f"group {each.pk}" for each in value)


class Recorded(_Base):
    """A mixin that records changes in the audit log, in Django's transaction of the change.

    The log has which fields of which row were changed; of those in `valued` also the values before and after.
    """

    valued: tuple[str, ...] = ()

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        names = [name for name in form.changed_data if name in self.valued]
        form.instance.recorded = [
            {name: _plain(values.get(name)) for name in names} for values in (form.initial, form.cleaned_data)
        ]

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self.record(obj, message)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self.record(obj, message)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for each in queryset:
            self.record(each, "deleted")
        return super().log_deletions(request, queryset)

    def record(self, row: Any, message: Any) -> None:
        """Append the entry of this change. `message` is Django's."""
        changes = message if isinstance(message, str) else [_without_names(each) for each in message]
        before, after = getattr(row, "recorded", ({}, {}))
        auditlog.record(
            self.kind_of(message, after),
            project=row if isinstance(row, Project) else None,
            whom=row if isinstance(row, User) else getattr(row, "user", None),
            subject=f"{row._meta.verbose_name} {row.pk}",
            before=before or None,
            after=[*changes, after] if after else changes,
        )

    def kind_of(self, message: Any, values: Mapping[str, Any]) -> LogKind:
        """Return the kind of the entry. `values` are the new ones of the fields in `valued` that were changed."""
        return LogKind.ADMIN_CHANGED


@admin.register(User)
class AccountAdmin(Recorded, UserAdmin):
    change_password_form = PasswordForm
    actions = ["remove_second_factor"]
    valued = ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")

    @admin.action(description="Remove the second factors, which were lost", permissions=["change"])
    def remove_second_factor(self, request: HttpRequest, accounts: QuerySet[User]) -> None:
        names = [str(each) for each in accounts if second_factors.remove_factors(each)]
        messages.info(request, f"Second factors removed: {', '.join(names) or 'none'}.")

    def log_change(self, request: HttpRequest, obj: User, message: Any) -> Any:
        if message == NEW_PASSWORD:
            messages.info(request, f"The sessions and API tokens of {obj} are ended.")
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        response = super().log_deletions(request, queryset)
        # After the server's chain and in the order of projects, as everywhere, so that no two wait for each other.
        for each in Membership.objects.filter(user__in=queryset).select_related("project", "user").order_by("project"):
            before = {"role": each.role}
            auditlog.record(LogKind.MEMBER_REMOVED, project=each.project, whom=each.user, before=before)
        for user in queryset:
            forget(user)
        return response

    def kind_of(self, message: Any, values: Mapping[str, Any]) -> LogKind:
        if message == [{"added": {}}]:
            return LogKind.ACCOUNT_CREATED
        if message == NEW_PASSWORD:
            return LogKind.PASSWORD_CHANGED
        return LogKind.RIGHTS_CHANGED if values else LogKind.ADMIN_CHANGED


class MembershipInline(admin.TabularInline):
    model = Membership
    fields = ["user", "role", "group", "daily_limit"]  # pauses and estimates follow from answers
    autocomplete_fields = ["user"]
    extra = 0


NO_MEMBER = {"role": None, "group": "", "daily_limit": None}


def _members_of(project: Project) -> dict[int, dict[str, Any]]:
    return {row.pop("user"): row for row in list(project.memberships.values("user", *NO_MEMBER))}


def _record_member(project: Project, user: User, old: dict[str, Any] | None, new: dict[str, Any] | None) -> None:
    """Record what changed for one person."""
    if new is None:
        before = {"role": old["role"]} if old else None
        auditlog.record(LogKind.MEMBER_REMOVED, project=project, whom=user, before=before)
        return
    for kind, names in ((LogKind.MEMBER_ROLE, ["role"]), (LogKind.MEMBER_WORK, ["group", "daily_limit"])):
        before, after = ({name: each[name] for name in names} for each in (old or NO_MEMBER, new))
        if before != after:
            auditlog.record(kind, project=project, whom=user, before=before, after=after)


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
    valued = tuple(limit.own for limit in LIMITS if limit.own)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Save the members, each change with the entry that the page of members makes of it, too."""
        before = _members_of(form.instance)
        super().save_formset(request, form, formset, change)
        after = _members_of(form.instance)
        form.instance.invitations.end_without_author()
        for pk, user in User.objects.in_bulk([*before, *after]).items():
            _record_member(form.instance, user, before.get(pk), after.get(pk))

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


@admin.register(AuthToken)
class TokenAdmin(Recorded, ReadOnlyAdmin):
    """API tokens, which an operator can revoke. Only their person makes them, because a token acts as the person."""

    list_display = ["token_key", "user", "created", "expiry"]
    fields = ["token_key", "user", "created", "expiry"]
    list_filter = ["user"]

    def has_delete_permission(self, request: Any, obj: object = None) -> bool:
        return request.user.has_perm("knox.delete_authtoken")

    def record(self, row: Any, message: Any) -> None:
        auditlog.record(LogKind.TOKEN_REVOKED, whom=row.user, subject=f"token {row.token_key[:8]}")


admin.site.unregister(Group)  # Django's own, which is imported above


@admin.register(Group)
class GroupsAdmin(Recorded, GroupAdmin):
    """Groups of accounts with rights in the admin."""

    valued = ("permissions",)


# Every table that names its columns is shown.
for table in apps.get_app_config("labeling").get_models():
    if (columns := getattr(table, "admin_columns", ())) and not admin.site.is_registered(table):
        filters = [name for name in ("project", "kind", "state") if name in columns]
        admin.site.register(table, ReadOnlyAdmin, list_display=columns, list_filter=filters)
