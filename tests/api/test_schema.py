"""Test that the published schema is complete and has valid examples, and that the API's page shows every endpoint
with commands that can be run.
"""

import json
import re
import shlex
from typing import Any

import jsonschema_rs
import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import resolve
from django.utils.html import escape
from factories import make_user
from pages import signed_in

from labeling.api.published.examples import OPTIONAL, SAMPLES, UNUSUAL
from labeling.api.published.reference import _marked, published, shapes, subjects
from labeling.api.published.schema import ERRORS, SUBJECTS

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


def test_an_endpoint_says_what_it_is_and_how_it_can_fail() -> None:
    for name, operation in OPERATIONS:
        assert operation["tags"][0] in SUBJECTS
        assert operation["x-who"]
        assert operation["summary"]
        assert {"knoxApiToken": []} in operation["security"]
        expected = {"401", *(["404"] if "{" in name else [])}
        expected |= {"400", "413", "415"} if "requestBody" in operation else set()
        assert expected <= operation["responses"].keys(), name
        for status, answer in operation["responses"].items():
            if status >= "400":
                (shape,) = answer["content"]["application/json"]["schema"].values()
                assert shape.rpartition("/")[2] in ("Error", "Refusal"), name
        for parameter in operation.get("parameters", []):
            assert parameter["description"], (name, parameter["name"])


def test_an_example_is_as_the_schema_has_it() -> None:
    shapes, components = published()["components"]["schemas"], _plain(published()["components"])
    for name, shape in shapes.items():
        if "example" not in shape:
            continue
        schema = {**components["schemas"][name], "components": components}
        assert list(jsonschema_rs.validator_for(schema).iter_errors(shape["example"])) == [], name
        fields = shape["properties"].keys()
        assert shape["example"].keys() <= fields, name
        if not name.endswith("Request"):  # an example of an answer shows all of it
            assert fields - shape["example"].keys() == {*UNUSUAL.get(name, ())}, name


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


@pytest.fixture
def page() -> str:
    return signed_in(make_user("enzo")).get("/api/docs/").content.decode()


@pytest.mark.django_db
def test_every_endpoint_is_there_with_its_address_and_who_may(page: str) -> None:
    for path, methods in published()["paths"].items():
        for operation in methods.values():
            before, after = page.split(f'<div id="{operation["operationId"]}"')
            part = before.rpartition('<details class="api-endpoint">')[2] + after.partition("</details>")[0]
            assert f"<code>{path}</code>" in part
            assert operation["x-who"] in part
            for status in operation["responses"]:
                assert status in part


@pytest.mark.django_db
def test_every_link_leads_somewhere_and_each_object_and_error_is_explained_once(page: str) -> None:
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', page)) - {"content"} <= set(ids)
    for shape in shapes():
        for field in shape["fields"]:
            assert f"<code>{field.name}</code>" in page
        assert not shape["example"] or page.count(f"<code>{escape(shape['example'])}</code>") == 1, shape["name"]
    for status, (text, *_) in ERRORS.items():
        assert page.count(_marked(text)) == 1, status


@pytest.mark.django_db
def test_the_lines_for_a_shell_can_be_run() -> None:
    for endpoint in (each for subject in subjects() for each in subject["endpoints"]):
        before, path = endpoint["curl"]
        words = shlex.split(f"{before} http://testserver{path}")
        assert words[0] == "curl"
        assert "Authorization: Token $TOKEN" in words
        assert endpoint["method"] == "GET" or words[words.index("-X") + 1] == endpoint["method"]
        assert resolve(path).view_name.startswith("api:")
        if "application/json" in [body.media_type for body in endpoint["bodies"]]:
            assert "-d" in words, endpoint["anchor"]


@pytest.mark.django_db
def test_it_is_found_needs_no_script_and_names_the_address_that_it_was_opened_at(page: str, client: Client) -> None:
    member = signed_in(make_user("ann"))
    assert 'href="/api/docs/"' in member.get("/account/").content.decode()
    assert "style=" not in page
    assert client.get("/api/docs/").status_code == 302
    for host in ("one.example", "two.example"):
        assert f"http://{host}/api/v1/projects/" in member.get("/api/docs/", HTTP_HOST=host).content.decode()
