"""Test every address with an allowed role and a refused one, with ids of another project, missing ids and wrong
methods.

The table in `doors.py` says how to add an address.
"""

import re

import pytest
from access.doors import (
    ADDRESSES,
    AUDITOR,
    DOORS,
    MANAGER,
    SIGNED_OUT,
    STAFF,
    STRANGER,
    SUPERUSER,
    Door,
    addresses,
)
from access.entries import entries
from access.world import World
from django.urls import reverse

from tests.extent import some

pytestmark = pytest.mark.django_db

METHODS = {name: {door.method for door in DOORS if door.name == name} for name in ADDRESSES}
IN_PROJECT = [door for door in DOORS if ADDRESSES[door.name].in_project]
WITH_IDS = [door for door in DOORS if "<" in ADDRESSES[door.name].route.replace("<slug:slug>", "")]
# What managers read and auditors do not: their own tasks, pages that ask before a change, and sources and webhooks,
# whose addresses can hold a secret.
NOT_FOR_AUDITORS = {
    "label",
    "label-classes",
    "label-guidelines",
    "label-today",
    "label-worker",
    "label-comments",
    "api:comments",
    "api:prediction-server",
    "project-batch-end",
    "project-remove",
    "project-transfer",
    "project-class-merge",
    "project-class-split",
    "project-items-change",
    "project-sources",
    "project-source",
    "api:sources",
    "api:source",
    "project-webhooks",
    "project-webhook",
    "api:webhooks",
    "api:webhook",
    "api:webhook-deliveries",
}


def expected(door: Door, role: str) -> int:
    """Return the status that the role receives in the project `ours`, by the table in the docstring of `doors.py`."""
    address = ADDRESSES[door.name]
    if role == SIGNED_OUT and role not in door.who:
        return 401 if address.in_api else 302
    if role in (STRANGER, STAFF) and address.in_project:
        return 404
    return door.others.get(role, door.answer) if role in door.who else 403


def test_every_address_is_in_the_table() -> None:
    names = [address.name for address in addresses() if not address.in_admin]
    assert "" not in names, "an address has no name"
    assert {door.name for door in DOORS} == set(names), "add lines to doors.py"


def test_every_address_of_a_project_declares_its_abilities() -> None:
    written = {(door.name, door.method): door.asks for door in IN_PROJECT}
    addresses_in = [address for address in ADDRESSES.values() if address.in_project]
    assert written == {
        (address.name, method): ability for address in addresses_in for method, ability in address.declared().items()
    }


# One test sends the requests to all addresses: each change is rolled back, and the message names the address.


def test_one_who_may_and_one_who_may_not(world: World) -> None:
    """Each change is also one entry of the audit log; a read is none, unless it takes a file away."""
    wrong = []
    for door in sorted(DOORS, key=lambda door: door.method != "get"):  # files that a change deletes stay deleted
        one = next((role for role in (*door.asked, STAFF) if role in door.who and role != SIGNED_OUT), MANAGER)
        for role in dict.fromkeys([*door.asked, one]):
            response, kinds = world.kinds_after(role, door)
            status = expected(door, role)
            if response.status_code != status:
                wrong.append(f"{door}, {role}: {response.status_code} instead of {status}")
            elif role == SIGNED_OUT and role not in door.who and status == 302:
                assert response["Location"].partition("?")[0] == reverse("login"), door
            if ADDRESSES[door.name].in_api and status >= 400:
                assert set(response.json()) >= {"code", "detail"}, (door, role)
            number = 1 if status == 403 and role != SIGNED_OUT else entries(door) if role == one else len(kinds)
            if len(kinds) != number or (kinds == ["access.refused"]) != (status == 403 and role != SIGNED_OUT):
                wrong.append(f"{door}, {role}: entries {kinds} instead of {number}")
    assert not wrong, "\n".join(wrong)


def test_an_auditor_reads_what_a_manager_reads_and_changes_nothing() -> None:
    """The test above sends requests as an auditor wherever an auditor may not."""
    assert [door for door in IN_PROJECT if door.method != "get" and AUDITOR in door.who] == []
    assert all(AUDITOR in door.asked for door in IN_PROJECT if AUDITOR not in door.who)
    assert {door.name for door in IN_PROJECT if door.method == "get" and AUDITOR not in door.who} == NOT_FOR_AUDITORS


@pytest.mark.long
def test_every_page_shows_itself_to_an_auditor(world: World) -> None:
    for door in IN_PROJECT:
        if door.method == "get" and AUDITOR in door.who:
            assert world.knock(AUDITOR, door, "ours").status_code == door.answer, door


@pytest.mark.long
def test_a_superuser_counts_as_manager(world: World) -> None:
    for door in IN_PROJECT:
        if door.method == "get" or door.others:
            assert world.knock(SUPERUSER, door, "ours").status_code == expected(door, SUPERUSER), door


@pytest.mark.parametrize("which", ["another's", "missing"])
def test_ids_that_are_not_ones_own(world: World, which: str) -> None:
    ids = world.foreign_ids if which == "another's" else world.missing_ids
    for door in WITH_IDS:
        for role in door.asked:
            if role in door.who:
                assert world.knock(role, door, "ours", ids).status_code == 404, (door, role)


def test_wrong_methods(world: World) -> None:
    for name in ADDRESSES:
        for method in some(sorted({"delete", "get", "patch", "post", "put", "trace"} - METHODS[name])):
            role = SIGNED_OUT if name == "login" else SUPERUSER  # who is signed in is sent on
            response = world.knock(role, Door(name, method, frozenset(), 405), "ours")
            assert response.status_code == 405, (name, method)
            assert response["Allow"], (name, method)


@pytest.mark.long
def test_head_tells_no_more_than_get(world: World) -> None:
    for door in DOORS:
        if door.method == "get":
            for role in door.asked:
                response = world.knock(role, door._replace(method="head"), "ours")
                assert response.status_code == expected(door, role), (door, role)


# There is one page for signing in and one for passwords, and the admin sends to them.
AT_THE_DOOR = (
    "admin-sign-in",
    "admin-password",
    "admin:login",
    "admin:password_change",
    "admin:logout",
    "admin:jsi18n",
)
ADMIN = [address for address in addresses() if address.in_admin and address.name not in AT_THE_DOOR]


@pytest.mark.parametrize("role", some([SIGNED_OUT, MANAGER, STAFF, SUPERUSER], 3))
def test_the_admin_is_for_staff_alone(world: World, role: str) -> None:
    for address in ADMIN:
        path = "/" + re.sub(r"<\w+:?\w*>", "1", address.route).replace("^(?P1auth|knox|labeling)/$", "labeling/")
        path = path.replace("(?P1.*)$", "no-such-page")
        response = world.client(role).get(path)
        at_the_door = response.status_code in (302, 405) and "login" in response.get("Location", "login")
        assert at_the_door != (role in (STAFF, SUPERUSER)) or response.status_code == 405, path
        assert response.status_code < 500, path


def test_staff_sees_no_rows_that_it_was_not_given(world: World) -> None:
    for address in ADMIN:
        if address.name.endswith("_changelist"):
            assert world.client(STAFF).get(f"/{address.route}").status_code == 403, address
            assert world.client(SUPERUSER).get(f"/{address.route}").status_code == 200, address
