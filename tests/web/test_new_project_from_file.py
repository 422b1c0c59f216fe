"""A project starts with its file: the page proposes kind, question and classes, and one button imports it."""

import io
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from factories import digit_png, make_project, make_user
from pages import errors_of, manager, signed_in, text_of

from labeling.intake import uploads
from labeling.models import ItemImport, Project, Upload

pytestmark = pytest.mark.django_db

TICKETS = "Ticket;Nachricht;Thema\n" + "".join(
    f"T{n};Wo bleibt mein Päckchen {n}?;{'Versand' if n % 3 else 'Rechnung'}\n" for n in range(12)
)


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number, name in enumerate(names):
            archive.writestr(name, digit_png(number))
    return buffer.getvalue()


def send(client: Client, content: bytes | str, name: str) -> Any:
    file = SimpleUploadedFile(name, content.encode() if isinstance(content, str) else content)
    return client.post("/new/file/", {"file": file}, follow=True)


def form_of(page: Any) -> dict[str, Any]:
    """Return the values of the form, as a browser would send them."""
    html = page.content.decode()
    form = page.context["form"]
    values = {name: "" if (value := form[name].value()) is None else value for name in form.fields}
    del values["classes_file"]
    selects = re.findall(r'<select id="id_\w+" name="(\w+)".*?value="([^"]*)" selected', html, re.DOTALL)
    radios = re.findall(r'type="radio" name="(labels_as)" value="(\w+)" id="\w+"\s+checked', html)
    return {**values, **dict(selects), **dict(radios)}


def files() -> list[Path]:
    return [path for path in uploads.folder().iterdir() if path.is_file()]


def test_a_table_proposes_all_and_one_button_imports_it() -> None:
    client = signed_in(make_user("otto", is_staff=True))
    page = send(client, TICKETS, "support-tickets.csv")
    assert "with 12 rows. Nothing has been created yet." in text_of(page)
    assert "Wo bleibt mein Päckchen 0?" in text_of(page)
    form = form_of(page)
    assert (form["name"], form["kind"], form["question"]) == ("Support tickets", "text", "single")
    assert form["classes"] == "Versand\nRechnung"
    assert (form["text_column"], form["id_column"], form["label_column"]) == ("Nachricht", "Ticket", "Thema")
    assert not Project.objects.exists()
    page = client.post("/new/", form, follow=True)
    project = Project.objects.get()
    assert page.redirect_chain == [(f"/p/{project.slug}/import/", 302)]
    assert "12 items imported from support-tickets.csv." in text_of(page)
    assert list(project.classes.values_list("name", flat=True)) == ["Versand", "Rechnung"]
    assert project.items.labeled().count() == 12
    assert files() == []
    assert not Upload.objects.exists()


def test_a_zip_of_images_in_folders() -> None:
    client = signed_in(make_user("otto", is_staff=True))
    page = send(client, zipped("cat/1.png", "cat/2.png", "dog/3.png", "unsorted/4.png"), "photos.zip")
    form = form_of(page)
    assert (form["kind"], form["classes"]) == ("image", "cat\ndog")
    pictures = re.findall(r'src="([^"]*picture=\d)"', page.content.decode())
    assert len(pictures) == 3
    assert "dog/3.png" in text_of(page)
    assert client.get("/new/" + pictures[1].replace("&amp;", "&")).content == digit_png(2)
    for odd in ("&picture=99999999999", "&picture=-1", "&kind=none&picture=7"):
        assert client.get(f"/new/?start={form['start']}{odd}").status_code == 404
    client.post("/new/", form)
    project = Project.objects.get()
    assert (project.items.count(), project.items.labeled().count()) == (4, 3)


@pytest.mark.parametrize(
    ("content", "name", "kind", "question", "classes"),
    [
        ('{"text": "one", "label": ["a", "b"]}\n{"text": "two", "label": ["b"]}\n', "a.jsonl", "text", "multi", "b\na"),
        ("text,stars\n" + "".join(f"a text {n},{n % 3 + 1}\n" for n in range(30)), "a.csv", "text", "score", "1\n2\n3"),
        ("width,height\n1.5,2\n3,4\n", "leaves.csv", "vector", "single", ""),
        ("text\none\ntwo\n", "a.csv", "text", "single", ""),
    ],
    ids=["several labels", "a scale", "numbers", "texts alone"],
)  # fmt: skip
def test_what_is_proposed(content: str, name: str, kind: str, question: str, classes: str) -> None:
    form = form_of(send(signed_in(make_user("otto", is_staff=True)), content, name))
    assert (form["kind"], form["question"], form["classes"]) == (kind, question, classes)


def test_another_column_proposes_other_classes_unless_they_were_changed() -> None:
    client = signed_in(make_user("otto", is_staff=True))
    form = form_of(send(client, "text,topic,tone\n" + "one,a,x\ntwo,b,y\nsix,a,x\n" * 9, "a.csv"))
    page = client.post("/new/", {**form, "do": "show", "label_column": "tone", "name": "Mine"})
    shown = form_of(page)
    assert (shown["classes"], shown["name"]) == ("x\ny", "Mine")
    page = client.post("/new/", {**shown, "do": "show", "label_column": "topic", "classes": "x\ny\nz"})
    assert form_of(page)["classes"] == "x\ny\nz"


def test_a_class_that_is_removed_stays_away_and_its_rows_come_in() -> None:
    client = signed_in(make_user("otto", is_staff=True))
    form = form_of(send(client, TICKETS, "a.csv"))
    client.post("/new/", {**form, "classes": "Versand\nLob"})
    project = Project.objects.get()
    assert list(project.classes.values_list("name", flat=True)) == ["Versand", "Lob"]
    assert (project.items.count(), project.items.labeled().count()) == (12, 8)


def test_labels_that_differ_in_case_and_spaces_are_one_class_unless_both_are_entered() -> None:
    client = signed_in(make_user("otto", is_staff=True))
    for classes, labels in (("", [0, 0, 1, 0]), ("\ncat", [0, 2, 1, 0])):
        page = send(client, "text,label\n" + "one,Cat\ntwo,cat \nsix,Dog\nten,Cat\n" * 5, "a.csv")
        form = form_of(page)
        assert form["classes"] == "Cat\nDog"
        assert "one class: Cat (also “cat”)." in text_of(page)
        client.post("/new/", {**form, "classes": form["classes"] + classes, "slug": f"a{len(classes)}"})
        by_text = {item.data["text"]: item.label for item in Project.objects.latest("pk").items.all()}
        assert [by_text[text] for text in ("one", "two", "six", "ten")] == labels


def test_an_error_keeps_the_file() -> None:
    client = signed_in(make_user("otto", is_staff=True))
    form = form_of(send(client, TICKETS, "a.csv"))
    page = client.post("/new/", {**form, "classes": "only"})
    assert "at least two" in errors_of(page)["classes"]
    assert "Wo bleibt mein Päckchen 0?" in text_of(page)
    assert not Project.objects.exists()
    client.post("/new/", form)
    assert ItemImport.objects.get().accepted == 12


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        (b"", "a.csv", "empty"),
        (b"\x00\x01\x02" * 50, "a.bin", "this kind of file is not read"),
        (b"PK\x03\x04 broken", "a.zip", "not a zip file or is damaged"),
    ],
)
def test_a_bad_file_is_told_in_one_line_and_not_kept(content: bytes, name: str, says: str) -> None:
    page = send(signed_in(make_user("otto", is_staff=True)), content, name)
    assert page.status_code == 400
    assert says in page.content.decode()
    assert not Project.objects.exists()
    assert files() == []


def test_a_person_keeps_one_file_and_nobody_else_sees_it() -> None:
    otto, mona = signed_in(make_user("otto", is_staff=True)), manager(make_project("first"))
    first = form_of(send(otto, TICKETS, "a.csv"))
    assert mona.get("/new/", {"start": first["start"]}, follow=True).redirect_chain == [("/new/", 302)]
    send(otto, TICKETS, "b.csv")
    assert len(files()) == 1
    page = otto.post("/new/", first, follow=True)
    assert "The file is gone: choose it again." in text_of(page)


def test_who_may_create_no_project_sends_no_file() -> None:
    client = signed_in(make_user("annie"))
    assert send(client, TICKETS, "a.csv").status_code == 403
    assert not files()
