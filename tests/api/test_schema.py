"""The published schema is complete: nothing in it is guessed."""

import json

import pytest
from django.core.management import call_command
from django.test import Client


def test_schema_has_no_warning(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "schema.json"
    call_command("spectacular", file=str(path), format="openapi-json", fail_on_warn=True, validate=True)
    paths = json.loads(path.read_text())["paths"]
    assert "/api/v1/projects/{slug}/claim/" in paths


@pytest.mark.django_db
def test_schema_is_served_to_everyone(client: Client) -> None:
    assert client.get("/api/schema/").status_code == 200
