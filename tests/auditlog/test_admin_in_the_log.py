"""Each change by Django's admin is in the audit log, with who gave what to whom."""

import json
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.test import Client, RequestFactory
from factories import make_member, make_project, make_user
from knox.models import AuthToken
from pages import signed_in

from labeling.models import LogEntry, Membership, Project, Role, User
from labeling.web.admin import Recorded

pytestmark = pytest.mark.django_db

ENTRY = tuple[str, int | None, Any, Any]


@pytest.fixture
def boss() -> User:
    return make_user("boss", is_staff=True, is_superuser=True)


@pytest.fixture
def client(boss: User) -> Client:
    return signed_in(boss)


def entries(client: Client, path: str, form: dict[str, Any]) -> list[ENTRY]:
    """Send a form of the admin; return kind, person, and the values before and after of the entries that it wrote."""
    last = LogEntry.objects.order_by("pk").values_list("pk", flat=True).last() or 0
    response = client.post(f"/admin/{path}", form)
    assert response.status_code == 302, response.content.decode()
    rows = LogEntry.objects.filter(pk__gt=last).order_by("pk")
    return [(each.kind, each.whom, _value(each.before), _value(each.after)) for each in rows]


def _value(text: str) -> Any:
    return json.loads(text) if text else None


def filled(client: Client, path: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Return what the browser would send from the form at `path`, with these changes."""
    page = client.get(f"/admin/{path}").context["adminform"].form
    forms = [page, *(each for formset in _formsets(client, path) for each in (*formset.forms, formset.management_form))]
    values = {bound.html_name: bound.value() for form in forms for bound in form}
    text = {name: value for name, value in values.items() if value is not None and value is not False}
    for field in ("date_joined", "last_login"):
        text.pop(field, None)
    text |= {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    return {name: value for name, value in (text | changes).items() if value is not None}


def _formsets(client: Client, path: str) -> list[Any]:
    return [each.formset for each in client.get(f"/admin/{path}").context["inline_admin_formsets"]]


def test_what_can_be_changed_is_recorded(boss: User) -> None:
    request = RequestFactory().get("/")
    request.user = boss
    for table, page in admin.site._registry.items():
        changes = page.has_add_permission(request) or page.has_change_permission(request)
        changes = changes or page.has_delete_permission(request)
        assert isinstance(page, Recorded) or not changes, table


def test_a_role_names_the_person_and_the_role(client: Client) -> None:
    project = make_project("birds")
    mona, eve = make_member(project, "mona", Role.MANAGER), make_user("eve")
    path = f"labeling/project/{project.pk}/change/"
    row = {"memberships-TOTAL_FORMS": "2", "memberships-1-project": project.pk, "memberships-1-user": eve.pk}
    given = entries(client, path, filled(client, path, {**row, "memberships-1-role": "auditor"}))
    assert given[0] == ("member.role", eve.pk, {"role": None}, {"role": "auditor"})
    assert [kind for kind, *_ in given] == ["member.role", "admin.changed"]
    changes = {"memberships-0-role": "annotator", "memberships-1-DELETE": "on", "member_limit": "7"}
    changed = entries(client, path, filled(client, path, changes))
    assert changed[:2] == [
        ("member.role", mona.pk, {"role": "manager"}, {"role": "annotator"}),
        ("member.removed", eve.pk, {"role": "auditor"}, None),
    ]
    assert (changed[2][2], changed[2][3][-1]) == ({"member_limit": None}, {"member_limit": 7})
    moved = {"memberships-0-user": eve.pk, "memberships-0-group": "night"}
    assert [(kind, whom) for kind, whom, *_ in entries(client, path, filled(client, path, moved))] == [
        ("member.removed", mona.pk),
        ("member.role", eve.pk),
        ("member.work", eve.pk),
        ("admin.changed", None),
    ]
    assert {each.chain.project for each in LogEntry.objects.filter(kind__startswith="member.")} == {project}


def test_accounts(client: Client) -> None:
    form = {"username": "olga", "usable_password": "true", "password1": "long-and-odd-7", "password2": "long-and-odd-7"}
    [(kind, whom, _, _)] = entries(client, "labeling/user/add/", form)
    olga = User.objects.get(username="olga")
    assert (kind, whom) == ("account.created", olga.pk)
    group = Group.objects.create(name="helpers")
    path = f"labeling/user/{olga.pk}/change/"
    [(kind, whom, before, after)] = entries(
        client, path, filled(client, path, {"is_staff": "on", "groups": [group.pk]})
    )
    assert (kind, whom) == ("account.rights", olga.pk)
    assert before == {"is_staff": False, "groups": []}
    assert after[-1] == {"is_staff": True, "groups": [f"group {group.pk}"]}
    [(kind, whom, before, _)] = entries(client, path, filled(client, path, {"is_active": None}))
    assert (kind, whom, before) == ("account.rights", olga.pk, {"is_active": True})
    assert [row[:2] for row in entries(client, path, filled(client, path, {"first_name": "O"}))] == [
        ("admin.changed", olga.pk)
    ]
    form = {"usable_password": "true", "password1": "other-and-odd-8", "password2": "other-and-odd-8"}
    assert [row[:2] for row in entries(client, f"labeling/user/{olga.pk}/password/", form)] == [
        ("account.password_changed", olga.pk)
    ]


@pytest.mark.parametrize("many", [False, True])
def test_a_removed_account_leaves_its_projects_with_an_entry(client: Client, many: bool) -> None:
    projects = [make_project("birds"), make_project("fish")]
    for project in projects:
        mona = make_member(project, "mona", Role.ANNOTATOR)
    one, some = f"labeling/user/{mona.pk}/delete/", "labeling/user/"
    form = {"post": "yes", "action": "delete_selected", "_selected_action": [mona.pk]}
    rows = entries(client, some if many else one, form)
    assert [(kind, whom) for kind, whom, *_ in rows] == [
        ("admin.changed", mona.pk),
        ("member.removed", mona.pk),
        ("member.removed", mona.pk),
    ]
    assert not User.objects.filter(pk=mona.pk).exists()


def test_groups_and_tokens(client: Client) -> None:
    permission = Permission.objects.get(codename="change_project")
    [(kind, _, _, after)] = entries(client, "auth/group/add/", {"name": "helpers", "permissions": [permission.pk]})
    assert (kind, after[-1]) == ("admin.changed", {"permissions": ["change_project"]})
    group = Group.objects.get()
    [(kind, _, before, after)] = entries(client, f"auth/group/{group.pk}/change/", {"name": "helpers"})
    assert (kind, before, after[-1]) == ("admin.changed", {"permissions": ["change_project"]}, {"permissions": []})
    assert len(entries(client, f"auth/group/{group.pk}/delete/", {"post": "yes"})) == 1
    mona = make_user("mona")
    row, _ = AuthToken.objects.create(user=mona)
    assert client.get("/admin/knox/authtoken/add/").status_code == 403
    assert [each[:2] for each in entries(client, f"knox/authtoken/{row.pk}/delete/", {"post": "yes"})] == [
        ("token.revoked", mona.pk)
    ]
    assert not AuthToken.objects.exists()
    assert not Membership.objects.exists()
    assert not Project.objects.exists()
