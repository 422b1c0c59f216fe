"""Test the loop with recordings: import, labeling, training, and the next batch."""

import io
import zipfile
from pathlib import Path

import pytest
from digits import QUICK, annotator, answer_batch
from draining import drain
from factories import SECRET
from sounds import recording

from labeling.intake.run import import_items
from labeling.intake.uploads import register
from labeling.loop.step import Step
from labeling.models import Project
from labeling.models.jobs import worker_name
from labeling.projects.create import create_project
from labeling.queue import queue

pytestmark = pytest.mark.django_db(transaction=True)

PITCHES = {"low": 300, "high": 2000}
FORMS = ("wav", "flac", "ogg", "mp3")


def tones(n: int) -> bytes:
    """Write recordings of tones in a folder for each class, each with a slightly different pitch."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(n):
            name = list(PITCHES)[number % 2]
            form = FORMS[number // 2 % 4]
            sound = recording(PITCHES[name] * (1 + number % 7 / 20), 0.4, form.upper(), seed=number)
            archive.writestr(f"{name}/{number:03}.{form}", sound)
    return buffer.getvalue()


def audio_project(folder: Path) -> Project:
    project = create_project(
        slug="tones",
        kind="audio",
        classes=list(PITCHES),
        settings={
            "seed": 5,
            "secret": SECRET,
            "pick_ahead": None,
            "batch_size": 30,
            "control_share": 0.2,
            "training": QUICK,
        },
    )
    path = folder / "tones.zip"
    path.write_bytes(tones(120))
    job = register(project=project, user=None, path=path, name="tones.zip", strict=True, taken_by=worker_name())
    import_items(Step(job, gives_way=False))
    return project


@pytest.mark.long
def test_tones_go_round_the_loop(tmp_path: Path) -> None:
    project = audio_project(tmp_path)
    user = annotator(project)
    drain()
    for _ in range(2):
        answer_batch(project, user)
        drain()
    assert project.batches.open().get().number == 3
    version = project.versions.latest("number")
    assert version.metrics["control"]["accuracy"] >= 0.9
    project.refresh_from_db()
    assert project.encoded_rows == 120
    task = queue.claim(project=project, user=user, count=1).tasks[0]
    assert task.item.media.startswith(f"{project.pk}/audio/")
