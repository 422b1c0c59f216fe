"""Test that no array of a wrong length or form stops a project: each step rebuilds it or says in a sentence what is
wrong, and each failed batch has a way out, after which it is picked.
"""

import re
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from draining import drain
from handed import CLASSES, given_project, lines, npz, places_of, put_in, sure_of_right, vectors
from snapshots import Snapshot
from trained import QUICK, facts_of

from labeling.intake import prediction_sets, registering, uploads
from labeling.loop import retrying
from labeling.loop.retrying import ways_out
from labeling.models import Batch, Finish, Job, Project, User
from labeling.outgoing.datasets.creating import create as create_dataset
from labeling.outgoing.predictions import ask as ask_for_predictions
from labeling.projects.encoders import encoder_comparison
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer
from labeling.steps.registry import STEPS, run_step
from labeling.steps.running.worker import Worker
from labeling.storage.arrays.files import ProjectFiles, save_array
from tests.damages import flip, lose
from tests.extent import some
from tests.graphs import linear_graph, packed

pytestmark = pytest.mark.django_db(transaction=True)

Change = Callable[[np.ndarray], np.ndarray]
A_DEFECT = re.compile(r"(^|\s)[A-Z]\w*(Error|Exception|Missing|Damaged)\b|out of bounds|broadcast|Traceback")
NOT_HERE = {Job.Kind.SOURCE, Job.Kind.TRACK, Job.Kind.SETTLE}
"""Steps without arrays: they list a source, send the files of a trained version, and settle labels."""


def other_width(array: np.ndarray) -> np.ndarray:
    return array[:, None] if array.ndim < 2 else array[:, :-1]


def other_type(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32 if array.dtype.kind in "iub" else np.int64)


CHANGES: dict[str, Change] = {
    "shorter": lambda array: array[: len(array) // 2],
    "longer": lambda array: np.concatenate([array, array[:7]]),
    "empty": lambda array: array[:0],
    "other width": other_width,
    "other type": other_type,
}
OTHERS = {"damaged": flip, "missing": lose}


def spoil(project: Project, way: str) -> None:
    """Spoil all arrays of the project, with the checksums that belong to the wrong content."""
    for path in sorted(ProjectFiles(project).root.rglob("*")):
        if path.suffix not in (".npy", ".npz", ".bin") or path.name.startswith("encoder") or path.is_dir():
            continue
        if way in OTHERS:
            OTHERS[way](path)
        elif path.suffix == ".npy":
            save_array(path, CHANGES[way](np.load(path)))
        elif path.suffix == ".npz":
            with np.load(path) as archive:
                arrays = {name: archive[name] for name in archive.files}
            np.savez(path, **{name: CHANGES[way](each) if each.ndim else each for name, each in arrays.items()})
        else:
            numbers = np.fromfile(path, np.float32)
            CHANGES[way](numbers[: len(numbers) // 2 * 2].reshape(-1, 2)).tofile(path)


def run_and_spoil(project: Project, way: str) -> None:
    """Run the due steps; before each of them, spoil all arrays."""
    worker = Worker(run_step)
    spoil(project, way)
    while worker.run_next():
        spoil(project, way)


def answer(project: Project, *, skip: bool = False) -> None:
    """Answer the open batch with the truth; with `skip`, skip one task and leave the rest."""
    user = User.objects.get(username="annie")
    while tasks := queue.claim(project=project, user=user, count=1 if skip else 50).tasks:
        answers = [Answer(uuid.uuid4(), task.pk, value=task.shown.truth) for task in tasks]
        if skip:
            answers = [Answer(uuid.uuid4(), tasks[0].pk, skip_reason="unclear")]
        assert not submitting.submit(project=project, user=user, answers=answers).rejected
        if skip:
            return


def all_end_in_sentences() -> None:
    rows: list[Any] = [*Job.objects.filter(state=Job.State.FAILED), *Batch.objects.exclude(reason="")]
    for table in ("prediction_sets", "predictions", "registrations"):
        rows += list(getattr(Project.objects.get(), table).exclude(reason=""))
    for row in rows:
        assert not A_DEFECT.search(row.reason), f"{row}: {row.reason}"
        assert row.reason.endswith("."), f"{row}: {row.reason}"


def lead_out(project: Project) -> None:
    """Press the buttons of failed batches until none has failed."""
    for number in range(4):
        failed = project.batches.filter(state=Batch.State.FAILED).first()
        if failed is None:
            return
        ways = ways_out(failed)
        assert ways, failed.reason
        retrying.retry(batch=failed, way=ways[number % len(ways)].name)
        drain(may_fail=True)
    assert not project.batches.filter(state=Batch.State.FAILED).exists()


@pytest.fixture
def project(snapshot: Snapshot) -> Project:
    """Create a project with trained versions, a goal, a set of predictions, items that joined the clusters, and an open
    batch.
    """
    if not snapshot.lay():
        project = given_project(240, model="network", training=QUICK, batch_size=40, pick_ahead=None)
        manager = User.objects.get(username="mona")
        for number in range(2):
            answer(project)
            drain()
            put_in(project, manager, vectors(10, first=1000 + 10 * number))
        Finish.objects.create(project=project, error=0.4, confidence=0.6, by_class=False, within=0)
        hand_in(project)
        drain()
        snapshot.keep()
    return Project.objects.get()


def hand_in(project: Project) -> None:
    ids, places = places_of(project)
    content = npz(ids=ids, probabilities=sure_of_right(places), classes=CLASSES)
    manager = User.objects.get(username="mona")
    prediction_sets.receive(project=project, user=manager, name="p.npz", chunks=[content])


def ask_for_all(project: Project) -> None:
    """Make a job due of each kind that the loop does not enqueue by itself."""
    manager, version, item = User.objects.get(username="mona"), project.versions.get(number=2), vectors(1, first=5000)
    graph = packed(linear_graph(np.ones((2, 2), np.float32)), facts_of(project), classes=CLASSES)
    hand_in(project)
    encoder_comparison.ask(project=project)
    create_dataset(project, manager)
    uploads.receive(project=project, user=manager, name="more.jsonl", chunks=[lines(item)], strict=True)
    registering.receive(project=project, user=manager, name="m.zip", chunks=[graph])
    ask_for_predictions(version=version, user=manager, name="x.jsonl", chunks=[lines(item)], probabilities=True)
    for kind in (Job.Kind.REPICK, Job.Kind.REPLACE, Job.Kind.RELABEL, Job.Kind.REBUILD, Job.Kind.FINISH):
        Job.objects.enqueue(kind, project=project)
    for kind in (Job.Kind.CALIBRATE, Job.Kind.BASELINE, Job.Kind.MISLABELED, Job.Kind.SURVEY):
        Job.objects.enqueue(kind, project=project, batch=project.batches.get(number=2))
    Job.objects.filter(kind__in=[Job.Kind.BASELINE, Job.Kind.SURVEY]).update(state=Job.State.WAITING)


@pytest.mark.parametrize("way", some([*CHANGES, *OTHERS]))
def test_every_step_bears_wrong_arrays_and_every_batch_has_a_way_out(project: Project, way: str) -> None:
    last = project.batches.latest("number").number
    Job.objects.filter(batch=None, state="done").update(kind="before")
    answer(project, skip=True)
    ask_for_all(project)
    run_and_spoil(project, way)
    all_end_in_sentences()
    answer(project)
    run_and_spoil(project, way)
    all_end_in_sentences()
    lead_out(project)
    assert project.batches.filter(number__gt=last, state__in=["ready", "open"]).exists()
    ran = Job.objects.exclude(state="waiting").exclude(kind="before").values_list("kind", flat=True)
    assert {*ran, *NOT_HERE} == set(STEPS)
