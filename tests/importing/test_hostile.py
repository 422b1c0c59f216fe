"""Test that hostile files, by every way of importing, give a one-line message, lose no other row, and cause no server
error.
"""

import io
import json
import resource
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import hostile
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from factories import make_member, make_open_batch, make_project
from hostile import Hostile
from processes import ON_LINUX
from rest_framework.test import APIClient

from labeling.intake.rejecting import KEPT
from labeling.intake.run import import_items
from labeling.loop.step import Step
from labeling.models import Item, ItemImport, Job, Project, RejectedRow, Role, User
from labeling.storage import media
from tests.extent import ALL

MEGABYTES = 450
SECONDS = 60


@cache
def made(case: Hostile) -> bytes:
    return case.make()


def by_page(case: Hostile, project: Project, mona: User, folder: Path) -> None:
    client = Client()
    client.force_login(mona)
    answer = client.post("/p/digits/import/", {"file": SimpleUploadedFile(case.name, made(case))}, follow=True)
    assert answer.status_code in (200, 400)
    assert client.get("/p/digits/import/").status_code == 200


def by_api(case: Hostile, project: Project, mona: User, folder: Path) -> None:
    client = APIClient()
    client.force_authenticate(mona)
    file = SimpleUploadedFile(case.name, made(case))
    answer = client.post("/api/v1/projects/digits/items/", {"file": file}, format="multipart")
    assert answer.status_code in (201, 202, 400)


def by_command(case: Hostile, project: Project, mona: User, folder: Path) -> None:
    (folder / case.name).write_bytes(made(case))
    with suppress(CommandError):
        call_command("import_items", "digits", str(folder / case.name), stdout=io.StringIO(), stderr=io.StringIO())


def finish(project: Project) -> None:
    """Run the steps that an import leaves to the worker."""
    for job in project.jobs.filter(kind=Job.Kind.IMPORT).waiting():
        assert Job.objects.take(job, "here:1:a", timezone.now())
        import_items(Step(job, gives_way=False))


# By the API, whatever it is. By the other ways, which lead to the same readers, what each of these ends in: nothing
# sent, all refused, some set aside, none, much to be read.
EVERY_WAY = (
    hostile.nothing,
    hostile.zip_escapes,
    hostile.zip_bomb,
    hostile.csv_line_of_50_mb,
    hostile.csv_formulas,
    hostile.json_half_characters,
    hostile.parquet_bomb,
    hostile.npy_pickled,
    hostile.npy_with_nan,
)
WAYS = [(case, by_api) for case in hostile.ALL if ALL or case.make not in EVERY_WAY] + [
    (case, way)
    for place, case in enumerate(hostile.ALL)
    if case.make in EVERY_WAY
    for way in ((by_page, by_command) if ALL else (by_command,) if place % 2 else (by_page,))
]


@pytest.mark.django_db
@pytest.mark.parametrize(("case", "way"), WAYS, ids=lambda each: getattr(each, "__name__", str(each)))
def test_one_line_says_what_is_wrong_and_the_rest_goes_in(case: Hostile, way: Any, tmp_path: Path) -> None:
    project = make_project(kind=case.kind)
    way(case, project, make_member(project, "mona", Role.MANAGER), tmp_path)
    finish(project)
    lines = [row.reason for row in RejectedRow.objects.all()]
    for given in ItemImport.objects.all():
        assert given.state in ("done", "refused")
        assert (given.accepted, min(given.rejected, KEPT)) == (case.taken, len(lines))
        lines.append(given.reason)
    assert project.items.count() == case.taken
    assert all(line.isprintable() and len(line) < 400 for line in lines)
    if case.make is not hostile.nothing:
        assert ItemImport.objects.count() == 1
        assert any(case.says in line for line in lines) if case.says else not any(lines)
    assert_stored_well(project)


def assert_stored_well(project: Project) -> None:
    """Check that stored files are in their folder, are images that browsers know, and can be served to an annotator."""
    root = media.path_of("")
    assert list(root.parent.rglob("*evil*")) == []
    for item in project.items.all():
        if project.kind == "image":
            assert media.path_of(item.media).resolve().is_relative_to(root.resolve())
            assert Path(item.media).suffix in (".png", ".jpg", ".gif", ".webp", ".bmp")
    json.dumps(list(project.items.values_list("data", flat=True)), allow_nan=False)


@pytest.mark.django_db
def test_numbers_of_any_size_reach_the_annotator(client: Client) -> None:
    project = make_project()
    mona = make_member(project, "mona", Role.MANAGER)
    case = next(case for case in hostile.ALL if case.make is hostile.json_huge_numbers)
    by_api(case, project, mona, Path())
    items = list(Item.objects.all())
    for row, item in enumerate(items):
        Item.objects.filter(pk=item.pk).update(row=row)
    make_open_batch(project, items)
    client.force_login(make_member(project, "annie"))
    answer = client.post("/api/v1/projects/digits/claim/", {"count": 10}, content_type="application/json")
    assert answer.status_code == 200
    assert len(answer.json()["tasks"]) == case.taken


@pytest.mark.django_db
def test_what_is_served_is_an_image_and_nothing_else(client: Client) -> None:
    project = make_project(kind="image")
    mona = make_member(project, "mona", Role.MANAGER)
    for case in hostile.ALL:
        if case.make in (hostile.jpeg_with_a_page_behind, hostile.gif_that_is_a_zip_too):
            by_api(case, project, mona, Path())
    client.force_login(mona)
    for item in project.items.all():
        answer = client.get(f"/api/v1/projects/digits/items/{item.pk}/media/")
        assert answer["Content-Type"] in ("image/png", "image/jpeg", "image/gif")
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer["Content-Security-Policy"]


PROBE = """
import json, sys, time
from pathlib import Path
from labeling.intake.readers import UnreadableFile, open_source
from labeling.intake.checking import check_record
from labeling.intake.rules import Rules
from labeling.questions import named

def kilobytes(name):
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1])

for path, kind in json.load(sys.stdin):
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew
    before, started = kilobytes("VmRSS"), time.monotonic()
    rules = Rules(kind=kind, question=named("single"), classes=("a", "b"))
    try:
        with open_source(Path(path), kind=kind) as source:
            for record in source.records():
                check_record(record, rules, source)
    except UnreadableFile:
        pass
    print(json.dumps([(kilobytes("VmHWM") - before) // 1024, time.monotonic() - started]), flush=True)
"""


@pytest.mark.long
@ON_LINUX
def test_memory_and_time_are_bounded(tmp_path: Path) -> None:
    """Each file is imported in a process whose memory limit is above the needs of any honest import."""
    paths = []
    for number, case in enumerate(hostile.ALL):
        paths.append((str(tmp_path / f"{number}-{case.name}"), case.kind))
        Path(paths[-1][0]).write_bytes(made(case))
    probe = subprocess.run(
        [sys.executable, "-c", PROBE],
        input=json.dumps(paths),
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
        timeout=600,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30)),
    )
    assert probe.returncode == 0, probe.stderr
    for case, line in zip(hostile.ALL, probe.stdout.splitlines(), strict=True):
        megabytes, seconds = json.loads(line)
        assert megabytes < MEGABYTES, f"{case} took {megabytes} MB"
        assert seconds < SECONDS, f"{case} took {seconds:.0f} s"
