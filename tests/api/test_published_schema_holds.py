"""Test that responses match the published schema for any request, as a manager, an annotator and an anonymous client.

schemathesis generates valid and invalid requests from the schema, and compares the responses with it. Every request
meets the same two projects, because its changes are rolled back.
"""

from collections.abc import Iterator
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import schemathesis
from access.doors import ANNOTATOR, MANAGER, SIGNED_OUT
from access.world import World
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, settings
from knox.models import AuthToken
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi import checks

from tests.extent import ALL

# How many made-up requests for each endpoint and role. Those at the bounds of what the schema allows come from the
# manager alone: whoever may less is turned away before they are read.
EXAMPLES = 3
# What a file, a filter, an option of an encoder or a model, a misleading class name, the name of a member, the address
# of a webhook or the last day of an invitation means, no schema can say: one that it allows may still be refused.
MEANING = {
    "/api/v1/projects/",
    "/api/v1/projects/{slug}/",
    "/api/v1/projects/{slug}/classes/",
    "/api/v1/projects/{slug}/classes/proposals/accept/",
    "/api/v1/projects/{slug}/classes/{index}/",
    "/api/v1/projects/{slug}/classes/{index}/split/",
    "/api/v1/projects/{slug}/encoder/",
    "/api/v1/projects/{slug}/encoder/change/",
    "/api/v1/projects/{slug}/guidelines/images/",
    "/api/v1/projects/{slug}/items/",
    "/api/v1/projects/{slug}/items/changes/",
    "/api/v1/projects/{slug}/items/{item_id}/correction/",
    "/api/v1/projects/{slug}/batches/{number}/parts/",
    "/api/v1/projects/{slug}/invitations/",
    "/api/v1/projects/{slug}/models/{number}/predict/",
    "/api/v1/projects/{slug}/export/",
    "/api/v1/projects/{slug}/sources/",
    "/api/v1/projects/{slug}/sources/{source_id}/",
    "/api/v1/projects/{slug}/webhooks/",
    "/api/v1/projects/{slug}/webhooks/{webhook_id}/",
}


def published(*, bounds: bool) -> Any:
    """Return the schema for generating valid and invalid requests, with `bounds` also the many at its limits.

    A short run uses the endpoints of batches alone.
    """
    config = {"generation": {"mode": "all"}, "phases": {"coverage": {"enabled": bounds}}}
    schema = schemathesis.openapi.from_wsgi(
        "/api/schema/?format=json", get_wsgi_application(), config=SchemathesisConfig.from_dict(config)
    )
    return schema if ALL else schema.include(path_regex="/batches/")


api, api_with_bounds = published(bounds=False), published(bounds=True)
bounded = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)


@pytest.fixture(scope="module")
def made(once: Path) -> dict[str, Any]:
    """Create the projects; return the values of address variables, and the headers of each user."""
    world = World()
    headers = {
        role: {"Authorization": f"Token {AuthToken.objects.create(world.users[role])[1]}"}
        for role in (MANAGER, ANNOTATOR)
    }
    return {"ids": {**world.own_ids, "slug": "ours"}, "headers": {**headers, SIGNED_OUT: {}}}


@pytest.fixture
def people(made: dict[str, Any], once: Path, db: None, data_dir: Path) -> Iterator[dict[str, Any]]:
    copytree(once, data_dir, dirs_exist_ok=True)
    # As Django's own test client does: the connection is the test's, not the request's.
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield made
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@schemathesis.serializer("application/x-ndjson", "application/jsonl")
def as_lines(context: Any, value: Any) -> Any:
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


def answer_holds(case: Any, people: dict[str, Any], role: str) -> None:
    with transaction.atomic():
        response = case.call(headers=people["headers"][role])
        transaction.set_rollback(True)
    excluded = [checks.ignored_auth]  # it asks again, with its own credentials
    if case.path in MEANING:
        excluded.append(checks.positive_data_acceptance)
    case.validate_response(response, excluded_checks=excluded)
    assert response.status_code < 500


def lead_to_what_is_there(case: Any, ids: dict[str, Any]) -> None:
    """Replace valid address variables of the request by ids of existing rows."""
    if case.path_parameters and not (case.meta and case.meta.generation.mode.is_negative):
        case.path_parameters.update({name: value for name, value in ids.items() if name in case.path_parameters})


@api_with_bounds.parametrize()
@bounded
def test_of_what_there_is(case: Any, people: dict[str, Any]) -> None:
    lead_to_what_is_there(case, people["ids"])
    answer_holds(case, people, MANAGER)


@api.parametrize()
@bounded
def test_of_what_there_is_for_an_annotator(case: Any, people: dict[str, Any]) -> None:
    lead_to_what_is_there(case, people["ids"])
    answer_holds(case, people, ANNOTATOR)


@api.parametrize()
@bounded
def test_of_what_there_is_not(case: Any, people: dict[str, Any]) -> None:
    answer_holds(case, people, MANAGER)


@api.parametrize()
@bounded
def test_signed_out(case: Any, people: dict[str, Any]) -> None:
    answer_holds(case, people, SIGNED_OUT)
