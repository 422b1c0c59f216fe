"""Test the entries of the audit log for changes that need a preparation, and what an entry says.

`test_who_may_what.py` counts the entries of all other requests.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from access.doors import DOORS, HOOK, MANAGER, SIGNED_OUT
from access.world import World
from django.db import transaction
from django.utils import timezone

from labeling.models import Batch, Clustering, Finish, LabelClass, LogEntry, Membership, Project, VersionChoice

pytestmark = pytest.mark.django_db


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


@pytest.mark.parametrize("case", PREPARED, ids=lambda case: f"{case.name}-{case.method}")
def test_a_prepared_change_is_one_entry(world: World, case: Prepared) -> None:
    door = next(door for door in DOORS if (door.name, door.method) == (case.name, case.method))
    with transaction.atomic():
        case.prepare(world)
        response, kinds = world.kinds_after(MANAGER, door._replace(body=case.body or door.body))
        transaction.set_rollback(True)
    assert (response.status_code < 400, kinds) == (True, [case.kind])


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


def test_a_program_is_named_by_its_account(world: World) -> None:
    headers = {"Authorization": f"Token {world.api_tokens[MANAGER]}"}
    response = world.client(SIGNED_OUT).patch(
        "/api/v1/projects/ours/", {"batch_size": 7}, content_type="application/json", headers=headers
    )
    assert response.status_code == 200
    entry = LogEntry.objects.get(kind="settings.changed")
    assert (entry.who, entry.via, entry.subject) == (world.users[MANAGER].pk, "api", "batch_size")


def test_an_address_that_the_client_invents_is_not_believed(world: World) -> None:
    client = world.client(MANAGER, REMOTE_ADDR="192.0.2.7")
    client.post("/p/ours/loop/", {"loop": "paused"}, headers={"X-Forwarded-For": "203.0.113.9"})
    assert LogEntry.objects.get(kind="loop.changed").address == "192.0.2.7"
