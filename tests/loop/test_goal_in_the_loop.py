"""Test a goal from its start to a certificate, with people who err; and the selection of draws under kills."""

import random
import time
import uuid
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from digits import annotator, digits_project
from draining import ON_THE_SIDE, drain
from factories import make_project
from processes import wait_until, worker
from test_crashes import attempts, kill

from labeling.finishing import goal
from labeling.models import Audit, AuditDraw, Batch, Certificate, Finish, Job, Project, Task, User
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker
from tests.finishing.audit_rows import make_audit, make_predicted
from tests.finishing.conftest import whole_batches  # noqa: F401  a fixture for all tests here

pytestmark = pytest.mark.django_db(transaction=True)

ERROR = 0.03
MOST_BATCHES = 12
TRAINING = {"epochs": 30, "min_steps": 150, "calibration_labels": 0, "learns_from": "labels"}


def answer_batch(project: Project, people: list[User], rng: np.random.Generator) -> None:
    """Let people in turn answer a few tasks of the open batch, with errors, until none is left."""
    while sum([_answer_some(project, user, rng) for user in people]):
        pass


def _answer_some(project: Project, user: User, rng: np.random.Generator) -> int:
    tasks = queue.claim(project=project, user=user, count=10).tasks
    answers = [Answer(uuid.uuid4(), task.pk, _answer(task.shown.truth, rng)) for task in tasks]
    assert not submitting.submit(project=project, user=user, answers=answers).rejected
    return len(tasks)


def _answer(truth: bool | int | list[int], rng: np.random.Generator) -> bool | int | list[int]:
    """Return the truth with errors: no for yes, another class, or about each class yes for no."""
    if isinstance(truth, bool):
        return truth != bool(rng.random() < ERROR)
    if isinstance(truth, int):
        wrong = rng.integers(1, 10) if rng.random() < ERROR else 0
        return int(truth + wrong) % 10
    return [index for index in range(10) if (index in truth) != (rng.random() < ERROR)]


@pytest.mark.long
@pytest.mark.parametrize(
    ("question", "n", "people"),
    # Of several classes a quarter of whole answers is wrong about some class: a third person settles some of them. Of
    # the proposed classes to verify, a third are wrong, and the model learns from people's yes and no.
    [("single", 700, 2), ("multi", 700, 4), ("verify", 1200, 2)],
)
def test_an_audit_is_asked_and_ends_in_a_certificate_that_holds(
    tmp_path: Path, question: str, n: int, people: int
) -> None:
    project = digits_project(tmp_path, n=n, question=question, batch_size=n // 5, control_share=0.1, training=TRAINING)
    users = [annotator(project, name) for name in ("annie", "bert", "carl", "dora")[:people]]
    run_until_finished(project, users, by_class=question == "multi")
    certificate = Certificate.objects.standing().get()
    assert certificate.audit.state == Audit.State.PROVEN
    assert AuditDraw.objects.count() >= certificate.asked / 2, "the others were picked for training, and count, too"
    assert Task.objects.further().filter(is_gold=False).exists(), "an answer that differed was asked again"
    certified = list(certificate.certified_labels.values_list("value", "item__truth"))
    answered = list(project.items.labeled().values_list("label", "truth"))
    assert len(certified) == certificate.labels > 50
    assert len(certified) + len(answered) == n, "each item has a label"
    assert question != "verify" or {value for value, _ in certified} == {True, False}
    wrong = wrong_about_worst_class if question == "multi" else number_wrong
    assert wrong(certified) <= certificate.most_wrong
    assert wrong([*certified, *answered]) <= 0.1 * n


def number_wrong(labels: Iterable[tuple[Any, Any]]) -> int:
    return sum(value != truth for value, truth in labels)


def wrong_about_worst_class(labels: Iterable[tuple[list[int], list[int]]]) -> int:
    """Return the number of labels that are wrong about the class about which most are. `labels`: values and truths."""
    return max(Counter(index for value, truth in labels for index in {*value} ^ {*truth}).values(), default=0)


def run_until_finished(project: Project, people: list[User], *, by_class: bool) -> None:
    """Let people answer a first batch, start a goal of 10 %, and let them answer further batches until none opens."""
    rng = np.random.default_rng(5)
    drain(aside=ON_THE_SIDE)
    answer_batch(project, people, rng)
    drain(aside=ON_THE_SIDE)
    goal.start(project, None, goal.Goal(error=0.1, by_class=by_class))
    for _ in range(MOST_BATCHES):
        drain(aside=ON_THE_SIDE)
        if not project.batches.open().exists():
            break
        answer_batch(project, people, rng)
    assert not Job.objects.filter(state=Job.State.FAILED).exists()


@pytest.mark.long
def test_a_selection_of_draws_that_is_killed_at_any_moment_asks_each_once() -> None:
    project = make_project(batch_size=400, strategy="margin", show_predictions=True)
    Finish.objects.create(project=project)
    version = make_predicted(project, 1500, confidence=(0.9999, 0.8))
    project.items.filter(row__gte=1100).update(reserved=True)  # no candidates: so the batch is full
    audit = make_audit(version, in_order=False)
    batch = Batch.objects.create(project=project, number=2, selected_by=version, strategy="margin")
    Job.objects.enqueue(Job.Kind.SELECT, project=project, batch=batch)
    rng = random.Random(3)
    for _ in range(4):
        before = attempts()
        with worker() as process:
            wait_until(lambda before=before: attempts() != before or not Job.objects.unfinished().exists())
            time.sleep(0.3 * rng.random())
            kill(process)
    assert Job.objects.get(kind=Job.Kind.SELECT).attempts > 1, "no step was killed"
    Worker(run_step).look_around()
    drain(aside=ON_THE_SIDE)
    batch.refresh_from_db()
    assert (batch.state, batch.size) == (Batch.State.OPEN, 400)
    draws = AuditDraw.objects.filter(task__batch=batch)
    places = sorted(draws.filter(is_decoy=False).values_list("place", flat=True))
    assert places == list(range(len(places)))
    assert AuditDraw.objects.count() == draws.count() > len(places) > 0
    assert draws.filter(task__asked=True).count() == draws.count()
    assert audit.project.items.filter(task__audit_draw__isnull=False).count() == draws.count()
