"""A file in a form of its own waits on its page, with its first rows as items and a choice of columns and labels."""

import datetime
import io
import json
import random
import re
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from factories import digit_png, make_project
from pages import member, text_of

from labeling.intake import guessing, parked, uploads
from labeling.intake.readers import open_source
from labeling.models import ItemImport, Role, Upload
from tests.extent import some

pytestmark = pytest.mark.django_db

GERMAN = "Ticket;Nachricht;Kategorie;Land\n" + "".join(
    f"T{n};Wo bleibt mein Päckchen {n}?;{'cat' if n % 3 else 'dog'};Österreich\n" for n in range(12)
)


def start(kind: str = "text", role: str = Role.MANAGER, **fields: Any) -> tuple[Client, Any]:
    project = make_project("pets", **{"kind": kind, "classes": ["cat", "dog"], **fields})
    return member(project, role, "mona"), project


def send(client: Client, content: bytes | str, name: str = "a.csv", **fields: Any) -> Any:
    file = SimpleUploadedFile(name, content.encode("cp1252") if isinstance(content, str) else content)
    return client.post(reverse("project-import", args=["pets"]), {"file": file, **fields}, follow=True)


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number, name in enumerate(names):
            archive.writestr(name, digit_png(number))
    return buffer.getvalue()


def chosen(page: str) -> dict[str, str]:
    """The chosen option of each select, and the checked radio."""
    selects = re.findall(r'<select id="id_(\w+)".*?</select>', page, re.S)
    values = {
        name: re.search(rf'<select id="id_{name}".*?value="([^"]*)" selected', page, re.S)[1]  # type: ignore[index]
        for name in selects
    }
    radios = re.findall(r'type="radio" name="(\w+)" value="(\w+)" id="\w+"\s+checked', page)
    return values | dict(radios)


def go(client: Client, do: str = "import", **fields: Any) -> Any:
    page = client.get(address()).content.decode()
    return client.post(address(), {**chosen(page), "do": do, **fields}, follow=True)


def address() -> str:
    return reverse("project-import-detail", args=["pets", ItemImport.objects.latest("pk").pk])


def test_an_export_of_excel_is_guessed_shown_and_imported() -> None:
    client, project = start()
    page = send(client, GERMAN).content.decode()
    assert chosen(page) == {
        "text_column": "Nachricht",
        "id_column": "Ticket",
        "label_column": "Kategorie",
        "delimiter": ";",
        "encoding": "cp1252",
        "labels_as": "trusted",
    }
    assert "Wo bleibt mein Päckchen 0?" in page
    assert "12 labels: the model trains on them immediately." in page
    assert not project.items.exists()
    assert project.imports.get().state == ItemImport.State.PARKED
    answer = go(client).content.decode()
    assert "12 items imported from a.csv." in answer
    item = project.items.get(external_id="T1")
    assert (item.data, item.label) == ({"text": "Wo bleibt mein Päckchen 1?", "Land": "Österreich"}, 0)
    assert not Upload.objects.exists()


def test_the_next_file_of_the_same_columns_is_read_alike() -> None:
    client, project = start()
    send(client, GERMAN)
    go(client, label_column="Land", labels_as="ignore", leave_out=["Kategorie"])
    assert project.items.count() == 12
    page = send(client, GERMAN.replace("T", "U"), "b.csv").content.decode()
    assert chosen(page)["label_column"] == "Kategorie"  # U is another name of a column
    page = send(client, GERMAN.replace("\nT", "\nU"), "b.csv").content.decode()
    assert (chosen(page)["label_column"], chosen(page)["labels_as"]) == ("Land", "ignore")
    assert re.search(r'name="leave_out" value="Kategorie"\s+id="\w+" checked', page)


def test_encoding_and_delimiter_are_those_of_each_file() -> None:
    client, project = start()
    ascii_only = GERMAN.replace("ä", "a").replace("Ö", "O")
    send(client, ascii_only)
    go(client, label_column="Land", labels_as="ignore")
    page = send(client, GERMAN.replace("\nT", "\nU").replace(";", ","), "b.csv").content.decode()
    assert (chosen(page)["encoding"], chosen(page)["delimiter"]) == ("cp1252", ",")
    assert (chosen(page)["label_column"], chosen(page)["labels_as"]) == ("Land", "ignore")
    assert "would be rejected" not in page
    go(client)
    assert project.items.count() == 24


@pytest.mark.parametrize("state", [ItemImport.State.REFUSED, ItemImport.State.FAILED])
def test_what_was_not_taken_in_is_not_remembered(state: str) -> None:
    client, project = start()
    send(client, GERMAN)
    go(client, text_column="Land", label_column="", id_column="")
    project.imports.update(state=state)
    page = send(client, GERMAN, "b.csv").content.decode()
    assert (chosen(page)["text_column"], chosen(page)["label_column"]) == ("Nachricht", "Kategorie")


def test_what_a_page_shows_of_odd_files() -> None:
    client, _ = start()
    page = send(client, "Ticket;Nachricht;Kategorie\n" + ";;\n" * 60).content.decode()
    assert "a.csv holds no items: all its rows are empty." in page
    assert "no column is called" not in page
    assert chosen(page)["text_column"] == "Nachricht"
    assert "Column &quot;Nachricht&quot; is empty." in page
    page = send(client, "Ticket;Nachricht\n", "b.csv").content.decode()
    assert "b.csv holds no items: it has no rows." in page
    send(client, "id,text,label,kind\n" + "".join(f"{n}-cat,text {n},cat,CAT\n" for n in range(5)), preview="1")
    page = go(client, "show", labels_as="gold").content.decode()
    assert "The ids hold the labels" in page
    assert "The column “kind” holds the label" in page
    page = go(client, "show", labels_as="gold", leave_out=["kind"]).content.decode()
    assert "The column “kind” holds" not in page
    page = send(client, "body,<b>x</b>\n<script>alert(1)</script>,2\n").content.decode()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert "<b>x</b>" not in page
    send(client, GERMAN)
    page = go(client, "show", delimiter=",").content.decode()
    assert chosen(page)["text_column"] == "Ticket;Nachricht;Kategorie;Land"


def test_a_file_in_the_products_own_form_is_imported_at_once_unless_asked() -> None:
    client, project = start()
    send(client, b"id,text\n1,one\n")
    assert project.items.count() == 1
    page = send(client, b"id,text\n2,two\n", preview="1").content.decode()
    assert chosen(page)["text_column"] == "text"
    assert project.items.count() == 1
    go(client)
    assert project.items.count() == 2
    send(client, b"text,label\none,\ntwo,\n")
    assert project.items.count() == 4


@pytest.mark.parametrize(
    ("labels_as", "label", "gold", "truth", "suggestion"),
    some(
        [("trusted", 0, None, None, None), ("gold", None, 0, None, None), ("truth", None, None, 0, None),
         ("suggestions", None, None, None, 0), ("ignore", None, None, None, None)],
        2,
    ),
)  # fmt: skip
def test_photos_in_folders_lead_to_one_choice(labels_as, label, gold, truth, suggestion) -> None:
    client, project = start("image")
    page = send(client, zipped("cat/1.png", "dog/2.png", "scans/3.png"), "photos.zip")
    assert "3 labels: the model trains on them immediately." in text_of(page)
    assert "1 item in folders that are no classes yet: scans" in text_of(page)
    assert client.get(address() + "?picture=0")["Content-Type"].startswith("image/")
    assert client.get(address() + "?picture=3").status_code == 404
    go(client, labels_as=labels_as)
    assert project.items.count() == 3
    item = project.items.get(source="cat/1.png")
    assert (item.label, item.gold, item.truth, item.suggestion) == (label, gold, truth, suggestion)
    assert "cat" not in item.external_id


def test_a_folder_is_imported_as_chosen_or_looked_at_first() -> None:
    client, project = start("image")
    photos = zipped("cat/1.png", "dog/2.png")
    send(client, photos, "photos.zip", labels_as="gold", preview="1")
    assert ItemImport.objects.parked().count() == 1
    send(client, photos, "photos.zip", labels_as="gold")
    assert sorted(project.items.values_list("gold", flat=True)) == [0, 1]


def test_labels_that_are_no_classes_yet_are_added_by_default() -> None:
    client, project = start()
    page = send(client, GERMAN.replace("dog", "Vogel"))
    assert "4 rows with a label that is no class yet: Vogel" in text_of(page)
    assert "would be rejected" not in page.content.decode()
    assert chosen(page.content.decode())["unknown_labels"] == "add"
    assert "12 labels: the model trains on them immediately." in page.content.decode()
    assert "1 class added: Vogel." in text_of(go(client))
    assert list(project.classes.order_by("index").values_list("name", flat=True)) == ["cat", "dog", "Vogel"]
    assert project.items.filter(label=2).count() == 4


def test_labels_in_the_products_own_form_are_looked_at_first() -> None:
    client, project = start()
    left = "Annotators do not get these items. No items would be left to label."
    page = send(client, b"text,label\none,cat\ntwo,dog\n").content.decode()
    assert not project.items.exists()
    assert left in page
    page = text_of(go(client))
    assert "2 items imported from a.csv. 2 labels imported." in page
    assert "All 2 items are labeled, and the model learns from them. Import more items to label." in page
    assert "label the first batch" not in page
    page = send(client, b"text,label\nthree,cat\nfour,\n", "b.csv").content.decode()
    assert left not in page
    page = go(client).content.decode()
    assert "All 3" not in page
    assert page.index("label the first batch") < page.index("<h1>")
    page = send(client, b"text,label\nfive,cat\n", "c.csv").content.decode()
    assert left not in page  # the fourth item is left


def test_metadata_in_a_zip_with_labels_is_looked_at_first() -> None:
    client, project = start("image")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("1.png", digit_png(1))
        archive.writestr("metadata.csv", "file_name,label\n1.png,cat\n")
    page = send(client, buffer.getvalue(), "photos.zip").content.decode()
    assert "1 label: the model trains on them immediately." in page
    go(client)
    assert project.items.get().label == 0


def test_folders_of_classes_leave_nothing_to_label_and_a_table_is_opened_once(monkeypatch: pytest.MonkeyPatch) -> None:
    client, _ = start("image")
    page = send(client, zipped("cat/1.png", "dog/2.png"), "photos.zip").content.decode()
    assert page.count("No items would be left to label.") == 2  # trusted, and gold
    send(client, zipped("cat/1.png", "dog/2.png", "scans/3.png"), "more.zip")
    assert "No items would be left" in go(client, "show", unknown_labels="add").content.decode()
    assert "No items would be left" not in go(client, "show", unknown_labels="unlabeled").content.decode()
    images = [{"bytes": digit_png(number), "path": f"{number}.png"} for number in (1, 2)]
    buffer = io.BytesIO()
    pq.write_table(pa.table({"photo": images, "label": ["cat", "dog"]}), buffer)
    send(client, buffer.getvalue(), "train.parquet")
    opened: list[str] = []

    def counted(*args: Any, **options: Any) -> Any:
        opened.append(options["layout"].labels_as)
        return open_source(*args, **options)

    for module in (parked, guessing):
        monkeypatch.setattr(module, "open_source", counted)
    page = client.get(address())
    assert "?picture=1" in page.content.decode()
    assert len(opened) == 1, "for the guess, the first rows and the labels"
    opened.clear()
    pictures = [client.get(f"{address()}?picture={place}").content for place in (0, 1)]
    assert pictures == [image["bytes"] for image in images]
    assert len(opened) == 2


def test_few_known_classes_do_not_preselect_to_ignore_labels_where_classes_can_be_added() -> None:
    client, project = start()
    mostly_new = GERMAN.replace("cat", "Lob")
    page = send(client, mostly_new).content.decode()
    assert chosen(page)["labels_as"] == "trusted"
    assert "12 labels, not imported. Annotators label all items." in page
    page = text_of(go(client))
    assert "12 items imported from a.csv. 1 class added: Lob. 12 labels imported." in page
    assert project.items.labeled().count() == 12


def test_rows_come_in_without_the_label_that_is_no_class_if_a_person_chooses_it() -> None:
    client, project = start()
    send(client, GERMAN.replace("dog", "Vogel"))
    page = go(client, "show", unknown_labels="unlabeled").content.decode()
    assert "8 labels: the model trains on them immediately." in page
    assert "<strong>Vogel" not in page
    go(client)
    assert project.classes.count() == 2
    assert (project.items.count(), project.items.labeled().count()) == (12, 8)


def test_a_label_that_no_class_can_have_keeps_no_row_out() -> None:
    client, project = start("text")
    rows = "".join(f"text {n},{'cat' if n else 'x' * 300}\n" for n in range(5))
    send(client, "text,label\n" + rows)
    go(client)
    assert (project.classes.count(), project.items.count(), project.items.labeled().count()) == (2, 5, 4)


def test_of_texts_as_labels_a_person_is_asked() -> None:
    client, project = start()
    texts = "text,label\n" + "".join(f"text {n},Why is it {n}?\n" for n in range(20))
    page = send(client, texts)
    assert "These are many different labels. Is it the right column?" in text_of(page)
    assert "unknown_labels" not in chosen(page.content.decode())
    assert "would be rejected" not in page.content.decode()
    assert "Choose what to do with labels that are not classes." in text_of(go(client))
    assert not project.items.exists()
    go(client, unknown_labels="unlabeled")
    assert (project.classes.count(), project.items.count(), project.items.labeled().count()) == (2, 20, 0)


def test_a_choice_for_one_column_is_none_for_another() -> None:
    client, _ = start()
    rows = "".join(f"text {n},Why is it {n}?,{'cat' if n % 2 else 'bird'}\n" for n in range(20))
    page = send(client, "text,subject,label\n" + rows, preview="1").content.decode()
    assert chosen(page)["unknown_labels"] == "add"
    page = go(client, "show", label_column="subject").content.decode()
    assert "unknown_labels" not in chosen(page)


def test_points_that_a_scale_lacks_come_in_without_a_label() -> None:
    client, project = start(question="score", classes=["1", "2"])
    page = send(client, "text,label\n" + "".join(f"text {n},{2 if n else 7}\n" for n in range(5)))
    assert "They are imported without a label." in text_of(page)
    go(client)
    assert (project.classes.count(), project.items.count(), project.items.labeled().count()) == (2, 5, 4)


def test_more_classes_than_are_shown_are_added() -> None:
    client, project = start()
    rows = "".join(f"text {n},class {n % 300}\n" for n in range(900))
    send(client, "text,label\n" + rows)
    go(client, unknown_labels="add")
    assert (project.classes.count(), project.items.labeled().count()) == (302, 900)


def test_folders_become_classes_by_default_but_those_of_unsorted_files() -> None:
    client, project = start("image")
    page = send(client, zipped("cat/1.png", "bird/2.png", "unsorted/3.png"), "photos.zip")
    assert "1 item in folders that are no classes yet: bird" in text_of(page)
    go(client)
    assert list(project.classes.order_by("index").values_list("name", flat=True)) == ["cat", "dog", "bird"]
    assert (project.items.count(), project.items.labeled().count()) == (3, 2)


def test_a_file_that_came_in_before_is_recognised() -> None:
    client, project = start()
    there = "These rows are already in the project. They are not imported again."
    assert there not in text_of(send(client, GERMAN))
    go(client)
    assert there in text_of(send(client, GERMAN, "again.csv"))
    go(client)
    assert project.items.count() == 12
    assert there not in text_of(send(client, GERMAN.replace("\nT", "\nU"), "next.csv"))


def test_of_a_zip_one_file_of_each_class_is_shown_with_its_name() -> None:
    client, _ = start("image")
    names = [f"cat/{n}.png" for n in range(7)] + ["dog/a.png", "bird/b.png", "unsorted/c.png"]
    page = send(client, zipped(*names), "photos.zip")
    for name in ("cat/0.png", "dog/a.png", "bird/b.png", "unsorted/c.png"):
        assert name in text_of(page)
    assert "cat/1.png" not in text_of(page)
    assert client.get(address() + "?picture=3").status_code == 200
    assert client.get(address() + "?picture=4").status_code == 404


def test_ignored_labels_add_no_classes() -> None:
    client, project = start()
    send(client, GERMAN.replace("dog", "Vogel"))
    go(client, unknown_labels="add", labels_as="ignore")
    assert project.classes.count() == 2
    assert project.items.count() == 12


def test_utf_16_is_guessed() -> None:
    client, project = start()
    page = send(client, "id,text\n1,één\n".encode("utf-16")).content.decode()
    assert chosen(page)["encoding"] == "utf-16"
    go(client)
    assert project.items.get().data == {"text": "één"}


def test_numbers_as_ids_are_no_labels_where_classes_are_numbers() -> None:
    client, project = start()
    for name in ("1", "3"):
        project.classes.create(name=name, index=project.classes.count(), position=project.classes.count())
    send(client, b"id,text\n1,one\n3,three\n")
    assert project.items.count() == 2


def test_a_parked_file_is_discarded_by_a_manager_or_after_a_day(tmp_path: Path) -> None:
    client, project = start()
    send(client, GERMAN)
    assert "was discarded" in go(client, "discard").content.decode()
    assert not project.imports.exists()
    send(client, GERMAN)
    assert Upload.objects.count() == 1  # storage counts it
    folder = Path(settings.DATA_DIR) / "uploads"
    assert len(list(folder.iterdir())) == 1
    uploads.sweep()
    assert project.imports.count() == 1
    ItemImport.objects.update(created_at=timezone.now() - datetime.timedelta(days=1, minutes=1))
    uploads.sweep()
    assert not project.imports.exists()
    assert not Upload.objects.exists()
    assert list(folder.iterdir()) == []


def test_two_tabs_import_it_once_and_an_auditor_not_at_all() -> None:
    client, project = start()
    send(client, GERMAN)
    auditor = member(project, Role.AUDITOR)
    page = auditor.get(address()).content.decode()
    assert "Päckchen" in page
    assert 'value="import"' not in page
    assert auditor.post(address(), {"do": "discard"}).status_code == 403
    form = {**chosen(client.get(address()).content.decode()), "do": "import"}
    there = address()
    assert "12 items imported" in client.post(there, form, follow=True).content.decode()
    assert "has been imported already" in client.post(there, form, follow=True).content.decode()
    assert project.items.count() == 12


def test_texts_are_pasted() -> None:
    client, project = start()
    url = reverse("project-import", args=["pets"])
    assert 'name="texts"' in client.get(url).content.decode()
    for _ in range(2):
        client.post(url, {"texts": 'one\r\n\r\n two, "three" \r\n'})
    assert sorted(item.data["text"] for item in project.items.all()) == ["one", "one", 'two, "three"', 'two, "three"']
    assert client.post(url, {"texts": "  "}).status_code == 400


def test_what_cannot_be_read_is_refused_at_once() -> None:
    client, project = start()
    for name in ("a.csv", "a.jsonl", "a.json"):
        answer = send(client, random.Random(0).randbytes(5000), name)
        assert (answer.status_code, "this does not look like text" in answer.text) == (400, True), name
    for name, content in (("a.csv", b""), ("a.xlsx", b"PK\x03\x04"), ("a.csv", b"a,a\n1,2\n")):
        assert send(client, content, name).status_code == 400, content
    assert not project.items.exists()
    assert not ItemImport.objects.parked().exists()


def test_a_group_of_images_is_said_to_stay_together() -> None:
    client, _ = start(kind="image")
    for name, said in (("group", True), ("ward", False)):
        page = text_of(send(client, f"photo,{name}\n/nowhere.png,a\n".encode(), f"{name}.csv", preview="1"))
        assert ("Exported folders keep the items of one group in one split." in page) == said


def test_an_export_says_what_comes_in_and_waits_for_a_choice() -> None:
    client, project = start()
    item = {"data": {"text": "A."}, "skips": [], "propagated_from": None, "origin": "person", "certificate": None}
    by_eva = [{"annotator": "eva", "value": "cat", "seconds": 2.5}, {"annotator": "ole", "value": "cat"}]
    rows: list[dict[str, Any]] = [
        {"external_id": "a", "label": "cat", "annotations": by_eva, **item},
        {"external_id": "b", "label": "dog", "annotations": [], **item, "origin": "certified", "certificate": 1},
        {"external_id": "c", "label": "dog", "annotations": [], **item, "origin": "copy", "propagated_from": "a"},
    ]
    page = send(client, "\n".join(map(json.dumps, rows)), "labels.jsonl")
    words = text_of(page)
    assert "This export has 2 answers. Trusted labels are imported with their authors and times." in words
    assert "1 certified label. No person gave these labels, so they are imported as suggestions." in words
    assert "This export has 1 near-copy. Near-copies are imported without a label." in words
    assert "1 label: the model trains on them immediately." in words
    assert "Leave out" not in words
    assert chosen(page.content.decode()) == {"labels_as": "trusted"}
    assert not project.items.exists()
    go(client)
    found = {item.external_id: (item.label, item.suggestion) for item in project.items.all()}
    assert found == {"a": (0, None), "b": (None, 1), "c": (None, None)}
    assert {item.data["text"] for item in project.items.all()} == {"A."}


def test_a_certified_label_is_never_gold() -> None:
    client, project = start()
    item = {"data": {"text": "A."}, "annotations": [], "skips": [], "propagated_from": None}
    rows = [
        {"external_id": "a", "label": "cat", **item, "origin": "person", "certificate": None},
        {"external_id": "b", "label": "dog", **item, "origin": "certified", "certificate": 1},
    ]
    for labels_as, gold in (("gold", 0), ("ignore", None)):
        send(client, "\n".join(map(json.dumps, rows)), "labels.jsonl")
        go(client, labels_as=labels_as)
        assert list(project.items.order_by("external_id").values_list("gold", flat=True)) == [gold, None]
        project.items.all().delete()


def test_the_columns_of_a_short_export_that_are_not_imported_are_not_offered() -> None:
    client, project = start()
    rows = ["external_id,text,land,label,labeled_by,labeled_at,origin"]
    rows += [f"item-{n},Where is it {n}?,AT,cat,ann,2026-01-01 10:00:00,person" for n in range(9)]
    rows += ["item-9,Where is it 9?,AT,cat,certificate 1,2026-01-01 10:00:00,certified"]
    page = send(client, "\r\n".join(rows).encode()).content.decode()
    offered = set(re.findall(r'<option value="([^"]*)"', page)) | set(
        re.findall(r'name="leave_out" value="([^"]*)"', page)
    )
    assert {"external_id", "text", "land", "label"} <= offered
    assert not {"labeled_by", "labeled_at", "origin"} & offered
    go(client)
    assert set(project.items.first().data) == {"text", "land"}
    assert list(project.items.filter(suggestion=0).values_list("external_id", "label")) == [("item-9", None)]
    page = send(client, "\r\n".join(rows).replace("person", "a web site").encode(), "b.csv").content.decode()
    assert 'name="leave_out" value="origin"' in page
