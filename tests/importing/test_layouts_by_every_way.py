"""Layouts and labels of files by API, command and page alike, and examples for an empty project."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from factories import make_member, make_project
from pages import manager, member, text_of

from labeling import kinds
from labeling.intake.examples import N_EXAMPLES
from labeling.models import ItemImport, Project, Role, Upload
from tests.extent import some

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


def test_by_the_api_in_the_form_or_in_the_address(project, client):
    answer = post(client, GERMAN, **OPTIONS)
    assert (answer.status_code, answer.json()["labeled"]) == (201, 2)
    assert {item.external_id: item.data["text"] for item in project.items.all()} == {
        "7": "Wo bleibt mein Päckchen?",
        "8": "Schöne Grüße",
    }
    address = f"{URL}?text_column=body&labels_as=gold"
    for accepted in (1, 0):  # a file that is there already is not bad
        row = b'{"id": "j", "body": "one", "label": "dog"}'
        answer = client.post(address, row, content_type="application/x-ndjson")
        assert (answer.status_code, answer.json()["accepted"]) == (201, accepted)
    assert project.items.get(external_id="j").gold == 1


def test_by_the_command(project, tmp_path: Path, capsys):
    (tmp_path / "a.csv").write_bytes(GERMAN)
    options = {**OPTIONS, "labels_as": "truth"}
    call_command("import_items", "pets", str(tmp_path / "a.csv"), **options)
    assert "2 items imported, 0 rows rejected" in capsys.readouterr().out
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


def test_a_preview_guesses_shows_and_imports_nothing(project, client, tmp_path: Path, capsys):
    content = GERMAN + "9;Noch eine;Vogel\n".encode("latin-1")
    answer = post(client, content, preview="true")
    assert answer.status_code == 200
    preview = answer.json()
    assert preview["layout"] == {**OPTIONS, "encoding": "cp1252", "labels_as": "trusted"}
    data = {"text": "Wo bleibt mein Päckchen?"}
    assert preview["rows"][0] == {"where": "line 2", "external_id": "7", "data": data, "label": "cat", "problem": ""}
    assert (preview["labels"], preview["unknown"]) == (2, {"Vogel": 1})
    assert preview["columns"] == ["Ticket", "Nachricht", "Kategorie"]
    (tmp_path / "a.csv").write_bytes(content)
    call_command("import_items", "pets", str(tmp_path / "a.csv"), preview=True)
    printed = capsys.readouterr().out
    for words in ("--text-column Nachricht", "3 rows, 2 labels", "Vogel"):
        assert words in printed
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


def address(project: Project) -> str:
    return reverse("project-import", args=[project.slug])


@pytest.mark.parametrize("kind", [name for name, kind in kinds.KINDS.items() if kind.examples])
@pytest.mark.parametrize("question", some(["single", "verify"]))
def test_one_click_brings_examples_of_each_kind(kind: str, question: str) -> None:
    project = make_project(kind=kind, question=question)
    client = manager(project)
    page = text_of(client.get(address(project)))
    assert f"Import {N_EXAMPLES} examples" in page
    assert "0 KB waiting to be imported. Imports" in page
    page = text_of(client.post(address(project), {"examples": "1"}, follow=True))
    assert f"{N_EXAMPLES} items imported from examples.jsonl." in page
    assert "Or try it with examples" not in page
    items = project.items.all()
    assert len({f"{each.data}{each.media}" for each in items}) == N_EXAMPLES
    assert not items.labeled().exists()
    assert items.filter(proposed__isnull=False).count() == (N_EXAMPLES if question == "verify" else 0)


def test_only_managers_import_them() -> None:
    project = make_project()
    assert member(project, Role.ENGINEER).post(address(project), {"examples": "1"}).status_code == 403
    assert "Or try it" not in text_of(member(project, Role.ENGINEER).get(address(project)))
    assert not project.items.exists()


ROWS = [{"id": "a", "text": "one", "label": "cat"}, {"id": "b", "text": "two", "label": "cow"}]
LINES = "\n".join(map(json.dumps, ROWS)).encode()


def label(project):
    return project.items.get(external_id="a").task.annotations.get()


def test_by_the_page_which_says_what_follows(project, client):
    url = reverse("project-import", args=["pets"])
    client.post(url, {"file": SimpleUploadedFile("l.jsonl", LINES)})
    assert not project.items.exists()  # a file with labels is looked at first
    looked_at = reverse("project-import-detail", args=["pets", project.imports.get().pk])
    asked = {"do": "import", "labels_as": "trusted", "unknown_labels": "unlabeled"}
    page = client.post(looked_at, asked, follow=True).content.decode()
    assert "1 label imported. The model trains on them once all items are encoded." in page
    assert label(project).user.username == "mona"
    detail = client.get(reverse("project-import-detail", args=["pets", project.imports.get().pk])).content.decode()
    assert "1 label imported" in detail


def test_by_the_api_and_the_item_and_the_batch_say_that_it_was_imported(project, client):
    assert client.post(f"{URL}?strict=true", LINES, content_type="application/x-ndjson").status_code == 400
    assert not project.items.exists()
    assert not project.batches.exists()
    answer = client.post(URL, LINES, content_type="application/x-ndjson")
    assert answer.status_code == 201
    assert (answer.json()["accepted"], answer.json()["labeled"], answer.json()["rejected"]) == (1, 1, 1)
    assert label(project).value == 0
    item = project.items.get()
    assert "Imported with its label" in client.get(reverse("project-item", args=["pets", item.pk])).content.decode()
    assert "imported" in client.get(reverse("project-batches", args=["pets"])).content.decode()
    assert client.get(reverse("project-batch", args=["pets", 1])).status_code == 200
    assert client.get(reverse("project", args=["pets"])).status_code == 200
    assert client.get("/api/v1/projects/pets/batches/1/").json()["state"] == "importing"
    assert client.get("/api/v1/projects/pets/progress/").json()["batch"] is None


def test_by_the_command_it_is_nobodys(project, tmp_path: Path, capsys):
    (tmp_path / "l.jsonl").write_bytes(LINES)
    call_command("import_items", "pets", str(tmp_path / "l.jsonl"))
    assert "1 labels imported" in capsys.readouterr().out
    author = label(project).user
    assert (author.username, author.is_active) == ("imported", False)
