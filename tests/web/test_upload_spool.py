"""Test that a form's file is stored only if the upload is allowed, before any view runs."""

import errno
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.files import temp
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from factories import make_project
from knox.models import AuthToken
from pages import errors_of, manager

from labeling.models import ItemImport, User

pytestmark = pytest.mark.django_db
PAGE, API = "/p/digits/import/", "/api/v1/projects/digits/items/"
LARGE = 3 << 20  # more than is held in memory


@pytest.fixture(autouse=True)
def spooled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of all spooled files."""
    made: list[str] = []
    make = temp.NamedTemporaryFile

    def note(*args: Any, **kwargs: Any) -> Any:
        file = make(*args, **kwargs)
        made.append(str(file.name))
        return file

    monkeypatch.setattr(temp, "NamedTemporaryFile", note)
    return made


def large(rows: int = 1) -> SimpleUploadedFile:
    return SimpleUploadedFile("a.csv", b"id,text\n" + b"x" * LARGE + b"\n1,one\n" * rows)


def as_body(token: str) -> Any:
    """Send a large file as the whole body of a request."""
    headers = {"authorization": f"Token {token}", "content-disposition": 'attachment; filename="b.csv"'}
    return Client().post(API, large().read(), content_type="application/octet-stream", headers=headers)


def test_a_large_file_is_spooled_beside_the_others_and_not_copied(spooled: list[str]) -> None:
    project = make_project()
    page = manager(project).post(PAGE, {"file": large()}, follow=True)
    assert page.status_code == 200
    assert [Path(name).parent for name in spooled] == [Path(django_settings.FILE_UPLOAD_TEMP_DIR)]
    assert not Path(spooled[0]).exists()
    assert Path(project.imports.get().path).stat().st_size > LARGE


def test_nothing_is_kept_of_one_that_says_it_is_too_large(settings: Any, spooled: list[str]) -> None:
    settings.MAX_UPLOAD_MB = 1
    project = make_project()
    page = manager(project).post(PAGE, {"file": large(), "strict": "on"})
    assert (page.status_code, errors_of(page)) == (400, {"file": "The upload is larger than 1 MB. Split it."})
    assert 'id="id_strict" checked' in page.content.decode(), "the rest of the form is kept"
    token = AuthToken.objects.create(user=User.objects.get())[1]
    answer = Client().post(API, {"file": large()}, headers={"authorization": f"Token {token}"})
    assert answer.status_code == 400
    assert answer.json()["fields"]["file"] == ["The upload is larger than 1 MB. Split it."]
    answer = as_body(token)
    assert (answer.status_code, answer.json()["fields"]) == (
        400,
        {"file": ["The upload is larger than 1 MB. Split it."]},
    )
    assert spooled == []


def test_a_token_may_send_a_large_file(spooled: list[str]) -> None:
    manager(make_project())
    token = AuthToken.objects.create(user=User.objects.get())[1]
    answer = Client().post(API, {"file": large()}, headers={"authorization": f"Token {token}"})
    assert answer.status_code == 202, answer.content
    assert len(spooled) == 1
    assert as_body(token).status_code == 202
    assert len(spooled) == 2


@pytest.mark.parametrize("path", [PAGE, API, "/login/"])
def test_nothing_is_kept_of_strangers(path: str, spooled: list[str]) -> None:
    make_project()
    for client in (Client(), Client(enforce_csrf_checks=True)):
        assert client.post(path, {"file": large(), "username": "x"}).status_code in (200, 302, 401, 403)
    assert spooled == []
    assert not ItemImport.objects.exists()


def test_a_full_disk_gives_one_line(monkeypatch: pytest.MonkeyPatch, spooled: list[str]) -> None:
    def full(self: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("django.core.files.uploadedfile.TemporaryUploadedFile.flush", full, raising=False)
    project = make_project()
    page = manager(project).post(PAGE, {"file": large()})
    assert page.status_code == 400
    assert "disk is full" in errors_of(page)["file"]
    answer = as_body(AuthToken.objects.create(user=User.objects.get())[1])
    assert answer.status_code == 400
    assert "disk is full" in answer.json()["fields"]["file"][0]
    assert [name for name in spooled if Path(name).exists()] == []
    assert not project.imports.exists()
