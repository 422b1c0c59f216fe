"""Test the smaller pictures of large images, which the import makes and which are stored, copied and removed with the
image.
"""

import datetime
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import call_command
from django.utils import timezone
from factories import make_items, make_member, make_open_batch, make_project
from import_files import IMAGE, open_image, picture, write_zip
from pages import signed_in
from PIL import Image
from processes import ON_LINUX

from labeling.kinds import BadFile, OpenedFile, raster
from labeling.kinds.image import Image as ImageKind
from labeling.loop.step import Step
from labeling.models import Batch, Item, Job, Project, ProjectStorage, Role
from labeling.projects import quota
from labeling.projects.duplicating import duplicate
from labeling.projects.erasing_items import erase_items
from labeling.steps.registry import run_step
from labeling.storage import media

LARGE = (2400, 1200)


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def opened(data: bytes, **limits: int) -> OpenedFile:
    result = next(IMAGE.open([data], smaller=True, **limits))
    assert not isinstance(result, BadFile), result
    return result


def shown(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    assert image.format == "WEBP"
    return image


def halves(mode: str, left: Any, right: Any, size: tuple[int, int] = LARGE) -> Image.Image:
    if mode == "I;16":  # Pillow pastes no such numbers
        row = np.repeat(np.array([left, right], np.uint16), size[0] // 2)
        return Image.fromarray(np.tile(row, (size[1], 1)))
    image = Image.new(mode, size, right)
    image.paste(left, (0, 0, size[0] // 2, size[1]))
    return image


def is_near(image: Image.Image, at: tuple[int, int], colour: tuple[int, ...]) -> bool:
    pixel = np.asarray(image.convert("RGBA" if len(colour) == 4 else "RGB"))[at[1], at[0]]
    return bool(np.abs(pixel.astype(int) - colour).max() <= 6)


@pytest.mark.parametrize(
    ("form", "mode", "left", "right", "seen"),
    [
        ("JPEG", "RGB", (200, 40, 40), (20, 30, 220), [(200, 40, 40), (20, 30, 220)]),
        ("JPEG", "CMYK", (0, 255, 255, 0), (0, 0, 0, 255), [(255, 0, 0), (0, 0, 0)]),
        ("PNG", "RGBA", (0, 200, 0, 255), (0, 0, 0, 0), [(0, 200, 0, 255), (0, 0, 0, 0)]),
        ("PNG", "LA", (90, 255), (90, 0), [(90, 90, 90, 255), (0, 0, 0, 0)]),
        ("PNG", "I;16", 51_200, 25_600, [(200, 200, 200), (100, 100, 100)]),
        ("PNG", "1", 1, 0, [(255, 255, 255), (0, 0, 0)]),
        ("GIF", "P", 1, 0, None),
        ("WEBP", "RGBA", (0, 0, 200, 255), (0, 0, 0, 0), [(0, 0, 200, 255), (0, 0, 0, 0)]),
        ("TIFF", "CMYK", (0, 255, 255, 0), (0, 0, 0, 255), [(255, 0, 0), (0, 0, 0)]),
        ("TIFF", "F", 2.5, -1.0, [(255, 255, 255), (0, 0, 0)]),
    ],
)
def test_they_look_as_the_image_does(form: str, mode: str, left: Any, right: Any, seen: Any) -> None:
    result = opened(encoded(halves(mode, left, right), form))
    preview, thumbnail = shown(result.preview), shown(result.thumbnail)
    assert (preview.size, thumbnail.size) == ((1600, 800), (320, 160))
    for image in (preview, thumbnail):
        places = [(image.width // 4, image.height // 2), (image.width * 3 // 4, image.height // 2)]
        assert not seen or all(is_near(image, at, colour) for at, colour in zip(places, seen, strict=True))


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_they_stand_upright_and_tell_nothing_of_where_a_photograph_was_taken(form: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # its top is at the right
    exif[0x010F] = "A camera"
    result = opened(encoded(halves("RGB", (250, 250, 250), (9, 9, 9)), form, exif=exif))
    for data in (result.preview, result.thumbnail):
        image = shown(data)
        assert image.height == 2 * image.width
        assert is_near(image, (image.width // 2, image.height // 4), (250, 250, 250))
        assert not image.getexif()


def test_colours_keep_their_profile_of_an_animation_only_the_thumbnail_stands_still_and_small_images_have_none() -> (
    None
):
    profile = b"\0" * 36 + b"acsp" + bytes(100)
    result = opened(encoded(Image.new("RGB", LARGE), icc_profile=profile))
    assert shown(result.preview).info["icc_profile"] == shown(result.thumbnail).info["icc_profile"] == profile
    frames = [Image.new("L", LARGE, shade) for shade in (0, 99)]
    result = opened(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert not result.preview
    assert shown(result.thumbnail).size == (320, 160)
    assert opened(picture(size=(399, 300)))[2:] == (b"", b"")
    middle = opened(picture(size=(1999, 10)))
    assert not middle.preview
    assert shown(middle.thumbnail).size == (320, 2)
    assert open_image(encoded(frames[0]))[2:] == (b"", b""), "they were not asked for"


@pytest.mark.long
@ON_LINUX
def test_more_than_fifty_million_pixels_take_little_memory_as_jpeg_and_their_own_as_png() -> None:
    size, pixels = (10_000, 10_000), 100
    for form, most in (("JPEG", 150), ("PNG", 150 + pixels)):
        if ImageKind.opener._process:
            ImageKind.opener._end()
        result = opened(encoded(Image.new("L", size, 77), form))
        assert is_near(shown(result.preview), (800, 800), (77, 77, 77))
        assert ImageKind.opener._process
        status = Path(f"/proc/{ImageKind.opener._process.pid}/status").read_text()
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        assert int(peak.split()[1]) / 1024 < most


@pytest.mark.parametrize(
    ("form", "mode", "options", "reason"),
    [
        ("WEBP", "RGB", {}, "more than 2 million pixels: make it smaller, or save it as JPEG or PNG"),
        ("PNG", "RGBA", {}, "takes 12 MB when it is decoded, more than 8 MB: make it smaller"),
        ("PNG", "L", {}, ""),
        ("JPEG", "RGB", {}, ""),
        ("JPEG", "RGB", {"progressive": True}, "takes 12 MB when it is decoded, more than 8 MB: make it smaller"),
    ],
)
def test_what_takes_too_much_is_refused_by_its_header(
    form: str, mode: str, options: Any, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limits are lowered for this test."""
    monkeypatch.setattr(raster, "MOST_PIXELS", 2_000_000)
    monkeypatch.setattr(raster, "MOST_LEAN_BYTES", 8_000_000)
    image = encoded(Image.new(mode, (3300, 900)), form, **options)
    if reason:
        with pytest.raises(raster.Unfit, match=reason):
            raster.examine(image, 3_000_000)
    else:
        assert raster.examine(image, 3_000_000)
    with pytest.raises(raster.Unfit, match=r"more than 1 million pixels: make it smaller$"):
        raster.examine(image, 1_000_000)


# --- stored, counted, served, copied, removed


def imported(tmp_path: Path, files: dict[str, bytes], slug: str = "digits") -> Project:
    project = make_project(slug, kind="image")
    call_command("import_items", slug, str(write_zip(tmp_path / f"{slug}.zip", files)), stdout=io.StringIO())
    return project


def lying(project: Project) -> dict[str, int]:
    """Return the files in the project's folder of images, by the end of their names."""
    files = [path for path in media.path_of(f"{project.pk}/images").rglob("*") if path.is_file()]
    return {path.name.partition(".")[2]: path.stat().st_size for path in files}


LARGE_JPEG = encoded(halves("RGB", (200, 40, 40), (20, 30, 220)), "JPEG")
OTHER_JPEG = encoded(halves("RGB", (20, 240, 40), (20, 30, 220)), "JPEG")


@pytest.mark.django_db
def test_an_import_stores_and_counts_them_and_the_file_stays_as_it_came(tmp_path: Path) -> None:
    project = imported(tmp_path, {"a.jpg": LARGE_JPEG})
    sizes = lying(project)
    assert sizes.keys() == {"jpg", "preview.webp", "thumbnail.webp"}
    assert quota.use_of(project).media == sum(sizes.values())
    item = Item.objects.get()
    assert media.path_of(item.media).read_bytes() == LARGE_JPEG
    address = f"/api/v1/projects/digits/items/{item.pk}/media/"
    client = signed_in(make_member(project, "rita", Role.REVIEWER))
    for query, content_type, name in (
        ("", "image/jpeg", "jpg"),
        ("?size=original", "image/jpeg", "jpg"),
        ("?size=preview", "image/webp", "preview.webp"),
        ("?size=thumbnail", "image/webp", "thumbnail.webp"),
    ):
        answer = client.get(address + query)
        assert (answer["Content-Type"], len(b"".join(answer.streaming_content))) == (content_type, sizes[name])
        assert answer["Cache-Control"] == "private, max-age=86400, immutable"
        assert "sandbox" in answer["Content-Security-Policy"]
    assert client.get(f"{address}?size=huge").status_code == 400
    assert signed_in(make_member(make_project("other"), "bert")).get(f"{address}?size=preview").status_code == 404


@pytest.mark.django_db
def test_where_there_are_none_the_file_itself_comes() -> None:
    (item,) = make_items(make_project(kind="image"), 1)  # as from before there were any
    client = signed_in(make_member(item.project, "rita", Role.REVIEWER))
    for size in ("preview", "thumbnail"):
        answer = client.get(f"/api/v1/projects/digits/items/{item.pk}/media/?size={size}")
        assert b"".join(answer.streaming_content) == media.path_of(item.media).read_bytes()
        assert answer["Content-Type"] == "image/png"


@pytest.mark.django_db
def test_they_say_nothing_of_what_the_item_is_for_and_a_copy_of_the_project_has_them_too(tmp_path: Path) -> None:
    """The bytes and names of the pictures depend on the image alone, and not on truth, gold or control key."""
    rows = b"file_name,truth,gold\na.jpg,1,\nb.jpg,2,2\n"
    one = imported(tmp_path, {"a.jpg": LARGE_JPEG, "b.jpg": LARGE_JPEG, "metadata.csv": rows}, "one")
    two = imported(tmp_path, {"c.jpg": LARGE_JPEG}, "two")
    assert one.items.count() == 2
    assert one.items.values("media").distinct().count() == 1
    assert lying(one) == lying(two)
    copy = duplicate(project=two, user=make_member(two, "mona", "manager"), slug="b", name="B", items=True)
    for job in Job.objects.filter(project=copy, kind=Job.Kind.IMPORT):
        assert Job.objects.take(job, "here:1:a", timezone.now())
        run_step(Step(job, gives_way=False))
    assert lying(copy) == lying(two)
    assert quota.use_of(copy).media == quota.use_of(two).media


@pytest.mark.django_db
def test_they_are_removed_with_the_item_and_count_no_more(tmp_path: Path) -> None:
    project = imported(tmp_path, {"a.jpg": LARGE_JPEG, "b.png": picture(size=(1000, 700))})
    assert lying(project).keys() == {"jpg", "preview.webp", "thumbnail.webp", "png"}
    items = list(project.items.order_by("source"))
    Batch.objects.filter(pk=make_open_batch(project, items[1:]).pk).update(state=Batch.State.DONE)
    before = timezone.now() - datetime.timedelta(days=31)
    project.items.filter(pk=items[0].pk).update(excluded_at=before, deleted_at=before)
    assert erase_items(timezone.now()) == 1
    left = lying(project)
    assert left.keys() == {"png", "thumbnail.webp"}
    assert quota.use_of(project).media == sum(left.values())


@pytest.mark.django_db
def test_images_that_were_imported_before_get_theirs_by_a_command(tmp_path: Path) -> None:
    small = picture(size=(30, 20))
    project = imported(tmp_path, {"a.jpg": LARGE_JPEG, "b.png": small, "again.jpg": LARGE_JPEG, "gone.jpg": OTHER_JPEG})
    with_pictures = quota.use_of(project).media
    names = list(project.items.order_by("source").values_list("media", flat=True))
    for name in {*names}:
        for size in ("preview", "thumbnail"):
            media.path_of(media.smaller(name, size)).unlink(missing_ok=True)
    gone = project.items.get(source="gone.jpg")
    media.path_of(gone.media).unlink()
    without = {name: media.size_of(name) for name in names}
    ProjectStorage.objects.filter(pk=project.pk).update(media_bytes=sum(without[name] for name in names))
    assert lying(project).keys() == {"jpg", "png"}

    def told(slug: str) -> str:
        out = io.StringIO()
        call_command("make_previews", slug, stdout=out)
        return out.getvalue()

    assert told("digits").startswith("digits: 3 images, smaller pictures made of 1 (")
    assert ", 1 cannot be read." in told("digits")
    assert lying(project).keys() == {"jpg", "preview.webp", "thumbnail.webp", "png"}
    counted = {name: media.size_of(name) for name in names}
    assert quota.use_of(project).media == sum(counted[name] for name in names)
    assert with_pictures > sum(without[name] for name in names)
    make_project("texts", kind="text")
    assert told("texts") == "texts: its items are no images.\n"


def test_large_files_are_read_when_they_are_asked_for_and_travel_as_bytes() -> None:
    content = bytes(media.HELD_BYTES + 1)
    name = media.file_name(0, "images", content, ".png")
    media.write_content(name, content)
    unread = media.read_content(name, 0, {})
    assert isinstance(unread, media.Unread)
    assert bytes(unread) == pickle.loads(pickle.dumps(unread)) == content
    media.remove_content(name)
    with pytest.raises(FileNotFoundError):
        media.read_content(name, 0, {})
