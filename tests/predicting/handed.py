"""A project of vectors in two classes that trains no models, and files of predictions for its items."""

import io
import json
import uuid
from collections.abc import Iterable
from typing import Any

import numpy as np
from draining import drain
from factories import SECRET, make_member

from labeling.intake import prediction_sets
from labeling.intake.uploads import receive
from labeling.models import PredictionSet, Project, User
from labeling.projects.create import create_project
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer

CLASSES = ["left", "right"]


def vectors(n: int, *, first: int = 0) -> list[dict[str, Any]]:
    """Return rows of items on a line from -1 to 1: left of 0 is `left`."""
    places = np.random.default_rng(first).uniform(-1, 1, n)
    return [
        {
            "id": f"i{first + number}",
            "vector": [float(x), 0.1 * float(np.sin(9 * x))],
            **({"truth": CLASSES[int(x > 0)]}),
        }
        for number, x in enumerate(places)
    ]


def lines(rows: Iterable[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def given_project(
    n: int = 200, *, model: str = "given", rows: list[dict[str, Any]] | None = None, **settings: Any
) -> Project:
    """Create a project whose items are encoded, with an annotator, annie, and a manager, mona."""
    values = {"seed": 5, "secret": SECRET, "batch_size": 20, "control_share": 0.2, "model": {"name": model}}
    kind, classes = settings.pop("kind", "vector"), settings.pop("classes", CLASSES)
    project = create_project(slug="p", kind=kind, classes=classes, settings={**values, **settings})
    make_member(project, "annie")
    manager = make_member(project, "mona", "manager")
    put_in(project, manager, vectors(n) if rows is None else rows)
    return project


def put_in(project: Project, user: User, rows: list[dict[str, Any]]) -> None:
    done = receive(project=project, user=user, name=f"{uuid.uuid4().hex}.jsonl", chunks=[lines(rows)], strict=True)
    assert done.accepted == len(rows), done.reason
    drain()
    project.refresh_from_db()


def places_of(project: Project) -> tuple[list[str], np.ndarray]:
    """Return the ids of all items, in no order of the rows, and their places on the line."""
    rows = list(project.items.order_by("external_id").values_list("external_id", "row"))
    from labeling.storage.arrays.files import ProjectFiles

    features = ProjectFiles(project).stored_features()
    assert features is not None
    return [name for name, _ in rows], features[np.array([row for _, row in rows])][:, 0]


def sure_of_right(places: np.ndarray, *, steep: float = 8, middle: float = 0.0) -> np.ndarray:
    """Return the probabilities (n, 2) of left and right, by a model that puts the border at `middle`."""
    right = 1 / (1 + np.exp(-steep * (places - middle)))
    return np.stack([1 - right, right], axis=1)


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def predictions(project: Project, **options: Any) -> bytes:
    """Return an .npz file of a good model's predictions for all items."""
    ids, places = places_of(project)
    return npz(ids=ids, probabilities=sure_of_right(places, **options), classes=CLASSES)


def hand_in(project: Project, content: bytes, name: str = "mine.npz", *, strict: bool = True) -> PredictionSet:
    """Send the file, run the workers, and return the set."""
    user = User.objects.get(username="mona")
    sent = prediction_sets.receive(project=project, user=user, name=name, chunks=[content], strict=strict)
    drain()
    sent.refresh_from_db()
    return sent


def answer_open_batch(project: Project) -> None:
    """Answer the open batches with the truth, then run the workers."""
    user = User.objects.get(username="annie")
    while tasks := queue.claim(project=project, user=user, count=50).tasks:
        answers = [Answer(id=uuid.uuid4(), task=task.pk, value=task.item.truth) for task in tasks]
        assert not submitting.submit(project=project, user=user, answers=answers).rejected
    drain()
