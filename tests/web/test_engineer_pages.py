"""Test the pages of models and exports for engineers."""

import json
import re

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from factories import certify, make_items, make_open_batch, make_project
from pages import CONTROL, errors_of, make_history, member, text_of

from labeling.models import ModelVersion, Role
from labeling.outgoing.exports.columns import COLUMNS
from labeling.outgoing.formats import DATASETS, EXPORTS, FORMATS, TOOLS
from labeling.web import export as engineer

pytestmark = pytest.mark.django_db


def test_before_the_first_model() -> None:
    assert "No model yet" in text_of(member(make_project(), Role.ENGINEER).get("/p/digits/models/"))


def test_versions_have_their_accuracy_lineage_and_files() -> None:
    project = make_project()
    make_history(project, 2)
    response = member(project, Role.ENGINEER).get("/p/digits/models/")
    page = text_of(response)
    assert "2 90.0 % 80.0 % to 95.0 % of 40 160 2 Trained just now 2.5 s in use 000000000000" in page
    assert reverse("api:model-artifact", args=["digits", 2]) in response.content.decode()


def test_a_version_without_control_items_has_no_accuracy() -> None:
    project = make_project()
    make_history(project, 1)
    project.versions.update(metrics={"control": {"n": 0}})
    assert "1 – – 80 1 Trained just now" in text_of(member(project, Role.ENGINEER).get("/p/digits/models/"))


def test_the_list_says_how_each_version_came_into_the_project() -> None:
    project = make_project()
    make_history(project, 3)
    project.versions.filter(number=2).update(origin=ModelVersion.Origin.REGISTERED)
    project.versions.filter(number=3).update(origin=ModelVersion.Origin.GIVEN)
    page = text_of(member(project, Role.ENGINEER).get("/p/digits/models/"))
    ways = [page.index(f"{word} just now") for word in ("Handed in", "Registered", "Trained")]
    assert ways == sorted(ways)


def downloaded(client: Client, **query: str) -> tuple[str, bytes]:
    """Submit the form as a browser does; return the name and the content of the downloaded file."""
    blank = dict.fromkeys(["batch", "control", "agreement", "since", "until"], "")
    response = client.get("/p/digits/export/", {**blank, **query}, follow=True)
    assert response.status_code == 200
    name = re.findall(r'filename="(.*)"', response["Content-Disposition"])[0]
    return name, b"".join(response.streaming_content)


def test_the_buttons_lead_to_files() -> None:
    project = make_project()
    make_history(project, 1)
    client = member(project, Role.ENGINEER)
    page = client.get("/p/digits/export/").content.decode()
    assert "<strong>3 rows</strong>" in page
    formats = re.findall(r'name="format" value="([\w-]+)"', page)
    assert formats == [*FORMATS, *DATASETS, *TOOLS]
    for name in formats:
        assert downloaded(client, format=name)[0] == f"digits-labels{EXPORTS[name].suffix}"
    assert downloaded(client, batch="2", skipped="on", format="jsonl") == ("digits-batch-2-with-skipped.jsonl", b"")
    name, content = downloaded(client, batch="1-", until="2999-01-01", format="jsonl")
    assert name == "digits-batches-1-2-until-2999-01-01.jsonl"
    assert content == b"", "they were never given a time"
    lines = downloaded(client, batch="1", format="jsonl")[1].splitlines()
    assert [json.loads(line)["label"] for line in lines] == ["1", "1", "1"]


def test_rows_are_counted_before_the_download_and_wrong_filters_told() -> None:
    project = make_project()
    make_history(project, 2)
    client = member(project, Role.ENGINEER)
    assert "6 rows" in text_of(client.get("/p/digits/export/"))
    response = client.get("/p/digits/export/?batch=2&skipped=on")
    assert "3 rows Count" in text_of(response)
    assert "format=parquet&amp;batch=2&amp;skipped=on" in response.content.decode()
    assert "-o digits-batch-2-with-skipped.parquet" in text_of(response)
    assert "No row is left by these filters." in text_of(client.get("/p/digits/export/?batch=3"))
    response = client.get("/p/digits/export/?batch=9&agreement=2&control=no&since=2026-03-01T10:00&format=csv")
    assert response.status_code == 400
    assert errors_of(response) == {
        "batch": "This project has no batch 9; its batches are 1 to 3.",
        "agreement": "'2' is not a share. Enter a number from 0 to 1, for example 0.8.",
        "control": "Select a valid choice. no is not one of the available choices.",
        "since": "'2026-03-01T10:00' has no time zone. Add one (Z for UTC, or +01:00), or enter only the date.",
    }
    assert 'value="2026-03-01T10:00"' in response.content.decode(), "not in a control that would drop it"
    assert "These filters cannot be used." in text_of(response)
    assert "Include certified labels" not in text_of(client.get("/p/digits/export/"))
    unlabeled = make_items(project, 4, first=500)
    certificate = certify(project, dict.fromkeys(unlabeled, 7), version=project.versions.latest("number"))
    page = client.get("/p/digits/export/")
    assert "10 rows" in text_of(page)
    assert re.search(r'name="certified"[^>]* checked', page.content.decode())
    assert "format=parquet&amp;certified=true" in page.content.decode()
    assert "6 rows" in text_of(client.get("/p/digits/export/?chosen=1"))
    assert "4 rows" in text_of(client.get("/p/digits/export/?chosen=1&certified=on&control=without&since=2026-01-01"))
    name, content = downloaded(client, chosen="1", certified="on", format="csv")
    assert name == "digits-with-certified.csv"
    assert content.decode().count('"certificate 1"') == 4
    type(certificate).objects.update(suspended_at=timezone.now())
    assert "6 rows" in text_of(client.get("/p/digits/export/"))


def test_beyond_what_is_counted_it_says_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engineer, "COUNTED", 5)
    project = make_project()
    make_history(project, 2)
    assert "more than 5 rows" in text_of(member(project, Role.ENGINEER).get("/p/digits/export/"))


def test_before_the_first_label_it_says_that_files_are_empty() -> None:
    project = make_project()
    make_open_batch(project, make_items(project, 2))
    assert "No item is labeled yet" in text_of(member(project, Role.ENGINEER).get("/p/digits/export/"))


def test_every_column_is_explained() -> None:
    page = text_of(member(make_project(), Role.ENGINEER).get("/p/digits/export/"))
    for name, column in COLUMNS.items():
        assert f"{name} {column.meaning}" in page


def test_an_engineer_finds_the_newest_version_and_the_labels_at_one_glance() -> None:
    project = make_project()
    make_history(project, 2)
    project.versions.filter(number=2).update(metrics={"control": {"n": 0}})
    engineer = member(project, Role.ENGINEER)
    # Of a version that is not measured yet, not another one's accuracy.
    assert "Take out Model version 2 Accuracy is not known yet" in text_of(engineer.get("/p/digits/"))
    project.versions.filter(number=2).update(metrics={"control": CONTROL})
    said = text_of(engineer.get("/p/digits/"))
    assert "Take out Model version 2 90.0 % accurate (80.0 % to 95.0 %, 40 control items) Models 6 labels" in said
    assert "Take out" not in text_of(member(project, Role.MANAGER).get("/p/digits/"))
    assert "Take out" not in text_of(member(project, Role.ANNOTATOR).get("/p/digits/"))


def test_an_engineer_of_a_new_project_is_told_what_comes() -> None:
    project = make_project()
    make_open_batch(project, make_items(project, 2))
    said = text_of(member(project, Role.ENGINEER).get("/p/digits/"))
    assert "No model yet The first version is trained when the first batch is complete." in said
    assert "0 labels" in said
