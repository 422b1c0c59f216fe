"""Models and exports as engineers find them."""

from __future__ import annotations

import json
import re

import pytest
from django.urls import reverse
from factories import make_items, make_open_batch, make_project
from pages import make_history, member, text_of

from labeling.exports.columns import COLUMNS
from labeling.models import Role
from labeling.web.export_columns import MEANINGS

pytestmark = pytest.mark.django_db


def test_before_the_first_model() -> None:
    assert "No model yet" in text_of(member(make_project(), Role.ENGINEER).get("/p/digits/models/"))


def test_versions_have_their_accuracy_lineage_and_files() -> None:
    project = make_project()
    make_history(project, 2)
    response = member(project, Role.ENGINEER).get("/p/digits/models/")
    page = text_of(response)
    assert "2 90.0 % 80.0 % to 95.0 % of 40 160 2 1 just now 2.5 s 2 000000000000" in page
    assert reverse("api:model-artifact", args=["digits", 2]) in response.content.decode()


def test_a_version_without_control_items_has_no_accuracy() -> None:
    project = make_project()
    make_history(project, 1)
    project.versions.update(metrics={"control": {"n": 0}})
    assert "1 – – 80 1 – just now" in text_of(member(project, Role.ENGINEER).get("/p/digits/models/"))


def test_the_buttons_lead_to_files() -> None:
    project = make_project()
    make_history(project, 1)
    client = member(project, Role.ENGINEER)
    page = client.get("/p/digits/export/").content.decode()
    assert "3 rows: one for each labeled item" in page
    action = re.findall(r'<form class="form" method="get" action="(.*?)">', page)[0]
    formats = re.findall(r'name="format" value="(\w+)"', page)
    assert formats == ["parquet", "jsonl", "csv"]
    for name in formats:
        # As a browser sends the form that nobody touched.
        response = client.get(action, {"batch": "", "format": name})
        assert response.status_code == 200
        assert b"".join(response.streaming_content)
    response = client.get(action, {"batch": "2", "skipped": "true", "format": "jsonl"})
    assert b"".join(response.streaming_content) == b""
    lines = b"".join(client.get(action, {"batch": "1", "format": "jsonl"}).streaming_content).splitlines()
    assert [json.loads(line)["label"] for line in lines] == ["1", "1", "1"]


def test_before_the_first_label_it_says_that_files_are_empty() -> None:
    project = make_project()
    make_open_batch(project, make_items(project, 2))
    assert "No item is labeled yet" in text_of(member(project, Role.ENGINEER).get("/p/digits/export/"))


def test_every_column_is_explained() -> None:
    assert list(MEANINGS) == [column.name for column in COLUMNS]
    page = text_of(member(make_project(), Role.ENGINEER).get("/p/digits/export/"))
    for name, meaning in MEANINGS.items():
        assert f"{name} {meaning}" in page
