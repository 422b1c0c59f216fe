"""Test that each role reads exactly the fields of the API that the table in `fields.py` allows."""

from collections.abc import Iterator
from typing import Any

import pytest
from access.doors import ADDRESSES, ANNOTATOR, AUDITOR, DOORS, ENGINEER, MANAGER, roles_with
from access.fields import FIELDS, FILES, TASK, Fields
from access.world import World

pytestmark = pytest.mark.django_db

ROLES = (ANNOTATOR, ENGINEER, AUDITOR, MANAGER)
GETS = {door.name for door in DOORS if door.method == "get" and ADDRESSES[door.name].in_api}
TOLD = [door for door in DOORS if door.name in FIELDS and (door.method == "get" or door.name not in GETS)]


def fields_for(role: str, table: Fields) -> set[str]:
    return {name for ability, names in table.items() if role in roles_with(ability) for name in names.split()}


def nested(table: Fields) -> set[str]:
    return {name.partition(".")[0] for names in table.values() for name in names.split() if "." in name}


def names_of(values: dict[str, Any], opened: set[str]) -> Iterator[str]:
    for name, value in values.items():
        if name in opened:
            yield from (f"{name}.{inner}" for inner in value)
        else:
            yield name


def elements_of(body: Any) -> list[dict[str, Any]]:
    if isinstance(body, list):
        return body
    elements: list[dict[str, Any]] = body.get("results", [body])
    return elements


def test_every_resource_is_in_the_table() -> None:
    assert set(FIELDS) | FILES >= GETS, "add lines to fields.py"
    assert not set(FIELDS) & FILES


def test_every_role_reads_what_the_table_says(world: World) -> None:
    for door in TOLD:
        table = FIELDS[door.name]
        for role in ROLES:
            response = world.knock(role, door, "ours")
            expected = fields_for(role, table)
            if not expected or role in door.others:
                assert response.status_code in (403, 404), (door, role)
                continue
            elements = elements_of(response.json())
            assert elements, f"{door}: the world holds one of everything"
            for element in elements:
                assert set(names_of(element, nested(table))) == expected, (door, role)


def test_a_role_in_another_project_opens_nothing(world: World) -> None:
    """A user who manages one project and labels in another reads the other project as an annotator."""
    world.users[ANNOTATOR].memberships.create(project_id=_theirs(world), role="manager")
    answer = world.client(ANNOTATOR).get("/api/v1/projects/").json()["results"]
    fields = {each["slug"]: set(each) for each in answer}
    assert fields["ours"] == fields_for(ANNOTATOR, FIELDS["api:projects"])
    assert fields["theirs"] == fields_for(MANAGER, FIELDS["api:projects"])


def _theirs(world: World) -> int:
    return int(world.users["stranger"].memberships.get().project_id)


def test_a_task_holds_what_the_table_says(world: World) -> None:
    tasks = world.client(ANNOTATOR).post("/api/v1/projects/ours/claim/", {}, content_type="application/json").json()
    assert tasks["tasks"]
    for task in tasks["tasks"]:
        assert set(names_of(task, {"item"})) == fields_for(ANNOTATOR, TASK)


def test_pages_tell_annotators_no_more_than_the_api_does(world: World) -> None:
    """Pages show how a batch was picked only to members with `BATCHES_READ`."""
    for door in DOORS:
        if door.name in ("project", "project-batches", "project-batch") and door.method == "get":
            for role in ROLES:
                page = world.knock(role, door, "ours").content.decode()
                shown = [word for word in ("Picked", "picked", "control item", "Seed", "Hashes") if word in page]
                assert bool(shown) == (role in roles_with("batches.read")), (door, role, shown)
