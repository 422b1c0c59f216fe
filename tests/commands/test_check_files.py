"""Test that `check_files` names each damaged file and sets its exit status."""

from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from damages import flip, halve
from django.core.management import CommandError, call_command
from factories import make_items, make_project
from pages import make_history

from labeling.models import Batch, DamagedFile, Job, Project
from labeling.storage import media
from labeling.storage.arrays.files import ProjectFiles, save_array

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    """Create a project with a version that has predicted the pool, and an item with a file."""
    project = make_project()
    make_history(project, 1)
    Batch.objects.update(selected_by=project.versions.get())
    for name, dtype in (("margins", np.float32), ("best", np.int32), ("confidence", np.float32)):
        save_array(ProjectFiles(project).pool(project.versions.get(), name), np.ones(1000, dtype))
    [item] = make_items(project, 1, first=100)
    item.media = media.file_name(project.pk, "images", b"content", ".png")
    item.save()
    media.write_content(item.media, b"content")
    media.flush()
    project.versions.update(artifact="models/v1")
    return project


def check(*arguments: str) -> tuple[list[str], str]:
    """Run the command; return its lines and its error."""
    out = StringIO()
    try:
        call_command("check_files", *arguments, stdout=out)
    except CommandError as error:
        return out.getvalue().splitlines(), str(error)
    return out.getvalue().splitlines(), ""


def test_each_damaged_file_is_named_in_a_line(project: Project) -> None:
    flip(ProjectFiles(project).pool(project.versions.get(), "best"))
    lost: Path = ProjectFiles(project).pool(project.versions.get(), "confidence")
    lost.unlink()
    halve(media.path_of(project.items.exclude(media="").get().media))
    lines, error = check()
    assert lines[0].startswith("digits: models/v1: manifest.json: cannot be read")
    assert lines[1].startswith("digits: pool/v1/best.npy: the bytes from 128 to 4,128 do not match their sum")
    assert lines[2] == "digits: pool/v1/confidence.npy: it is missing"
    assert lines[3].startswith("digits: media/")
    assert lines[3].endswith(": its content does not match its name")
    assert error == "4 of 5 files are damaged or missing."
    assert not Job.objects.filter(kind=Job.Kind.REBUILD).exists()
    assert len(check("digits", "--without-media")[0]) == 3


def test_what_was_restored_counts_as_whole(project: Project) -> None:
    project.versions.update(artifact="", damaged="x")
    path = ProjectFiles(project).pool(project.versions.get(), "best")
    before = path.read_bytes()
    flip(path)
    check()
    assert DamagedFile.objects.standing().filter(name="pool/v1/best.npy").exists()
    path.write_bytes(before)
    check()
    assert not DamagedFile.objects.standing().filter(name="pool/v1/best.npy").exists()


def test_rebuild_asks_a_worker_once(project: Project) -> None:
    for _ in range(2):
        check("digits", "--rebuild")
    assert Job.objects.filter(kind=Job.Kind.REBUILD, project=project).count() == 1
    with pytest.raises(CommandError, match="There is no project 'letters'"):
        call_command("check_files", "letters")
