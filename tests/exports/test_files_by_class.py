"""Test the zip file of an export: the labeled files, in folders by split and class, under safe names."""

import io
import re
import shutil
import zipfile
from pathlib import Path, PureWindowsPath
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from factories import digit_png, make_member, make_project
from hypothesis import given
from hypothesis import strategies as st
from labeled import answer, archive_of, make_batch, make_items
from pages import member, signed_in

from labeling import kinds
from labeling.models import Item, Project, Role, User
from labeling.outgoing.exports import export
from labeling.outgoing.exports.files import MOST_BYTES, Names, safe_name
from labeling.outgoing.exports.splits import split_of
from labeling.outgoing.formats.shards import PIECE
from labeling.storage import media

pytestmark = pytest.mark.django_db

URL = "/api/v1/projects/digits/export/?format=zip"
FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f]')


def labeled(values: list[Any], sources: list[str], *, classes: list[str] | None = None, **fields: Any) -> Project:
    """Create a project of images with these labels, imported from these places of a folder."""
    project = make_project(kind="image", classes=classes or ["cat", "dog"], **fields)
    items = make_items(project, len(values))
    for item, source in zip(items, sources, strict=True):
        Item.objects.filter(pk=item.pk).update(source=source)
    answer(make_batch(project, items), make_member(project, "ann"), values)
    return project


def exported(project: Project, **filters: str) -> zipfile.ZipFile:
    return archive_of(project, "zip", **filters)


def within(archive: zipfile.ZipFile) -> list[str]:
    """Return the names without their splits."""
    return [name.partition("/")[2] for name in archive.namelist()]


def test_each_file_is_in_the_folder_of_its_class_under_its_own_name() -> None:
    project = labeled([0, 1, 0], ["in/001.png", "in/zwölf 猫.png", "row 3"])
    archive = exported(project)
    assert within(archive) == ["cat/001.png", "dog/zwölf 猫.png", "cat/item-0002.png"]
    splits = [name.partition("/")[0] for name in archive.namelist()]
    assert splits == [split_of(f"item-{number:04}") for number in range(3)]
    for number, name in enumerate(archive.namelist()):
        assert archive.read(name) == digit_png(number)
    assert b"".join(export(project, "zip")) == b"".join(export(project, "zip"))


def test_skipped_excluded_and_unlabeled_items_are_left_out() -> None:
    project = labeled([0, "skip", 1], ["a.png", "b.png", "c.png"])
    Item.objects.filter(source="c.png").update(excluded_at="2026-01-01T00:00Z")
    make_items(project, 1)
    assert within(exported(project)) == ["cat/a.png"]
    assert within(exported(project, skipped="yes", excluded="yes")) == ["cat/a.png", "dog/c.png"]


def test_equal_names_get_the_items_id_also_where_capitals_do_not_count() -> None:
    project = labeled([0, 0, 0, 1], ["x/a.png", "y/a.png", "z/A.PNG", "w/a.png"])
    ids = list(project.items.order_by("pk").values_list("pk", flat=True))
    names = Names(project.asks, ["cat", "dog"], kinds.of(project))
    shared = {"external_id": "same", "split": split_of("same"), "media": "x.png"}
    sources, labels = ["x/a.png", "y/a.png", "z/A.PNG", "w/a.png"], ["cat", "cat", "cat", "dog"]
    rows = [
        {**shared, "item": pk, "source": source, "label": label}
        for pk, source, label in zip(ids, sources, labels, strict=True)
    ]
    split = split_of("same")
    assert [name for row in rows for name in names.of(row)] == [
        f"{split}/cat/a.png", f"{split}/cat/a-{ids[1]}.png", f"{split}/cat/A-{ids[2]}.png", f"{split}/dog/a.png",
    ]  # fmt: skip
    assert len(set(exported(project).namelist())) == 4


def test_classes_that_need_the_same_folder_get_different_ones() -> None:
    names = ["cat", "CAT", "a/b", "a:b", "..", "../..", "con", "NUL.txt", " dog. "]
    project = labeled(list(range(9)), [f"{number}.png" for number in range(9)], classes=names)
    folders = [name.split("/")[1] for name in exported(project).namelist()]
    assert folders == ["cat", "CAT-2", "a_b", "a_b-2", "_", "_-2", "_con", "_NUL.txt", "dog"]


HOSTILE = [
    "../../etc/passwd.png",
    "/etc/x.png",
    "C:\\x\\y.png",
    "a/CON.png",
    "a/aux.PNG",
    "a/..png",
    "a/\u202egnp.png",
    "a/ .png",
]


def test_hostile_names_stay_in_their_folder(tmp_path: Path) -> None:
    archive = exported(labeled([0] * len(HOSTILE), HOSTILE))
    archive.extractall(tmp_path)
    for number, name in enumerate(archive.namelist()):
        split, folder, file = name.split("/")
        assert (split in ("train", "validation", "test"), folder) == (True, "cat")
        assert not FORBIDDEN.search(file)
        assert file not in ("", ".", "..")
        assert not PureWindowsPath(file).is_reserved()
        assert (tmp_path / split / "cat" / file).read_bytes() == digit_png(number)


@given(text=st.text(max_size=300))
def test_any_text_becomes_a_safe_name(text: str) -> None:
    name = safe_name(text)
    assert 0 < len(name.encode()) <= MOST_BYTES + 1
    assert not FORBIDDEN.search(name)
    assert name == name.strip(" .")
    assert not PureWindowsPath(name).is_reserved()
    assert safe_name(name) in (name, f"_{name}")


@pytest.mark.parametrize(
    ("question", "values", "files"),
    [
        ("multi", [[0, 1], []], ["cat/a.png", "dog/a.png"]),
        ("verify", [True, False], ["cat/a.png", "not cat/b.png"]),
    ],
)
def test_folders_of_the_other_questions(question: str, values: list[Any], files: list[str]) -> None:
    project = labeled(values, ["a.png", "b.png"], question=question)
    Item.objects.update(proposed=0)
    assert within(exported(project)) == files


def test_the_items_of_a_group_are_in_one_split() -> None:
    project = labeled([0] * 6, [f"{number}.png" for number in range(6)])
    for item in project.items.all():
        item.data = {"group": f"patient {item.pk % 2}"}
        item.save()
    splits = {name.rpartition("/")[2]: name.partition("/")[0] for name in exported(project).namelist()}
    for item in project.items.all():
        assert splits[item.source] == split_of(item.data["group"])


def test_no_more_than_a_piece_is_in_memory(settings: Any) -> None:
    project = labeled([0, 1], ["a.png", "b.png"])
    large = bytes(3 * PIECE + 7)
    name = media.file_name(project.pk, "images", large, ".png")
    media.write_content(name, large)
    Item.objects.filter(source="a.png").update(media=name)
    chunks = export(project, "zip")
    sizes = [len(chunk) for chunk in chunks]
    assert max(sizes) <= PIECE + 1000
    assert sum(sizes) > len(large)


def test_a_missing_file_ends_the_stream_before_the_archive_is_whole() -> None:
    project = labeled([0, 1], ["a.png", "b.png"])
    media.path_of(Item.objects.get(source="b.png").media).unlink()
    for form in ("zip", "huggingface"):
        chunks: list[bytes] = []
        with pytest.raises(FileNotFoundError):
            chunks.extend(export(project, form))
        with pytest.raises(zipfile.BadZipFile):
            zipfile.ZipFile(io.BytesIO(b"".join(chunks)))


def test_files_come_from_an_object_store(settings: Any, tmp_path: Path, data_dir: Path) -> None:
    settings.OBJECT_STORE = f"file://{tmp_path}/store"
    project = labeled([0, 1], ["a.png", "b.png"])
    media.flush()
    shutil.rmtree(data_dir / "media")
    archive = exported(project)
    assert within(archive) == ["cat/a.png", "dog/b.png"]
    assert archive.read(archive.namelist()[1]) == digit_png(1)


def test_api_page_and_command_offer_it_for_files_alone(tmp_path: Path) -> None:
    project = labeled([0], ["a.png"])
    client = member(project, Role.ENGINEER)
    response = client.get(URL)
    assert response["Content-Type"] == "application/zip"
    assert response["Content-Disposition"] == 'attachment; filename="digits-labels.zip"'
    assert within(zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content)))) == ["cat/a.png"]  # type: ignore[attr-defined]
    page = client.get("/p/digits/export/").content.decode()
    assert all(f"Download {form}" in page for form in ("files by class", "Hugging Face dataset"))
    path = tmp_path / "labels.zip"
    call_command("export_labels", "digits", "--output", str(path))
    assert within(zipfile.ZipFile(path)) == ["cat/a.png"]
    texts = make_project("texts")
    client = member(texts, Role.ENGINEER, "enzo")
    refused = client.get(URL.replace("digits", "texts"))
    assert (refused.status_code, "There is no format 'zip'" in refused.json()["detail"]) == (400, True)
    assert "files by class" not in client.get("/p/texts/export/").content.decode()
    with pytest.raises(CommandError, match="zip holds files, and the items of texts are none"):
        call_command("export_labels", "texts", "--output", str(path))
    assert within(zipfile.ZipFile(path)) == ["cat/a.png"]
    for role in (Role.ANNOTATOR, Role.REVIEWER):
        assert member(project, role).get(URL).status_code == 403
    assert signed_in(User.objects.create(username="stranger")).get(URL).status_code == 404
    assert Client().get(URL).status_code == 401
