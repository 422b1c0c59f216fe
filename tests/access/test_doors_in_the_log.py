"""Each change by a page or by the API is one entry of the audit log; a read is none, unless it takes a file away.

Every address of `doors.py` is asked. A new one that changes something has one entry, or gets a line here.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from access.doors import DOORS, HOOK, MANAGER, SIGNED_OUT, STAFF, Door
from access.world import World
from django.db import transaction
from django.utils import timezone

from labeling.models import Batch, Clustering, Finish, LabelClass, LogEntry, Membership, Project, VersionChoice

pytestmark = pytest.mark.django_db

# An annotator's answers are rows with a person and a time already; the others change nothing that other people see.
NEVER = {
    "api:annotation",
    "api:annotations",
    "api:claim",
    "api:comments",
    "api:release",
    "api:skip",
    "api:source-test",
    "guidelines-preview",
    "label-comments",
    "notice-choices",
    "notices",
    "project-source-test",
    "theme",
    "language",
}
# GET of these takes labels, or a file that was made of them.
TAKES = {"api:auditlog-file", "api:server-auditlog-file", "api:certificate-file", "api:dataset-manifest", "api:export"}
# The copy has an entry, and so has the original.
TWICE = {"api:project-duplicate", "project-duplicate"}
# The requests of `doors.py` for these change nothing: they are refused, or there is nothing to change.
NOTHING_TO_CHANGE = {
    *("api:batch-retry-post", "project-retry-post", "project-batch-end-get"),
    *("api:class-archive-delete", "api:class-example-delete", "api:class-example-put", "project-item-example-post"),
    *("project-classes-undo-post", "project-proposal-accept-post", "project-proposal-dismiss-post"),
    *("api:clustering-anew-delete", "api:finish-delete", "api:finish-post", "project-finish-stop-post"),
    *("project-finish-post", "api:item-correction-delete", "project-item-withdraw-post"),
    *("api:encoder-change-delete", "api:encoder-change-post", "api:encoder-comparison-post"),
    *("project-encoder-change-post", "project-encoder-measure-post"),
    *("api:member-pause-delete", "api:model-in-use-delete", "project-models-automatic-post"),
    *("api:model-mlflow-post", "project-model-mlflow-post", "project-model-predict-post"),
    *("api:registrations-post", "project-model-register-post", "project-prediction-sets-post"),
    *("api:project-archive-delete", "api:deleted-projects-post", "projects-deleted-post", "project-delete-post"),
    *("api:guidelines-images-post", "project-guidelines-images-post", "project-prediction-server-post"),
    *("project-import-post", "project-import-detail-post", "project-import-retry-post", "project-items-change-post"),
    *("project-members-post", "project-new-post", "project-settings-post"),
    *("project-sources-post", "project-webhooks-post"),
    *(
        "invitation-answer-post",
        "login-post",
        "forgotten-password-post",
        "provider-login-post",
        "provider-unlink-post",
        "account_reauthenticate-post",
        "mfa_activate_totp-post",
        "mfa_add_webauthn-post",
        "mfa_authenticate-post",
        "mfa_deactivate_totp-post",
        "mfa_generate_recovery_codes-post",
        "mfa_remove_webauthn-post",
        "new-password-post",
        "notice-address-post",
        "notice-stop-post",
        "password-post",
        "setup-post",
    ),
}


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


def fail_batches(world: World) -> None:
    Batch.objects.update(state="failed", failed_in="selecting")


PREPARED = [
    Prepared(
        "api:batch-retry",
        "post",
        "batch.retried",
        lambda w: Batch.objects.update(state="failed", failed_in="selecting"),
    ),
    Prepared(
        "project-retry", "post", "batch.retried", lambda w: Batch.objects.update(state="failed", failed_in="selecting")
    ),
    Prepared(
        "api:class-archive",
        "delete",
        "class.changed",
        lambda w: LabelClass.objects.filter(index=w.own_ids["index"]).update(archived_at=timezone.now()),
    ),
    Prepared("project-classes-undo", "post", "class.undone", lambda w: None, {"revision": "1"}),
    Prepared(
        "project-proposal-accept", "post", "class.proposal_settled", lambda w: None, {"key": "goose", "name": "g"}
    ),
    Prepared("project-proposal-dismiss", "post", "class.proposal_settled", lambda w: None, {"key": "goose"}),
    Prepared("api:clustering-anew", "delete", "clustering.changed", lambda w: Clustering.objects.update(anew_at=NOW)),
    Prepared("api:finish", "delete", "finish.changed", lambda w: finish(w)),
    Prepared("project-finish-stop", "post", "finish.changed", lambda w: finish(w)),
    Prepared("api:item-correction", "delete", "label.correction_withdrawn", correct),
    Prepared("project-item-withdraw", "post", "label.correction_withdrawn", correct),
    Prepared("api:member-pause", "delete", "member.paused", lambda w: Membership.objects.update(paused_at=NOW)),
    Prepared("api:model-in-use", "delete", "model.chosen", lambda w: choose(w)),
    Prepared("project-models-automatic", "post", "model.chosen", lambda w: choose(w)),
    Prepared("api:project-archive", "delete", "project.unarchived", lambda w: Project.objects.update(archived_at=NOW)),
    Prepared(
        "api:deleted-projects",
        "post",
        "project.restored",
        lambda w: Project.objects.update(deleted_at=NOW),
        {"slug": "ours"},
    ),
    Prepared(
        "projects-deleted",
        "post",
        "project.restored",
        lambda w: Project.objects.update(deleted_at=NOW),
        {"slug": "ours"},
    ),
    Prepared("project-delete", "post", "project.deleted", lambda w: None, {"delete-name": "Ours"}),
    Prepared("project-webhooks", "post", "webhook.changed", lambda w: None, HOOK),
    Prepared(
        "project-prediction-server",
        "post",
        "prediction_server.changed",
        lambda w: None,
        {"url": "https://ml.example.org"},
    ),
]
NOW = timezone.now()


def finish(world: World) -> None:
    Finish.objects.create(project=ours(world), error=0.05, confidence=0.95, running=True)


def choose(world: World) -> None:
    project = ours(world)
    VersionChoice.objects.create(project=project, version=project.versions.get(), user=world.users[MANAGER])


def kinds_after(world: World, role: str, door: Door) -> tuple[int, list[str]]:
    """Send the request; return its status, and the kinds of the entries that it wrote."""
    last = LogEntry.objects.order_by("pk").values_list("pk", flat=True).last() or 0
    kinds: list[str] = []
    written = LogEntry.objects.filter(pk__gt=last).order_by("pk").values_list("kind", flat=True)
    response = world.knock(role, door, "ours", then=lambda: kinds.extend(written.all()))
    return response.status_code, kinds


def test_each_change_is_one_entry_and_a_read_is_none(world: World) -> None:
    wrong = []
    for door in DOORS:
        role = next((each for each in (*door.asked, STAFF) if each in door.who and each != SIGNED_OUT), MANAGER)
        status, kinds = kinds_after(world, role, door)
        number = int(door.method != "get" or door.name in TAKES) + int(door.name in TWICE)
        if door.name in NEVER or str(door) in NOTHING_TO_CHANGE:
            number = 0
        if status == 403:
            assert kinds == ["access.refused"]
        elif len(kinds) != number:
            wrong.append(f"{door}: {kinds or 'no entry'}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("case", PREPARED, ids=lambda case: f"{case.name}-{case.method}")
def test_a_prepared_change_is_one_entry(world: World, case: Prepared) -> None:
    door = next(door for door in DOORS if (door.name, door.method) == (case.name, case.method))
    with transaction.atomic():
        case.prepare(world)
        status, kinds = kinds_after(world, MANAGER, door._replace(body=case.body or door.body))
        transaction.set_rollback(True)
    assert (status < 400, kinds) == (True, [case.kind])


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
