"""Test recordings on the annotator's screen: keyboard, waveform, phone and dark mode."""

from typing import Any

import pytest
from axe import faults
from factories import make_items, make_member, make_open_batch, make_project
from playwright.sync_api import Page, expect
from sounds import recording

from labeling.models import Annotation, Project, Role
from labeling.storage import media
from tests.extent import some

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SECONDS = 6.0
SIZES: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 800}},
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
}


def tones(classes: int = 2, n: int = 4) -> Project:
    names = [f"bird {number}" for number in range(classes)]
    project = make_project("birds", kind="audio", classes=names, prompt="Which bird sings?")
    items = make_items(project, n, data={"place": "garden"})
    for number, item in enumerate(items):
        sound = recording(400 * (1 + number), SECONDS, ("WAV", "FLAC", "OGG", "MP3")[number % 4])
        suffix = (".wav", ".flac", ".ogg", ".mp3")[number % 4]
        item.media = media.file_name(project.pk, "audio", sound, suffix)
        media.write_content(item.media, sound)
        item.save(update_fields=["media"])
    make_open_batch(project, items)
    return project


def state(page: Page) -> dict[str, Any]:
    return page.locator("#item audio").evaluate(
        "({ paused, currentTime, duration }) => ({ paused, at: currentTime, duration })"
    )


def wait_for(page: Page, what: str) -> None:
    page.wait_for_function(f"() => {{ const audio = document.querySelector('#item audio'); return {what}; }}")


def test_played_by_keyboard(open_screen: Any) -> None:
    project = tones()
    page = (screen := open_screen(project, make_member(project, "annie"))).page
    expect(page.locator('#item .wave[data-state="drawn"]')).to_be_visible(timeout=20_000)
    assert state(page)["paused"]
    assert abs(state(page)["duration"] - SECONDS) < 0.2
    screen.press("p")
    wait_for(page, "!audio.paused && audio.currentTime > 0.5")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    screen.press("p")
    wait_for(page, "audio.paused")
    page.locator("#item audio").evaluate("(audio) => (audio.currentTime = 4)")
    screen.press("b")
    wait_for(page, "Math.abs(audio.currentTime - 1) < 0.3")
    screen.press("r")
    wait_for(page, "!audio.paused && audio.currentTime < 1")
    page.locator("#item .wave").click(position={"x": 5, "y": 40})
    wait_for(page, "audio.currentTime < 1")
    screen.press("l", ">", ">", ">", ">", "<")
    wait_for(page, "audio.loop && audio.playbackRate === 1.5")
    screen.answer("1")
    wait_for(page, "audio.paused && audio.currentTime === 0")  # the next one waits for its key
    wait_for(page, "audio.loop && audio.playbackRate === 1.5")
    expect(page.locator("#item output")).to_have_text("1.5×")
    expect(page.get_by_role("button", name="Loop")).to_have_attribute("aria-pressed", "true")
    screen.answer("2")
    screen.wait_until_sent()
    assert list(Annotation.objects.order_by("task__rank").values_list("value", flat=True)) == [0, 1]


def test_what_is_said_to_those_who_do_not_see_it(open_screen: Any) -> None:
    project = tones()
    page = open_screen(project, make_member(project, "annie")).page
    wave = page.get_by_role("slider", name="Waveform of a recording of 6 seconds, loudest at")
    expect(wave).to_be_visible(timeout=20_000)
    wave.focus()
    for key, place in (("ArrowRight", "1"), ("End", "6"), ("ArrowLeft", "5"), ("Home", "0")):
        page.keyboard.press(key)
        expect(wave).to_have_attribute("aria-valuetext", f"{place} of 6 seconds")
    for name in ("Back 3 s B", "Play P", "From the start R"):
        expect(page.get_by_role("button", name=name)).to_be_visible()
    page.keyboard.press("?")
    keys = page.locator("#keys-dialog")
    for line in ("Play, or pause", "Back three seconds", "Play from the start", "Slower"):
        expect(keys.get_by_text(line)).to_be_visible()


@pytest.mark.long
def test_where_letters_search_the_keys_need_shift(open_screen: Any) -> None:
    project = tones(classes=12)
    page = (screen := open_screen(project, make_member(project, "annie"))).page
    expect(page.get_by_role("button", name="Play ⇧P")).to_be_visible()
    wait_for(page, "audio.readyState >= 2")
    screen.press("Shift+P")
    wait_for(page, "!audio.paused")
    assert page.locator("#search").input_value() == ""


@pytest.mark.parametrize("scheme", some(["dark", "light"]))
@pytest.mark.parametrize("size", some(["phone", "desktop"]))
def test_it_fits(open_screen: Any, screenshot: Any, size: str, scheme: str) -> None:
    project = tones(classes=6)
    page = open_screen(project, make_member(project, "annie"), color_scheme=scheme, **SIZES[size]).page
    expect(page.locator('#item .wave[data-state="drawn"]')).to_be_visible(timeout=20_000)
    page.locator("#item audio").evaluate("(audio) => (audio.currentTime = 2.5)")
    page.wait_for_timeout(300)
    screenshot(page, f"audio-{size}-{scheme}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert faults(page) == []
    for name in ("Back", "Play", "From the start"):
        expect(page.locator("#item").get_by_role("button", name=name)).to_be_in_viewport(ratio=1)


@pytest.mark.long
def test_managers_hear_it_too(open_page: Any, screenshot: Any) -> None:
    project = tones()
    page: Page = open_page(make_member(project, "mona", Role.MANAGER), "/p/birds/items/")
    expect(page.get_by_text("a recording").first).to_be_visible()
    page.locator(".items .item").first.click()
    audio = page.locator(".stage audio")
    audio.evaluate("(audio) => audio.play()")
    page.wait_for_function("() => document.querySelector('.stage audio').currentTime > 0.2")
    screenshot(page, "audio-item")
    page.goto("/p/birds/import/")
    expect(page.get_by_text("of at most 10 minutes and 64 MB")).to_be_visible()
    expect(page.locator("#drop-hint")).to_have_text("Drop a folder of recordings, recordings, or a file here, or")
    page.get_by_label("Choose a file").set_input_files(
        files=[{"name": "a.wav", "mimeType": "audio/wav", "buffer": recording(seconds=0.2)}]
    )
    expect(page.locator("#chosen")).to_contain_text("1 recording from recordings")
    screenshot(page, "audio-import", full=True)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("1 item imported from recordings.zip.")).to_be_visible(timeout=20_000)
