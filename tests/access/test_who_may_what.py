"""Test every address with an allowed role and a refused one, with ids of another project, missing ids and wrong
methods, and the entries that requests write in the audit log.

The table in `doors.py` says how to add an address.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from access.doors import (
    ADDRESSES,
    AUDITOR,
    DOORS,
    HOOK,
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
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from pages import text_of

from labeling.models import Batch, Clustering, Finish, LabelClass, LogEntry, Membership, Project, VersionChoice
from tests.extent import some

pytestmark = pytest.mark.django_db

METHODS = {name: {door.method for door in DOORS if door.name == name} for name in ADDRESSES}
IN_PROJECT = [door for door in DOORS if ADDRESSES[door.name].in_project]
WITH_IDS = [door for door in DOORS if "<" in ADDRESSES[door.name].route.replace("<slug:slug>", "")]
# What managers read and auditors do not: their own tasks, pages that ask before a change, and sources and webhooks,
# whose addresses can hold a secret.
NOT_FOR_AUDITORS = {
    "label", "label-classes", "label-guidelines", "label-today", "label-worker", "label-comments", "api:comments",
    "api:prediction-server", "project-batch-end", "project-remove", "project-transfer", "project-class-merge",
    "project-class-split", "project-items-change", "project-sources", "project-source", "api:sources", "api:source",
    "project-webhooks", "project-webhook", "api:webhooks", "api:webhook", "api:webhook-deliveries",
}  # fmt: skip


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


def is_in_words(name: str, response: Any) -> bool:
    """Return whether a 405 is a page with a sentence and a link, or data with a code and a sentence."""
    if name == "schema":  # in YAML
        return b"code: method_not_allowed" in response.content
    if ADDRESSES[name].in_api:
        body = response.json()
        return body["code"] == "method_not_allowed" and bool(body["detail"])
    page = response.content.decode()
    return "Nothing was changed." in page and 'class="button primary" href="/"' in page


def test_wrong_methods(world: World) -> None:
    for name in ADDRESSES:
        wrong = [each for each in ("get", "post", "delete", "patch", "put", "trace") if each not in METHODS[name]]
        for method in some(wrong):
            role = SIGNED_OUT if name == "login" else SUPERUSER  # who is signed in is sent on
            response = world.knock(role, Door(name, method, frozenset(), 405), "ours")
            assert response.status_code == 405, (name, method)
            assert response["Allow"], (name, method)
            assert is_in_words(name, response), (name, method)
    response = world.client(SIGNED_OUT).get("/p/ours/loop/")
    assert (response.status_code, response["Allow"]) == (405, "POST")
    assert "It only receives what a form on another page sends." in text_of(response)
    assert world.client(SIGNED_OUT).head("/p/ours/loop/").status_code == 405


@pytest.mark.long
def test_head_tells_no_more_than_get(world: World) -> None:
    for door in DOORS:
        if door.method == "get":
            for role in door.asked:
                response = world.knock(role, door._replace(method="head"), "ours")
                assert response.status_code == expected(door, role), (door, role)


# There is one page for signing in and one for passwords, and the admin sends to them.
AT_THE_DOOR = (
    "admin-sign-in", "admin-password", "admin:login", "admin:password_change", "admin:logout", "admin:jsi18n",
)  # fmt: skip
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


class Prepared(NamedTuple):
    """A request that changes something once `prepare` has run, and the kind of its entry."""

    name: str
    method: str
    kind: str
    prepare: Callable[[World], object]
    body: Any = None


def ours(world: World) -> Project:
    return Project.objects.get(slug="ours")


def correct(world: World) -> None:
    assert world.knock(MANAGER, CORRECT, "ours", keep=True).status_code == 200


CORRECT = next(door for door in DOORS if (door.name, door.method) == ("api:item-correction", "put"))
GOOSE = {"key": "goose", "name": "goose"}


NOW = timezone.now()


def nothing(world: World) -> None:
    """For requests that change something with their body."""


def fail(world: World) -> None:
    Batch.objects.update(state="failed", failed_in="selecting")


def archive_class(world: World) -> None:
    LabelClass.objects.filter(index=world.own_ids["index"]).update(archived_at=NOW)


def remove(world: World) -> None:
    Project.objects.update(deleted_at=NOW)


def finish(world: World) -> None:
    Finish.objects.create(project=ours(world), error=0.05, confidence=0.95, running=True)


def share(world: World) -> None:
    ours(world).certificates.update(link_digest="0")


def choose(world: World) -> None:
    project = ours(world)
    VersionChoice.objects.create(project=project, version=project.versions.get(), user=world.users[MANAGER])


PREPARED = [
    Prepared("api:batch-retry", "post", "batch.retried", fail),
    Prepared("project-retry", "post", "batch.retried", fail),
    Prepared("api:class-archive", "delete", "class.changed", archive_class),
    Prepared("project-classes-undo", "post", "class.undone", nothing, {"revision": "1"}),
    Prepared("project-proposal-accept", "post", "class.proposal_settled", nothing, {"key": "goose", "name": "g"}),
    Prepared("project-proposal-dismiss", "post", "class.proposal_settled", nothing, {"key": "goose"}),
    Prepared("api:clustering-anew", "delete", "clustering.changed", lambda w: Clustering.objects.update(anew_at=NOW)),
    Prepared("api:finish", "delete", "finish.changed", finish),
    Prepared("project-finish-stop", "post", "finish.changed", finish),
    Prepared("project-certificate-unshare", "post", "certificate.unshared", share),
    Prepared("api:item-correction", "delete", "label.correction_withdrawn", correct),
    Prepared("project-item-withdraw", "post", "label.correction_withdrawn", correct),
    Prepared("api:member-pause", "delete", "member.paused", lambda w: Membership.objects.update(paused_at=NOW)),
    Prepared("api:model-in-use", "delete", "model.chosen", choose),
    Prepared("project-models-automatic", "post", "model.chosen", choose),
    Prepared("api:project-archive", "delete", "project.unarchived", lambda w: Project.objects.update(archived_at=NOW)),
    Prepared("api:deleted-projects", "post", "project.restored", remove, {"slug": "ours"}),
    Prepared("projects-deleted", "post", "project.restored", remove, {"slug": "ours"}),
    Prepared("project-delete", "post", "project.deleted", nothing, {"delete-name": "Ours"}),
    Prepared("project-webhooks", "post", "webhook.changed", nothing, HOOK),
    Prepared(
        "project-prediction-server", "post", "prediction_server.changed", nothing, {"url": "https://ml.example.org"}
    ),
]


def test_a_prepared_change_is_one_entry(world: World) -> None:
    """Changes that `test_one_who_may_and_one_who_may_not` cannot make: they need a preparation."""
    for case in PREPARED:
        door = next(door for door in DOORS if (door.name, door.method) == (case.name, case.method))
        with transaction.atomic():
            case.prepare(world)
            response, kinds = world.kinds_after(MANAGER, door._replace(body=case.body or door.body))
            transaction.set_rollback(True)
        assert (response.status_code < 400, kinds) == (True, [case.kind]), case


def test_a_refusal_is_recorded_once_in_a_while(world: World) -> None:
    door = next(door for door in DOORS if door.name == "project-settings")
    client = world.client("annotator")
    for _ in range(3):
        assert client.get("/p/ours/settings/").status_code == 403
    [entry] = LogEntry.objects.filter(kind="access.refused")
    assert (entry.who, entry.subject) == (world.users["annotator"].pk, f"GET {door.name}")
    assert entry.chain.project == ours(world)


def test_an_entry_says_who_from_where_and_in_which_request(world: World) -> None:
    client = world.client(MANAGER, REMOTE_ADDR="192.0.2.7")
    response = client.post("/p/ours/loop/", {"loop": "paused"})
    entry = LogEntry.objects.get(kind="loop.changed")
    assert entry.request == response["X-Request-ID"]
    assert (entry.who, entry.via, entry.address) == (world.users[MANAGER].pk, "page", "192.0.2.7")
    assert (entry.before, entry.after) == ('{"loop":"running"}', '{"loop":"paused"}')
    client = world.client(MANAGER, REMOTE_ADDR="192.0.2.7")
    client.post("/p/ours/loop/", {"loop": "paused"}, headers={"X-Forwarded-For": "203.0.113.9"})
    assert LogEntry.objects.get(kind="loop.changed").address == "192.0.2.7"
    headers = {"Authorization": f"Token {world.api_tokens[MANAGER]}"}
    response = world.client(SIGNED_OUT).patch(
        "/api/v1/projects/ours/", {"batch_size": 7}, content_type="application/json", headers=headers
    )
    assert response.status_code == 200
    entry = LogEntry.objects.get(kind="settings.changed")
    assert (entry.who, entry.via, entry.subject) == (world.users[MANAGER].pk, "api", "batch_size")
