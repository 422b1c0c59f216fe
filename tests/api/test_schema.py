"""Test that the published schema is complete, names the errors of each endpoint, and has valid examples."""

import json
from typing import Any

import jsonschema_rs
import pytest
from django.core.management import call_command
from django.test import Client

from labeling.api.published.examples import OPTIONAL, SAMPLES, UNUSUAL
from labeling.api.published.reference import published
from labeling.api.published.schema import SUBJECTS

OPERATIONS = [
    (f"{method.upper()} {path}", operation)
    for path, methods in published()["paths"].items()
    for method, operation in methods.items()
]


def test_schema_has_no_warning(tmp_path: Any) -> None:
    path = tmp_path / "schema.json"
    call_command("spectacular", file=str(path), format="openapi-json", fail_on_warn=True, validate=True)
    assert json.loads(path.read_text())["paths"].keys() == published()["paths"].keys()


@pytest.mark.django_db
def test_schema_is_served_to_everyone(client: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        response = client.get("/api/schema/?format=json")
    assert response.status_code == 200
    assert response.json()["openapi"].startswith("3.")
    assert client.get("/api/schema/").status_code == 200


@pytest.mark.parametrize(("name", "operation"), OPERATIONS, ids=[name for name, _ in OPERATIONS])
def test_an_endpoint_says_what_it_is_and_how_it_can_fail(name: str, operation: dict[str, Any]) -> None:
    assert operation["tags"][0] in SUBJECTS
    assert operation["x-who"]
    assert operation["summary"]
    assert {"knoxApiToken": []} in operation["security"]
    expected = (
        {"401"} | ({"404"} if "{" in name else set()) | ({"400", "413", "415"} if "requestBody" in operation else set())
    )
    assert expected <= operation["responses"].keys()
    for status, answer in operation["responses"].items():
        if status >= "400":
            (shape,) = answer["content"]["application/json"]["schema"].values()
            assert shape.rpartition("/")[2] in ("Error", "Refusal")
    for parameter in operation.get("parameters", []):
        assert parameter["description"], parameter["name"]


EXAMPLED = {
    name: shape["example"] for name, shape in published()["components"]["schemas"].items() if "example" in shape
}


@pytest.mark.parametrize("name", EXAMPLED)
def test_an_example_is_as_the_schema_has_it(name: str) -> None:
    components = published()["components"]
    assert name in components["schemas"], "an example of nothing"
    schema = _plain({**components["schemas"][name], "components": components})
    assert list(jsonschema_rs.validator_for(schema).iter_errors(EXAMPLED[name])) == []
    fields = components["schemas"][name]["properties"]
    assert EXAMPLED[name].keys() <= fields.keys()
    if not name.endswith("Request"):
        assert fields.keys() - EXAMPLED[name].keys() == {*UNUSUAL.get(name, ())}, (
            "an example of an answer shows all of it"
        )


def test_every_sample_belongs_to_a_field() -> None:
    components = published()["components"]["schemas"]
    fields = {
        key
        for name, shape in components.items()
        for field in shape.get("properties", {})
        for key in (field, f"{name.removesuffix('Request')}.{field}")
    }
    assert {*SAMPLES} <= fields
    for name, names in {**OPTIONAL, **UNUSUAL}.items():
        assert {*names} <= components[name]["properties"].keys(), name


def _plain(schema: Any) -> Any:
    """Convert OpenAPI's `nullable` to JSON Schema."""
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: _plain(value) for key, value in schema.items() if key != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if schema.get("nullable") is True else plain
