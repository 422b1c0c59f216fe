"""Who is in the project, and as what."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from labeling import access, projects
from labeling.models import Membership
from labeling.web import people
from labeling.web.forms import MemberForm, RoleForm
from labeling.web.members import for_members
from labeling.web.pages import render_page
from labeling.web.words import moment


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@for_members(access.MANAGE)
def members(request: HttpRequest, membership: Membership) -> HttpResponse:
    """The list, and two forms: one for people who have an account, one for those who get one here."""
    add = MemberForm(request.POST if "add" in request.POST else None, prefix="add")
    create = MemberForm(request.POST if "create" in request.POST else None, prefix="create")
    if add.is_bound and add.is_valid() and _add(request, membership, add):
        return redirect("project-members", membership.project.slug)
    if create.is_bound and create.is_valid():
        made = _create(membership, create)
        if made is not None:
            return _page(request, membership, {"made": made, "add": add, "create": MemberForm(prefix="create")})
    return _page(request, membership, {"add": add, "create": create})


def _page(request: HttpRequest, membership: Membership, context: dict[str, Any]) -> HttpResponse:
    now = timezone.now()
    found = membership.project.memberships.select_related("user").order_by("user__username")
    context["members"] = [
        {"user": each.user, "role": each.role, "since": moment(each.created_at, now)} for each in found
    ]
    context["roles"] = RoleForm.base_fields["role"].choices  # type: ignore[attr-defined]
    status = 400 if context["add"].errors or context["create"].errors else 200
    return render_page(request, membership, "project/members.html", context, section="project-members", status=status)


def _add(request: HttpRequest, membership: Membership, form: MemberForm) -> bool:
    try:
        added = people.add_member(project=membership.project, **form.cleaned_data)
    except ValidationError as error:
        form.add_error(None, error)
        return False
    messages.success(request, f"{added.user.username} is now {added.get_role_display().lower()} in this project.")
    return True


def _create(membership: Membership, form: MemberForm) -> dict[str, str] | None:
    """The new account's name and password. The password is in this one response and nowhere else."""
    try:
        user, password = people.create_account(project=membership.project, **form.cleaned_data)
    except ValidationError as error:
        form.add_error(None, error)
        return None
    return {"username": user.username, "password": password}


@require_POST
@for_members(access.MANAGE)
def change_role(request: HttpRequest, membership: Membership, username: str) -> HttpResponse:
    """Give a member another role."""
    member = _member(membership, username)
    form, still = RoleForm(request.POST), True
    try:
        if not form.is_valid():
            raise ValidationError("Choose a role.")
        projects.set_role(project=membership.project, user=member.user, role=form.cleaned_data["role"])
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        messages.success(request, f"{username} is now {form.cleaned_data['role']}.")
        # A manager who gave the role away may not see the list any more.
        still = member.user_id != membership.user.pk or form.cleaned_data["role"] == membership.role
    return redirect("project-members" if still else "project", membership.project.slug)


@require_http_methods(["GET", "HEAD", "POST"])
@for_members(access.MANAGE)
def remove_member(request: HttpRequest, membership: Membership, username: str) -> HttpResponse:
    """Ask; then end the membership. What the member has answered stays."""
    member = _member(membership, username)
    if request.method != "POST":
        context = {"member": member, "own": member.user_id == membership.user.pk}
        return render_page(request, membership, "project/member_remove.html", context, section="project-members")
    try:
        projects.remove_member(project=membership.project, user=member.user)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return redirect("project-members", membership.project.slug)
    messages.success(request, f"{username} is no longer a member of {membership.project.name}.")
    if member.user_id == membership.user.pk:
        return redirect("home")
    return redirect("project-members", membership.project.slug)


def _member(membership: Membership, username: str) -> Membership:
    found = membership.project.memberships.select_related("user", "project")
    return get_object_or_404(found, user__username=username)
