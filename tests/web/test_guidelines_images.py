"""Test images in guidelines: managers upload them, members see them, and versions keep them."""

import io
import json
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from factories import digit_png, make_guidelines_image, make_member, make_project, make_user
from pages import errors_of, manager, member, signed_in, text_of
from PIL import Image

from labeling.models import GuidelinesImage, Project, Role
from labeling.projects import quota
from labeling.projects.classes import guidelines, guidelines_images
from labeling.projects.duplicating import duplicate
from labeling.storage import media
from labeling.web.shared.markdown import guidelines_html

pytestmark = pytest.mark.django_db

PAGE = "/p/digits/guidelines/images/"
API = "/api/v1/projects/digits/guidelines/images/"


def file(content: bytes | None = None, name: str = "Barn owl, 1.PNG") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, digit_png(0) if content is None else content)


@pytest.fixture
def project() -> Project:
    return make_project()


def test_an_uploaded_image_is_stored_counted_and_shown_where_the_text_names_it(project: Project) -> None:
    client = manager(project)
    page = client.post(PAGE, {"file": file(), "alt_text": " A barn  owl "}, follow=True)
    assert "barn-owl-1.png is stored. Write ![](barn-owl-1.png)" in text_of(page)
    image = GuidelinesImage.objects.get()
    assert (image.alt_text, image.user.username) == ("A barn owl", "mona")
    assert media.path_of(image.media).read_bytes() == digit_png(0)
    assert quota.use_of(project).media == image.bytes == len(digit_png(0))
    guidelines.save(project=project, user=None, text="![](barn-owl-1.png)\n\n![Its face](barn-owl-1.png)")
    for path in ("/p/digits/review/", "/p/digits/label/"):
        shown = client.get(path).content.decode()
        address = f"{API}barn-owl-1.png/?v={image.pk}"
        assert f'<img src="{address}" alt="A barn owl" loading="lazy"></a>' in shown
        assert f'<img src="{address}" alt="Its face" loading="lazy"></a>' in shown
    assert "<img" in json.loads(client.get("/p/digits/label/guidelines/?since=0").content)["html"]
    preview = client.post("/new/preview/?project=digits", {"guidelines": "![](barn-owl-1.png)"})
    assert address in preview.content.decode()
    assert address not in client.post("/new/preview/", {"guidelines": "![](barn-owl-1.png)"}).content.decode()


def test_it_is_served_as_media_are_and_to_members_alone(project: Project) -> None:
    make_guidelines_image(project, "owl.png")
    answer = member(project, Role.ANNOTATOR).get(f"{API}owl.png/")
    assert b"".join(answer.streaming_content) == digit_png(0)  # type: ignore[attr-defined]
    assert answer["Content-Type"] == "image/png"
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "private" in answer["Cache-Control"]
    assert signed_in(make_user("stranger")).get(f"{API}owl.png/").status_code == 404
    assert Client().get(f"{API}owl.png/").status_code == 401
    assert signed_in(make_user("other")).post("/new/preview/?project=digits").status_code == 404


def _tiff() -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (4, 4)).save(buffer, "TIFF")
    return buffer.getvalue()


def test_a_tiff_is_stored_as_what_browsers_show_and_names_are_told_apart(project: Project) -> None:
    client = manager(project)
    names = []
    for content, name in ((_tiff(), "a/../Совы.tif"), (None, "image.png"), (None, "image.png"), (None, '"><b>.jpg')):
        reply = client.post(API, {"file": file(content, name), "alt_text": "An owl"})
        assert reply.status_code == 201
        names.append(reply.json()["name"])
    assert names == ["image.png", "image-2.png", "image-3.png", "b.png"]
    assert {each["name"] for each in client.get(API).json()} == set(names)


def test_other_files_are_refused_in_a_line(project: Project) -> None:
    client = manager(project)
    for content, problem in (
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "is an SVG drawing, which may carry scripts: convert it to PNG"),
        (b"<html><script>alert(1)</script>", "is a web page or XML, not an image"),
        (digit_png(0)[:60], "is damaged or cut short"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "damaged"),
        (b"x" * (guidelines_images.MOST_BYTES + 1), "is larger than 5 MiB"),
    ):
        page = client.post(PAGE, {"file": file(content), "alt_text": "An owl"})
        assert (page.status_code, problem in errors_of(page)["file"]) == (400, True), problem
        reply = client.post(API, {"file": file(content), "alt_text": "An owl"})
        assert (reply.status_code, problem in reply.json()["fields"]["file"][0]) == (400, True), problem
    assert not GuidelinesImage.objects.exists()
    assert not media.path_of(f"{project.pk}/guidelines").exists()


def test_what_it_shows_has_to_be_told(project: Project) -> None:
    client = manager(project)
    for alt_text in ("", "  ", "owl\u202e", "x" * 301, "a\x00"):
        page = client.post(PAGE, {"file": file(), "alt_text": alt_text})
        assert page.status_code == 400, alt_text
        assert errors_of(page)["alt_text"]
        assert "alt_text" in client.post(API, {"file": file(), "alt_text": alt_text}).json()["fields"]
    assert not GuidelinesImage.objects.exists()


def test_nothing_is_stored_without_room_or_beyond_the_number(project: Project, monkeypatch: Any) -> None:
    client = manager(project)
    monkeypatch.setattr(guidelines_images, "MOST_IMAGES", 1)
    make_guidelines_image(project, "owl.png")
    reply = client.post(API, {"file": file(), "alt_text": "An owl"})
    assert "There are 1 images already" in reply.json()["fields"]["file"][0]
    quota.count(project, media=quota.use_of(project).limit)
    assert "no room" in client.post(API, {"file": file(), "alt_text": "An owl"}).json()["fields"]["file"][0]
    assert len(list(media.path_of(f"{project.pk}/guidelines").iterdir())) == 1


def test_an_image_that_any_version_names_stays(project: Project) -> None:
    client = manager(project)
    kept, other = make_guidelines_image(project, "kept.png"), make_guidelines_image(project, "other.png")
    quota.count(project, media=kept.bytes + other.bytes)
    guidelines.save(project=project, user=None, text="![](kept.png)")
    guidelines.save(project=project, user=None, text="None.")
    assert client.delete(f"{API}kept.png/").status_code == 409
    page = client.post(f"{PAGE}kept.png/remove/", follow=True)
    assert "so it cannot be removed" in text_of(page)
    assert "Used in an earlier version" in text_of(page)
    assert "other.png is removed" in text_of(client.post(f"{PAGE}other.png/remove/", follow=True))
    assert [each.name for each in project.guidelines_images.all()] == ["kept.png"]
    assert not media.path_of(other.media).exists()
    assert quota.use_of(project).media == kept.bytes
    assert client.delete(f"{API}other.png/").status_code == 404


def test_a_copy_has_the_images_of_its_guidelines_whatever_becomes_of_the_original(project: Project) -> None:
    image = make_guidelines_image(project, "owl.png", "An owl")
    make_guidelines_image(project, "old.png")
    guidelines.save(project=project, user=None, text="![](owl.png)")
    project.refresh_from_db()
    copy = duplicate(project=project, user=make_member(project, "mona", Role.MANAGER), slug="again", name="Again")
    media.path_of(image.media).unlink()
    copied = copy.guidelines_images.get()
    assert (copied.name, copied.alt_text) == ("owl.png", "An owl")
    assert media.path_of(copied.media).read_bytes() == digit_png(0)
    assert quota.use_of(copy).media == copied.bytes
    assert "/projects/again/guidelines/images/owl.png/" in guidelines_html(copy, copy.guidelines)


def test_names_reach_nothing_but_the_projects_own_images(project: Project) -> None:
    make_guidelines_image(project, "owl.png", 'An "owl" <b>')
    make_guidelines_image(make_project("theirs"), "secret.png")
    shown = guidelines_html(
        project, "![](secret.png) ![](../owl.png) ![](owl.png?x) [it](owl.png) [![](owl.png)](https://example.org)"
    )
    assert "![](secret.png) ![](../owl.png) ![](owl.png?x)" in shown
    assert shown.count("<img") == 1
    assert shown.count("<a ") == shown.count("</a>") == 2
    assert 'alt="An &quot;owl&quot; &lt;b&gt;"' in shown


def test_a_text_that_shows_a_missing_image_is_refused(project: Project) -> None:
    texts = ["![](stop.png)", "[![A sign](stop.png)](https://example.org)", "![A sign][1]\n\n[1]: stop.png"]
    for shown in texts:
        page = manager(project).post("/p/digits/settings/guidelines/", {"guidelines": shown})
        assert page.status_code == 400
        assert errors_of(page)["guidelines"] == "The project has no image called stop.png. Upload it first."
        with pytest.raises(ValidationError):
            guidelines.save(project=project, user=None, text=shown)
    make_guidelines_image(project, "stop.png")
    for number, shown in enumerate(texts, start=1):
        assert guidelines.save(project=project, user=None, text=shown) == number


def test_images_elsewhere_and_images_in_code_are_not_looked_for(project: Project) -> None:
    text = "![](https://example.org/owl.png), `![](owl.png)`\n\n    ![](owl.png)"
    assert guidelines.save(project=project, user=None, text=text) == 1
