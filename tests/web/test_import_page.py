"""Test the import page: the form imports a file, and the page shows the result."""

import io
import zipfile
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from factories import digit_png, make_project
from pages import errors_of, manager, text_of

from labeling.intake import uploads
from labeling.intake.uploads import register
from labeling.models import ItemImport, Job, Project

pytestmark = pytest.mark.django_db


def address(project: Project) -> str:
    return reverse("project-import", args=[project.slug])


def csv_file(*lines: str, name: str = "texts.csv") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, "\n".join(lines).encode(), "text/csv")


def upload(project: Project, **data: Any) -> Any:
    return manager(project).post(address(project), data, follow=True)


def test_a_small_file_is_taken_in_at_once() -> None:
    project = make_project()
    page = upload(project, file=csv_file("id,text", "a,hello", "b,world"))
    assert page.redirect_chain == [(address(project), 302)]
    assert "2 items imported from texts.csv." in text_of(page)
    assert "On the way into the pool: waiting for the encoder" in text_of(page)
    assert set(project.items.values_list("external_id", flat=True)) == {"a", "b"}
    assert project.imports.get().created_by.username == "mona"


def test_a_zip_of_images() -> None:
    project = make_project(kind="image")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(3):
            archive.writestr(f"digits/{number}.png", digit_png(number))
    page = upload(project, file=SimpleUploadedFile("digits.zip", buffer.getvalue(), "application/zip"))
    assert "3 items imported from digits.zip." in text_of(page)


def test_a_large_file_that_the_project_cannot_take_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is refused in the request, and not accepted first and refused by the worker."""
    monkeypatch.setattr(uploads, "AT_ONCE_BYTES", 0)
    project = make_project()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "hello")
    page = upload(project, file=SimpleUploadedFile("texts.zip", buffer.getvalue(), "application/zip"))
    reason = "texts.zip: a zip for a project of kind text must hold one table alone, or shards of an export"
    assert errors_of(page) == {"file": reason}
    assert "Importing in the background" not in text_of(page)
    assert not ItemImport.objects.exists()
    assert list(uploads.folder().iterdir()) == []


def test_bad_rows_are_set_aside_and_can_be_downloaded() -> None:
    project = make_project()
    page = upload(project, file=csv_file("id,text", "a,hello", "a,again", "b,"))
    assert "1 item imported from texts.csv. 2 rows rejected" in text_of(page)
    pk = project.imports.get().pk
    detail = reverse("project-import-detail", args=[project.slug, pk])
    assert f'2 rows rejected: <a href="{detail}">see the list</a>.' in page.content.decode()
    listed = manager(project).get(detail)
    assert "This id occurs twice in the file." in text_of(listed)
    assert f'href="{reverse("api:rejected-rows", args=[project.slug, pk])}"' in listed.content.decode()


def test_strict_takes_all_or_nothing() -> None:
    project = make_project()
    page = upload(project, file=csv_file("id,text", "a,hello", "b,"), strict="on")
    assert page.status_code == 400
    assert "Nothing was imported: 1 bad row" in errors_of(page)["file"]
    assert 'name="strict" aria-describedby="id_strict_helptext" id="id_strict" checked' in page.content.decode()
    assert not project.items.exists()
    assert project.imports.get().state == ItemImport.State.REFUSED


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({}, "Choose a file."),
        ({"file": "a.csv"}, "Choose a file."),
        ({"file": SimpleUploadedFile("a.csv", b"")}, "empty"),
        ({"file": SimpleUploadedFile("a.xlsx", b"PK\x03\x04")}, "save it as CSV"),
        ({"file": SimpleUploadedFile("a.csv", b"id,id\n1,hello\n")}, "two columns are called"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_beside_the_field(data: dict[str, Any], says: str) -> None:
    project = make_project()
    page = upload(project, **data)
    assert page.status_code == 400
    assert says in errors_of(page)["file"]
    assert not project.items.exists()


def test_a_file_that_is_too_large_is_refused(settings: Any) -> None:
    settings.MAX_UPLOAD_MB = 0
    project = make_project()
    page = upload(project, file=csv_file("id,text", "a,hello"))
    assert "larger than 0 MB" in errors_of(page)["file"]
    assert not project.imports.exists()


def test_a_large_file_is_left_to_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "AT_ONCE_BYTES", 0)
    project = make_project()
    page = upload(project, file=csv_file("id,text", "a,hello"))
    assert "Importing in the background" in text_of(page)
    assert "waiting for its turn" in text_of(page)
    assert project.jobs.get().state == Job.State.WAITING


@pytest.mark.parametrize(
    ("state", "share", "says"),
    [
        ("running", 0.5, '<progress max="1" value="0.5"'),
        ("waiting", 0.0, '<progress max="1" aria-label'),
        ("failed", 0.0, "The worker died"),
        ("refused", 0.0, "is no CSV"),
    ],
)
def test_each_state_is_shown(state: str, share: float, says: str, tmp_path: Any) -> None:
    project = make_project()
    job = register(project=project, user=None, path=tmp_path / "a.csv", name="a.csv", strict=False)
    Job.objects.filter(pk=job.pk).update(share=share, state=state if state == "running" else "waiting")
    reason = {"failed": "The worker died", "refused": "a.csv is no CSV"}.get(state, "")
    project.imports.update(state=state, reason=reason)
    page = manager(project).get(address(project)).content.decode()
    assert f'<span class="badge {state}">{state}</span>' in page
    assert says in page
    assert ("step-text" in page) == (state in ("running", "waiting"))
    steps = manager(project).get(f"{address(project)}progress/").json()["steps"]
    assert [step["share"] for step in steps] == ([share] if state in ("running", "waiting") else [])


def test_before_the_first_import_it_says_what_can_be_imported() -> None:
    for kind, word in (
        ("image", "A folder of images, or a zip file of one"),
        ("text", "holds the text"),
        ("vector", ".npy"),
    ):
        page = text_of(manager(make_project(kind, kind=kind)).get(f"/p/{kind}/import/"))
        assert "Nothing has been imported yet." in page
        assert word in page


def test_when_items_are_in_the_pool_it_says_what_comes_next() -> None:
    project = make_project()
    upload(project, file=csv_file("id,text", "a,hello"))
    project.items.update(row=0)
    Project.objects.update(encoded_rows=1)
    page = manager(project).get(address(project)).content.decode()
    assert "1 item in the pool" in page
    assert "data-unfinished" not in page
    assert reverse("project-members", args=[project.slug]) in page
