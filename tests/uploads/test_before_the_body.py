"""Test over real HTTP that abilities and CSRF are checked before any byte of a file is stored."""

import io
import urllib.request
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings
from factories import digit_png, make_member, make_project, make_user
from PIL import Image
from processes import ON_LINUX, wait_until, web
from sending import API, CSRF, LARGE, PAGE, PREDICT, SENT_FIRST, Request, Sender, by_token, form, stored

from labeling.models import Item, ItemImport, Project, RejectedRow, Role, Upload, User

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, django_db_setup: None) -> Iterator[tuple[int, Path]]:
    """Run one web server for all tests; return it with its data folder."""
    folder = tmp_path_factory.mktemp("data")
    with override_settings(DATA_DIR=folder), web() as (_, port):
        yield port, folder


@pytest.fixture
def port(server: tuple[int, Path], settings: Any) -> int:
    port, settings.DATA_DIR = server
    for path in stored():
        path.unlink()
    return port


@pytest.fixture
def project() -> Project:
    return make_project()


def people(project: Project) -> dict[str, User]:
    return {
        "mona": make_member(project, "mona", Role.MANAGER),
        "annie": make_member(project, "annie"),
        "stranger": make_user("stranger"),
    }


def refused(who: dict[str, User]) -> list[tuple[str, Request, int]]:
    """Send a forbidden upload; return the response while most of the body is still to come."""
    other_site = {"Origin": "https://evil.example"}
    return [
        ("a stranger's form", form(PAGE, who["stranger"], token=CSRF), 404),
        ("a form for a project that is none", form(PAGE.replace("digits", "none"), who["mona"], token=CSRF), 404),
        ("an annotator's form", form(PAGE, who["annie"], token=CSRF), 403),
        ("an annotator's file to predict", form(PREDICT, who["annie"], token=CSRF), 403),
        ("a form of nobody", form(PAGE, None, token=CSRF), 302),
        ("a form without its token", form(PAGE, who["mona"]), 403),
        ("a form with another token", form(PAGE, who["mona"], token="b" * 32), 403),
        ("a form whose token comes late", form(PAGE, who["mona"], late=CSRF), 403),
        ("a form of another site", form(PAGE, who["mona"], token=CSRF, **other_site), 403),
        ("a file to predict without a token", form(PREDICT, who["mona"]), 403),
        ("the API by a session alone", form(API, who["mona"]), 403),
        ("the API by a session and a form's token", form(API, who["mona"], token=CSRF), 403),
        ("the API by a session of another site", form(API, who["mona"], X_CSRFToken=CSRF, **other_site), 403),
        ("the API by an annotator's session", form(API, who["annie"], X_CSRFToken=CSRF), 403),
        ("the API by a stranger's token", by_token(who["stranger"]), 404),
        ("the API by an annotator's token", by_token(who["annie"]), 403),
    ]


def test_nothing_is_stored_of_whom_it_is_not_taken_from(port: int, project: Project) -> None:
    for name, request, status in refused(people(project)):
        sender = Sender(port, request, LARGE)
        sender.send(SENT_FIRST)
        assert sender.status() == status, name  # with most of the file still to come
        assert stored() == [], name
        sender.socket.close()
    assert not Upload.objects.exists()
    assert not ItemImport.objects.exists()


@pytest.mark.parametrize("path", ["/account/", "/login/", "/new/", "/p/digits/settings/", "/p/digits/", "/nowhere/"])
def test_addresses_that_take_no_files_store_none(port: int, project: Project, path: str) -> None:
    sender = Sender(port, form(path, people(project)["mona"], token=CSRF), SENT_FIRST)
    sender.send(SENT_FIRST // 2)
    assert stored() == []
    sender.finish()
    assert sender.status() in (200, 302, 400, 404, 405)
    assert stored() == []


@pytest.mark.parametrize("way", ["form", "form by script", "session", "token"])
def test_who_may_is_served(port: int, project: Project, way: str) -> None:
    mona = people(project)["mona"]
    request = {
        "form": form(PAGE, mona, token=CSRF),
        "form by script": form(PAGE, mona, X_CSRFToken=CSRF, Origin=f"http://127.0.0.1:{port}"),
        "session": form(API, mona, X_CSRFToken=CSRF),
        "token": by_token(mona),
    }[way]
    sender = Sender(port, request, SENT_FIRST)
    sender.send(SENT_FIRST - 100)
    wait_until(lambda: len(stored()) == 1)
    assert SENT_FIRST <= Upload.objects.get().bytes < SENT_FIRST + 1000, "it counts while it arrives"
    sender.finish()
    assert sender.status() in (202, 302)
    file = Path(ItemImport.objects.get().path)
    wait_until(lambda: stored() == [file])
    assert Upload.objects.get().path == str(file)
    assert Upload.objects.get().bytes == file.stat().st_size


def test_nothing_stays_of_a_client_that_goes_away(port: int, project: Project) -> None:
    sender = Sender(port, form(PAGE, people(project)["mona"], token=CSRF), LARGE)
    sender.send(SENT_FIRST)
    wait_until(lambda: len(stored()) == 1)
    sender.socket.close()
    wait_until(lambda: not stored() and not Upload.objects.exists())
    assert not ItemImport.objects.exists()


def zipped(name: str, content: bytes) -> bytes:
    """Return a zip of the file and a valid one."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{name}.tif", content)
        archive.writestr(f"{name}.png", digit_png(1))
    return buffer.getvalue()


@cache
def tiff(size: tuple[int, int]) -> bytes:
    """Return a TIFF of equal floating-point greys."""
    buffer = io.BytesIO()
    options = {"compression": "tiff_adobe_deflate", "tiffinfo": {278: size[1]}}  # in one strip
    Image.new("F", size).save(buffer, "TIFF", **options)
    return buffer.getvalue()


def peak_below(pid: int) -> float:
    """Return the peak memory in megabytes of this server's web processes."""
    peaks = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        status = Path(f"/proc/{child}/status").read_text()
        peaks.append(int(status.split("VmHWM:")[1].split()[0]) / 1024)
    return max(peaks)


@pytest.mark.long
@ON_LINUX
def test_four_images_of_fifty_million_pixels_at_once_leave_the_web_process_small(project: Project) -> None:
    Project.objects.update(kind="image")
    headers = by_token(people(project)["mona"]).headers
    sizes = {"a": (10_000, 5000), "b": (5000, 3000), "c": (10_000, 5000), "d": (5000, 3000)}
    bombs = {name: zipped(name, tiff(size)) for name, size in sizes.items()}
    assert max(map(len, bombs.values())) < 10_000

    def send(name: str) -> int:
        named = {**headers, "Content-Disposition": f'attachment; filename="{name}.zip"'}
        request = urllib.request.Request(f"http://127.0.0.1:{port}{API}", bombs[name], named)
        request.add_header("Content-Type", "application/octet-stream")
        with urllib.request.urlopen(request, timeout=120) as response:
            return int(response.status)

    with web() as (master, port):
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(send, bombs))
        peak = peak_below(master.pid)
    assert answers == [201] * 4
    assert peak < 250, f"the web process took {peak:.0f} MB"
    reasons = dict(RejectedRow.objects.values_list("where", "reason"))
    assert reasons.keys() == {"a.tif", "c.tif"}
    assert all(reason.startswith("The image takes 200 MB when it is decoded") for reason in reasons.values())
    assert Item.objects.count() == 6
