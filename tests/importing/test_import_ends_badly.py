"""Test that interrupted and concurrent imports continue without contradictions."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from factories import make_project
from import_files import picture, write, write_folder, write_npy, write_parquet

from labeling.intake import run
from labeling.intake.uploads import register
from labeling.loop.step import Step, StepFailed
from labeling.models import ItemImport, Job, Project
from labeling.models.jobs import worker_name
from labeling.storage import media

pytestmark = pytest.mark.django_db(transaction=True)


def taken(project: Project, path: Path) -> Step:
    """Return the import's step, held by this process, with the project as it was when the job was taken."""
    job = register(project=project, user=None, path=path, name=path.name, strict=False, taken_by=worker_name())
    return Step(Job.objects.select_related("project", "item_import").get(pk=job.pk))


def test_what_was_taken_in_before_a_file_turned_bad_goes_on_into_the_pool(tmp_path: Path) -> None:
    project = make_project()
    rows = 2000
    texts = [f"text number {n} {n * n}" for n in range(rows)]
    path = write_parquet(tmp_path / "bad.parquet", {"id": [str(n) for n in range(rows)], "text": texts})
    content = bytearray(path.read_bytes())
    place = content.index(b"text number 1999") - 4000  # in the last group of rows
    content[place : place + 2000] = b"\xff" * 2000
    run.import_items(taken(project, write(path, bytes(content))))
    item_import = ItemImport.objects.get()
    assert item_import.state == ItemImport.State.REFUSED
    assert 0 < item_import.accepted == project.items.count() < rows
    assert item_import.reason.startswith(f"The {item_import.accepted:,} items before that are imported. ")
    assert project.jobs.filter(kind=Job.Kind.ENCODE).count() == 1


def test_the_next_import_removes_files_that_a_killed_one_had_begun_to_write_an_hour_ago(tmp_path: Path) -> None:
    project, other = make_project(kind="image"), make_project("other", kind="image")
    old, young, others = (
        write(media.path_of(f"{owner.pk}/drafts/{name}"), b"\x89PNG")
        for owner, name in ((project, "old"), (project, "young"), (other, "old"))
    )
    an_hour_ago = time.time() - media.DRAFT_SECONDS
    for draft in (old, others):
        os.utime(draft, (an_hour_ago - 1, an_hour_ago - 1))
    os.utime(young, (an_hour_ago + 60, an_hour_ago + 60))
    run.import_items(taken(project, write_folder(tmp_path / "images", {"a.png": picture()})))
    assert project.items.count() == 1
    assert not old.exists()
    assert young.exists(), "somebody may be writing it"
    assert others.exists(), "another project's imports look after it"


def test_two_first_imports_at_once_agree_on_the_length_of_vectors(tmp_path: Path) -> None:
    project = make_project(kind="vector")
    first, second = (
        taken(project, write_npy(tmp_path / f"{length}.npy", np.ones((3, length), np.float32))) for length in (2, 3)
    )
    run.import_items(first)
    with pytest.raises(StepFailed, match="The vectors have 3 numbers, those of another import 2"):
        run.import_items(second)
    project.refresh_from_db()
    assert (project.vector_length, project.items.count()) == (2, 3)
