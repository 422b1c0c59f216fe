"""A small project of real digits, and an annotator who answers with the truth."""

import io
import json
import uuid
import zipfile
from pathlib import Path

import numpy as np
from factories import SECRET
from PIL import Image
from sklearn.datasets import load_digits
from taken_in import take_in

from labeling.models import Batch, Project, Role, User
from labeling.projects.create import create_project
from labeling.projects.people.members import set_role
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer

# Few steps, after which a network hardly tells digits apart. Where a training must last or its model be good, a test
# gives another one, or {}: the usual one.
QUICK = {"epochs": 3, "min_steps": 20, "calibration_labels": 0, "learns_from": "labels"}
# Twice the size of a digit, instead of four times: a quarter of the time in every network.
SMALL = {"name": "pixels", "options": {"size": 16}}


WRONGLY_PROPOSED = 3
"""For `verify`, every third digit is proposed as another one."""


def digits_zip(path: Path, n: int, *, proposes: bool = False) -> Path:
    """Return a zip of the first `n` digits as PNG files, with their truth; if `proposes`, whether a proposed one is
    right.
    """
    digits = load_digits()
    with zipfile.ZipFile(path, "w") as archive:
        lines = []
        for number in range(n):
            target = int(digits.target[number])
            proposed = (target + 1 + number % 9) % 10 if number % WRONGLY_PROPOSED == 0 else target
            known = {"truth": proposed == target, "class": str(proposed)} if proposes else {"truth": str(target)}
            image = io.BytesIO()
            Image.fromarray((digits.images[number] * 15).astype(np.uint8)).save(image, "PNG")
            archive.writestr(f"{number:04}.png", image.getvalue())
            lines.append(json.dumps({"file_name": f"{number:04}.png", **known}))
        archive.writestr("metadata.jsonl", "\n".join(lines))
    return path


def digits_project(folder: Path, *, n: int = 300, run_import: bool = True, **settings: object) -> Project:
    """Create a project of `n` digits, imported and not encoded, with short trainings and without picking ahead."""
    project = create_project(
        slug="digits",
        kind="image",
        classes=[str(digit) for digit in range(10)],
        settings={
            "seed": 7,
            "secret": SECRET,
            "batch_size": 40,
            "control_share": 0.2,
            "training": QUICK,
            "encoder": SMALL,
            "pick_ahead": None,
            **settings,
        },
    )
    if run_import:
        take_in(project, digits_zip(folder / "digits.zip", n, proposes=project.asks.proposes))
    return project


def annotator(project: Project, name: str = "annie") -> User:
    user = User.objects.create_user(name, password="x")
    set_role(project=project, user=user, role=Role.ANNOTATOR)
    return user


def answer_batch(project: Project, user: User) -> Batch:
    """Answer the open batch with the truth until it ends."""
    batch = project.batches.open().get()
    while tasks := queue.claim(project=project, user=user, count=50).tasks:
        answers = [Answer(id=uuid.uuid4(), task=task.pk, value=task.item.truth) for task in tasks]
        outcome = submitting.submit(project=project, user=user, answers=answers)
        assert not outcome.rejected
    return batch
