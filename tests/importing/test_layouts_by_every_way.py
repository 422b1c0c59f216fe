"""The layout of a file is given by API and command alike; a file of bad rows alone is refused."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from factories import make_member, make_project

from labeling.models import ItemImport, Role, Upload

pytestmark = pytest.mark.django_db

GERMAN = "Ticket;Nachricht;Kategorie\n7;Wo bleibt mein Päckchen?;cat\n8;Schöne Grüße;dog\n".encode("latin-1")
OPTIONS = {"text_column": "Nachricht", "id_column": "Ticket", "label_column": "Kategorie", "encoding": "Latin-1"}
URL = "/api/v1/projects/pets/items/"


@pytest.fixture
def project():
    return make_project("pets", classes=["cat", "dog"])


@pytest.fixture
def client(project):
    client = Client()
    client.force_login(make_member(project, "mona", Role.MANAGER))
    return client


def post(client: Client, content: bytes, name: str = "a.csv", **options: Any) -> Any:
    return client.post(URL, {"file": SimpleUploadedFile(name, content), **options})


def texts(project: Any) -> dict[str, str]:
    return {item.external_id: item.data["text"] for item in project.items.all()}


def test_by_the_api_in_the_form_or_in_the_address(project, client):
    answer = post(client, GERMAN, **OPTIONS)
    assert (answer.status_code, answer.json()["labeled"]) == (201, 2)
    assert texts(project) == {"7": "Wo bleibt mein Päckchen?", "8": "Schöne Grüße"}
    address = f"{URL}?text_column=body&labels_as=gold"
    answer = client.post(address, b'{"id": "j", "body": "one", "label": "dog"}', content_type="application/x-ndjson")
    assert answer.status_code == 201
    assert project.items.get(external_id="j").gold == 1


def test_by_the_command(project, tmp_path: Path, capsys):
    (tmp_path / "a.csv").write_bytes(GERMAN)
    options = {**OPTIONS, "labels_as": "truth"}
    call_command("import_items", "pets", str(tmp_path / "a.csv"), **options)
    assert "2 items imported, 0 rows set aside" in capsys.readouterr().out
    assert list(project.items.order_by("external_id").values_list("truth", flat=True)) == [0, 1]
    assert project.imports.get().layout == {**options, "encoding": "iso8859-1"}


@pytest.mark.parametrize(("option", "value"), [("encoding", "klingon"), ("delimiter", "ab"), ("labels_as", "maybe")])
def test_a_wrong_option_is_named(project, client, tmp_path: Path, option, value):
    answer = post(client, GERMAN, **{option: value})
    assert answer.status_code == 400
    assert list(answer.json()["fields"]) == [option]
    (tmp_path / "a.csv").write_bytes(GERMAN)
    with pytest.raises(CommandError, match=f"^--{option.replace('_', '-')}: "):
        call_command("import_items", "pets", str(tmp_path / "a.csv"), **{option: value})
    assert not project.imports.exists()


def test_a_file_of_bad_rows_alone_is_refused_with_the_first_reason(project, client, tmp_path: Path):
    bad = b"id,text\n1,\n2,\n"
    answer = post(client, bad)
    reason = 'Nothing was imported: all 2 rows are bad. Line 2: Column "text" is empty.'
    assert (answer.status_code, answer.json()["detail"]) == (400, reason)
    assert (answer.json()["import"]["state"], answer.json()["import"]["rejected"]) == (ItemImport.State.REFUSED, 2)
    (tmp_path / "a.csv").write_bytes(bad)
    with pytest.raises(CommandError, match="Nothing was imported"):
        call_command("import_items", "pets", str(tmp_path / "a.csv"))


def test_a_file_that_is_there_already_is_not_bad(project, client):
    for accepted in (1, 0):
        answer = post(client, b"id,text\n1,one\n")
        assert (answer.status_code, answer.json()["accepted"]) == (201, accepted)


def test_a_preview_guesses_shows_and_imports_nothing(project, client, tmp_path: Path, capsys):
    content = GERMAN + "9;Noch eine;Vogel\n".encode("latin-1")
    answer = post(client, content, preview="true")
    assert answer.status_code == 200
    preview = answer.json()
    assert preview["layout"] == {**OPTIONS, "encoding": "cp1252", "labels_as": "trusted"}
    assert preview["rows"][0] == {
        "where": "line 2",
        "external_id": "7",
        "data": {"text": "Wo bleibt mein Päckchen?"},
        "label": "cat",
        "problem": "",
    }
    assert (preview["labels"], preview["unknown"], preview["columns"]) == (
        2,
        {"Vogel": 1},
        ["Ticket", "Nachricht", "Kategorie"],
    )
    (tmp_path / "a.csv").write_bytes(content)
    call_command("import_items", "pets", str(tmp_path / "a.csv"), preview=True)
    printed = capsys.readouterr().out
    assert "--text-column Nachricht" in printed
    assert "3 rows, 2 labels" in printed
    assert "Vogel" in printed
    assert not project.imports.exists()
    assert not Upload.objects.exists()
    assert list((Path(settings.DATA_DIR) / "uploads").iterdir()) == []


def test_classes_are_added_by_every_way(project, client, tmp_path: Path):
    content = GERMAN + "9;Noch eine;Vogel\n".encode("latin-1")
    assert post(client, content, add_classes="true", **OPTIONS).json()["labeled"] == 3
    (tmp_path / "a.csv").write_bytes(
        content.replace(b"Vogel", b"Wal").replace(b"\n7", b"\n70").replace(b"\n8", b"\n80")
    )
    call_command("import_items", "pets", str(tmp_path / "a.csv"), add_classes=True, **OPTIONS)
    assert list(project.classes.order_by("index").values_list("name", flat=True)) == ["cat", "dog", "Vogel", "Wal"]


def test_a_preview_reads_no_file_of_the_server(client, project):
    pictures = make_project("pictures", kind="image")
    client.force_login(make_member(pictures, "mona", Role.MANAGER))
    rows = b'[{"image": "../../etc/passwd"}, {"image": "/etc/passwd"}]'
    url = "/api/v1/projects/pictures/items/?preview=true"
    answer = client.post(url, rows, content_type="application/json").json()
    assert ["an upload has none beside it" in row["problem"] for row in answer["rows"]] == [True, True]
