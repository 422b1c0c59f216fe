"""Small projects with a model version that the loop trained, and the rows that they were made from."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from bringing import bring
from draining import drain
from factories import SECRET, make_member

from labeling.models import Project
from labeling.projects.create import create_project
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer
from labeling.steps.features import load_encoder
from labeling.storage.arrays.files import ProjectFiles, load_array

WORDS = {"sport": ["ball", "goal", "team", "match"], "food": ["bread", "soup", "cheese", "apple"]}
CLASSES = list(WORDS)
SIDES = ["left", "middle", "right"]
CENTRES = np.array([[-3.0, 0, 0, 0], [0, 3, 0, 0], [3, 0, 0, 0]], np.float32)
QUICK = {"epochs": 20, "min_steps": 60, "calibration_labels": 0, "learns_from": "labels"}


def text_rows(question: str = "single", n: int = 60) -> list[dict[str, Any]]:
    """Return texts about one of two subjects; for multi, every fifth is about neither."""
    rng = np.random.default_rng(3)
    rows = []
    for number in range(n):
        name = CLASSES[number % 2]
        row: dict[str, Any] = {"id": f"t{number}", "text": " ".join(rng.choice(WORDS[name], 6))}
        if question == "single":
            row["truth"] = name
        elif question == "multi":
            row |= {"text": "rain wind cloud storm", "truth": []} if number % 5 == 0 else {"truth": [name]}
        else:
            proposed = CLASSES[number // 2 % 2]
            row |= {"class": proposed, "truth": proposed == name}
        rows.append(row)
    return rows


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def trained_project(
    path: Path, *, slug: str = "p", kind: str = "text", classes: list[str] = CLASSES, **settings: Any
) -> Project:
    """Create a project of the file's items with one answered batch and a version that has predicted the pool."""
    project = imported_project(path, slug=slug, kind=kind, classes=classes, **settings)
    answer_all(project)
    return project


def imported_project(path: Path, *, slug: str, kind: str, classes: list[str], **settings: Any) -> Project:
    """Create a project of the file's items with a first batch that nobody has answered."""
    given = {"seed": 5, "secret": SECRET, "pick_ahead": None, "batch_size": 30, "control_share": 0.2}
    given |= {"strategy": "margin", "training": QUICK, **settings}
    project = create_project(slug=slug, kind=kind, classes=classes, settings=given)
    bring(project, path, strict=True)
    drain()
    return project


def answer_all(project: Project) -> None:
    """Answer the open batch as the items' truth says, and run the steps that follow."""
    user = make_member(project, "annie")
    while tasks := queue.claim(project=project, user=user, count=50).tasks:
        answers = [Answer(id=uuid.uuid4(), task=task.pk, value=task.item.truth) for task in tasks]
        assert not submitting.submit(project=project, user=user, answers=answers).rejected
    drain()


def on_file(project: Project) -> dict[str, dict[str, float]]:
    """Return the newest version's predictions for the pool, by external id."""
    files, version = ProjectFiles(project), project.versions.latest("number")
    said = {name: load_array(files.pool(version, name)) for name in ("best", "confidence", "margins")}
    rows = project.items.filter(row__isnull=False).values_list("external_id", "row")
    return {external_id: {name: array[row].item() for name, array in said.items()} for external_id, row in rows}


def vector_project(
    tmp_path: Path, slug: str = "p", make: Callable[..., Project] = trained_project, **settings: Any
) -> Project:
    """Create a project of vectors of three classes with one trained version."""
    rng = np.random.default_rng(1)
    places = rng.integers(0, 3, 90)
    vectors = (CENTRES[places] + rng.normal(size=(90, 4))).round(4).tolist()
    rows = [{"id": f"v{n}", "vector": vectors[n], "truth": SIDES[place]} for n, place in enumerate(places.tolist())]
    path = write_rows(tmp_path / "v.jsonl", rows)
    project = make(path, slug=slug, kind="vector", **{"classes": SIDES, **settings})
    project.refresh_from_db()
    return project


def facts_of(project: Project) -> dict[str, Any]:
    encoder = load_encoder(project)
    classes = list(project.classes.order_by("index").values_list("name", flat=True))
    digest = {"name": encoder.name, "digest": encoder.digest}
    return {"question": project.question, "classes": classes, "encoder": digest}
