"""Test that recordings are imported by all ways of images, and that other files are one bad row with a clear
message.
"""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.test import Client
from factories import make_member, make_project
from import_files import checked, data_url, rules, split, write_folder, write_parquet, write_zip
from processes import ON_LINUX
from sounds import recording, silence
from test_hostile import by_api, by_command, by_page, finish

from labeling.intake.readers import UnreadableFile, open_source
from labeling.kinds import BadFile
from labeling.kinds.audio import Audio
from labeling.models import Item, ItemImport, RejectedRow, Role
from labeling.storage import media
from tests.extent import some

FORMS = {"WAV": ".wav", "FLAC": ".flac", "OGG": ".ogg", "MP3": ".mp3"}
SOUNDS = {form: recording(form=form) for form in FORMS}
TYPES = {".wav": "audio/wav", ".flac": "audio/flac", ".ogg": "audio/ogg", ".mp3": "audio/mpeg"}


class Sent(NamedTuple):
    """A hostile recording, as a case of `hostile`."""

    name: str
    make: Callable[[], bytes]
    kind: str = "audio"


def opened(data: bytes) -> tuple[bytes, str]:
    found = next(Audio().open([data]))
    if isinstance(found, BadFile):
        raise found
    return found


def test_each_form_is_told_by_its_bytes_and_stored_as_it_is() -> None:
    for form, suffix in FORMS.items():
        assert opened(SOUNDS[form])[:2] == (SOUNDS[form], suffix)
    assert opened(recording(form="OGG", subtype="OPUS", rate=48_000))[1] == ".ogg"


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "is empty"),
        (b"no sound at all" * 50, "is not a WAV, FLAC, OGG or MP3 file, or is damaged"),
        (b"\x89PNG\r\n\x1a\n" + bytes(500), "is not a WAV, FLAC, OGG or MP3 file"),
        (b"ID3\x03\0\0\0\0\0\0" + bytes(5000), "is not a WAV, FLAC, OGG or MP3 file"),
        (b"\0\0\0\x20ftypM4A " + bytes(100), "is M4A, AAC or a film: export it as WAV, FLAC, OGG or MP3"),
        (SOUNDS["FLAC"][: len(SOUNDS["FLAC"]) // 2], "is damaged or cut short"),
        (SOUNDS["MP3"][: len(SOUNDS["MP3"]) // 2], "is damaged or cut short"),
        (recording(seconds=0), "holds no sound"),
        (recording(form="AIFF"), "is AIFF, which not all browsers play"),
        (recording(subtype="IMA_ADPCM"), "is WAV of the form IMA_ADPCM"),
        (recording(rate=2000), "has 2,000 samples a second"),
    ],
)
def test_what_is_no_recording_is_refused(data: bytes, complaint: str) -> None:
    with pytest.raises(BadFile, match=complaint):
        opened(data)


@pytest.mark.parametrize("form", some(["WAV", "FLAC", "MP3"]))
def test_ten_minutes_and_no_more(form: str) -> None:
    subtype = "PCM_U8" if form == "WAV" else None
    assert opened(silence(599, form, subtype=subtype))[1] == FORMS[form]
    with pytest.raises(BadFile, match="is longer than 10 minutes: cut it into parts"):
        opened(silence(601, form, subtype=subtype))


def test_a_header_that_lies_about_the_length() -> None:
    long = bytearray(silence(3600))
    # STREAMINFO: the last 36 bits before the checksum say how many samples there are; 0 stands for "not known".
    long[21] &= 0xF0
    long[22:26] = bytes(4)
    with pytest.raises(BadFile, match=r"longer than 10 minutes"):
        opened(bytes(long))


@ON_LINUX
def test_the_process_takes_no_more_than_it_may() -> None:
    with pytest.raises(BadFile):
        opened(silence(3600))
    assert opened(silence(599))[1] == ".flac"
    assert Audio.opener._process
    status = Path(f"/proc/{Audio.opener._process.pid}/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    assert peak < 200 * 1024  # KiB


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def hour_and_others() -> bytes:
    files = {f"tones/{form}{suffix}": SOUNDS[form] for form, suffix in FORMS.items()}
    files |= {"hour.flac": silence(3600), "bad.wav": b"RIFF but nothing else"}
    return zipped(files | {"talk.m4a": b"\0\0\0\x20ftypM4A ", "read me.txt": b"hello"})


@pytest.mark.django_db
@pytest.mark.parametrize("way", some([by_page, by_command, by_api]))
def test_a_zip_by_every_way_one_line_for_each_bad_file(way: Any, tmp_path: Path) -> None:
    project = make_project(kind="audio")
    way(Sent("sounds.zip", hour_and_others), project, make_member(project, "mona", Role.MANAGER), tmp_path)
    finish(project)
    assert ItemImport.objects.get().state == "done"
    assert sorted(Path(item.media).suffix for item in Item.objects.all()) == sorted(FORMS.values())
    assert {row.where: row.reason for row in RejectedRow.objects.all()} == {
        "hour.flac": "The recording is longer than 10 minutes: cut it into parts.",
        "bad.wav": "The recording is not a WAV, FLAC, OGG or MP3 file, or is damaged.",
        "talk.m4a": "The file is M4A, AAC, WMA, AIFF or AMR, which not all browsers play: export it as WAV, FLAC, OGG "
        "or MP3.",
        "read me.txt": "The file is no WAV, FLAC, OGG or MP3 recording: convert it, or leave it out.",
    }


@pytest.mark.django_db
@pytest.mark.parametrize("way", some([by_api, by_command, by_page], 2))
def test_rows_hold_recordings_which_are_served_in_parts_to_members_alone(
    way: Any, tmp_path: Path, client: Client
) -> None:
    project = make_project(kind="audio")
    more = {"truth": "1", "place": "garden"}
    rows = [{"id": form, "audio": data_url(sound, "audio/wav"), **more} for form, sound in SOUNDS.items()]
    rows.append({"id": "bad", "audio": data_url(b"nothing")})
    sent = Sent("sounds.jsonl", lambda: "\n".join(map(json.dumps, rows)).encode())
    way(sent, project, make_member(project, "mona", Role.MANAGER), tmp_path)
    finish(project)
    assert set(Item.objects.values_list("external_id", flat=True)) == set(FORMS)
    item = Item.objects.get(external_id="OGG")
    assert (item.data, item.truth) == ({"place": "garden"}, 1)
    assert media.path_of(item.media).read_bytes() == SOUNDS["OGG"]
    assert RejectedRow.objects.get().reason.startswith("The recording is not a WAV")
    client.force_login(make_member(make_project("other"), "eve"))
    path = "/api/v1/projects/digits/items/{}/media/"
    assert client.get(path.format(item.pk), headers={"Range": "bytes=0-9"}).status_code == 404
    client.force_login(make_member(project, "rita", Role.REVIEWER))
    for item in project.items.all():
        answer = client.get(path.format(item.pk), headers={"Range": "bytes=10-19"})
        assert (answer.status_code, answer["Content-Type"]) == (206, TYPES[FORMS[item.external_id]])
        assert b"".join(answer.streaming_content) == SOUNDS[item.external_id][10:20]  # type: ignore[attr-defined]
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer["Content-Security-Policy"]
        assert answer["Cache-Control"].startswith("private")


def test_a_folder_says_the_class_and_parquet_has_bytes(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "sounds", {"cat/a.wav": SOUNDS["WAV"], "b.mp3": SOUNDS["MP3"]})
    good, bad = split(checked(folder, rules("audio")))
    assert [(draft.suffix, draft.truth) for draft in good] == [(".mp3", None), (".wav", "cat")]
    path = write_parquet(tmp_path / "a.parquet", {"audio": [{"bytes": SOUNDS["FLAC"], "path": "x"}], "truth": ["dog"]})
    good, bad = split(checked(path, rules("audio")))
    assert [(draft.file, draft.truth, bad) for draft in good] == [(SOUNDS["FLAC"], "dog", [])]
    path.with_suffix(".csv").write_text("sound\n1\n")
    with pytest.raises(UnreadableFile, match='no column is called "audio" or "file_name"'):
        open_source(path.with_suffix(".csv"), kind="audio")


def test_without_the_library_one_line_says_what_to_install(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("labeling.kinds.audio.find_spec", lambda name: None)
    with pytest.raises(UnreadableFile, match=r"package soundfile.*scripts/setup.sh requirements-audio.txt$"):
        open_source(write_zip(tmp_path / "a.zip", {"a.wav": SOUNDS["WAV"]}), kind="audio")
