"""Test a goal from its start to a certificate, with people who err; and the selection of draws under kills."""

import random
import time
import uuid
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from digits import annotator, digits_project
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

pytestmark = pytest.mark.django_db(transaction=True)

ERROR = 0.03
MOST_BATCHES = 12
TRAINING = {"epochs": 30, "min_steps": 150, "calibration_labels": 0, "learns_from": "labels"}
ON_THE_SIDE = [Job.Kind.SURVEY, Job.Kind.CALIBRATE, Job.Kind.MISLABELED]


def drain() -> None:
    """Run the steps of the loop, except steps that only measure."""
    runner = Worker(run_step)
    runner.look_around()
    while runner.run_next():
        Job.objects.waiting().filter(kind__in=ON_THE_SIDE).delete()


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
def test_an_audit_is_asked_and_ends_in_a_certificate_that_holds(tmp_path: Path) -> None:
    project = digits_project(tmp_path, n=700, batch_size=140, control_share=0.1, training=TRAINING)
    people = [annotator(project, name) for name in ("annie", "bert")]
    run_until_finished(project, people, by_class=False)
    certificate = Certificate.objects.standing().get()
    assert certificate.audit.state == Audit.State.PROVEN
    assert AuditDraw.objects.count() >= certificate.asked / 2, "the others were picked for training, and count, too"
    assert Task.objects.further().filter(is_gold=False).exists(), "an answer that differed was asked again"
    certified = certificate.certified_labels.values_list("value", "item__truth")
    assert len(certified) == certificate.labels > 50
    assert sum(value != truth for value, truth in certified) <= certificate.most_wrong
    assert not project.items.unlabeled().exists()
    assert certificate.labels + project.items.labeled().count() == 700, "each item has a label"


@pytest.mark.long
def test_each_class_of_images_with_any_number_of_classes_is_certified(tmp_path: Path) -> None:
    """A quarter of whole answers is wrong about some class, so that a third person has to settle some of them."""
    project = digits_project(tmp_path, n=700, question="multi", batch_size=140, control_share=0.1, training=TRAINING)
    people = [annotator(project, name) for name in ("annie", "bert", "carl", "dora")]
    run_until_finished(project, people, by_class=True)
    certificate = Certificate.objects.standing().get()
    certified = certificate.certified_labels.values_list("value", "item__truth")
    assert len(certified) == certificate.labels > 50
    assert wrong_about_worst_class(certified) <= certificate.most_wrong
    answered = project.items.labeled().values_list("label", "truth")
    assert len(certified) + len(answered) == 700, "each item has a label"
    assert wrong_about_worst_class([*certified, *answered]) <= 0.1 * 700


@pytest.mark.long
def test_proposals_that_a_model_rejects_or_confirms_are_certified(tmp_path: Path) -> None:
    """A third of the proposed classes are wrong. The model learns from people's yes and no, 3 in 100 of them wrong."""
    project = digits_project(tmp_path, n=1200, question="verify", batch_size=240, control_share=0.1, training=TRAINING)
    people = [annotator(project, name) for name in ("annie", "bert")]
    run_until_finished(project, people, by_class=False)
    certificate = Certificate.objects.standing().get()
    certified = list(certificate.certified_labels.values_list("value", "item__truth"))
    answered = list(project.items.labeled().values_list("label", "truth"))
    assert len(certified) == certificate.labels > 50
    assert {value for value, _ in certified} == {True, False}
    assert sum(value != truth for value, truth in certified) <= certificate.most_wrong
    assert len(certified) + len(answered) == 1200, "each item has a label"
    assert sum(value != truth for value, truth in [*certified, *answered]) <= 0.1 * 1200


def wrong_about_worst_class(labels: Iterable[tuple[list[int], list[int]]]) -> int:
    """Return the number of labels that are wrong about the class about which most are. `labels`: values and truths."""
    return max(Counter(index for value, truth in labels for index in {*value} ^ {*truth}).values(), default=0)


def run_until_finished(project: Project, people: list[User], *, by_class: bool) -> None:
    """Let people answer a first batch, start a goal of 10 %, and let them answer further batches until none opens."""
    rng = np.random.default_rng(5)
    drain()
    answer_batch(project, people, rng)
    drain()
    goal.start(project, None, goal.Goal(error=0.1, by_class=by_class))
    for _ in range(MOST_BATCHES):
        drain()
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
    drain()
    batch.refresh_from_db()
    assert (batch.state, batch.size) == (Batch.State.OPEN, 400)
    draws = AuditDraw.objects.filter(task__batch=batch)
    places = sorted(draws.filter(is_decoy=False).values_list("place", flat=True))
    assert places == list(range(len(places)))
    assert AuditDraw.objects.count() == draws.count() > len(places) > 0
    assert draws.filter(task__asked=True).count() == draws.count()
    assert audit.project.items.filter(task__audit_draw__isnull=False).count() == draws.count()
