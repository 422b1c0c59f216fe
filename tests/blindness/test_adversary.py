"""Test that colluding annotators cannot recognise gold and control tasks, and that they can without each safeguard."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from adversary import Adversary, Verdict, judge, kinds_of
from django.utils import timezone
from factories import make_member
from PIL import Image
from sklearn.datasets import load_digits

from labeling.answering import copy_answers, gold, item_labels, queue, rechecking, submitting
from labeling.answering.answer import Answer
from labeling.certifying import schedule
from labeling.intake.run import import_items
from labeling.intake.uploads import register
from labeling.loop.step import Step
from labeling.loop.worker import Worker
from labeling.models import Assignment, Batch, Finish, Item, Job, Project, Task, User
from labeling.models.jobs import worker_name
from labeling.projects.create import create_project
from labeling.steps import replace
from labeling.steps.registry import run_step
from tests.extent import ALL, some
from tests.finishing.audit_rows import make_audit

pytestmark = pytest.mark.django_db(transaction=True)

DIGITS, TIMES = 150, 4
SMALL, LARGE = 40, 70 if ALL else 44
"""Sizes of the batches before the one that the adversary plays, and of that one."""
DRAWS = 40 if ALL else 14
KINDS = ("gold", "control", "audit")
"""Checks are played, too. A person who saw one as a near-copy knows it again: docs/decisions/0080."""
SUSPICIOUS = 0.01
SETTINGS = {
    "seed": 7,
    "batch_size": SMALL,
    "control_share": 0.2,
    "overlap_max": 3,
    "label_confidence": 0.95,
    "gold_threshold": 0.3,
    "show_predictions": True,
    "class_proposals": True,
    "near_copies": 3,
    "copy_checks": 0.5,
    "copy_error": 0.3,
    "mean_cluster_size": 4.0,
    "pick_ahead": None,
    "training": {"epochs": 15, "min_steps": 60, "calibration_labels": 0, "learns_from": "labels"},
    "encoder": {"name": "pixels", "options": {"size": 16}},
}
IN_GRIDS: dict[str, Any] = {
    "question": "verify",
    "grids": True,
    "overlap_max": None,  # one answer settles a task: a skip is replaced at once
    "near_copies": 0,
    "copy_checks": 0.1,
    "class_proposals": False,
}
ON_THE_SIDE = (Job.Kind.SURVEY, Job.Kind.BASELINE, Job.Kind.CALIBRATE, Job.Kind.MISLABELED)


@pytest.fixture(autouse=True)
def _few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the audit ask the same number of draws, whatever it needs."""
    monkeypatch.setattr(schedule, "advise", lambda *_, price: schedule.Advice(None, float(DRAWS)))


def drain() -> None:
    """Run the steps of the loop, except slow steps that only measure."""
    worker = Worker(run_step)
    while worker.run_next():
        Job.objects.filter(kind__in=ON_THE_SIDE, state=Job.State.WAITING).update(state=Job.State.DONE)


def noisy_digits(path: Path, *, proposing: bool) -> Path:
    """Return each digit several times with slight noise, and for `verify` with a proposed class that is right half the
    time.
    """
    digits, rng, lines = load_digits(), np.random.default_rng(0), []
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(DIGITS * TIMES):
            image = digits.images[number // TIMES] * 15
            picture = io.BytesIO()
            noisy = np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(picture, "PNG")
            archive.writestr(f"{number:04}.png", picture.getvalue())
            truth = digits.target[number // TIMES]
            proposed = truth if rng.random() < 0.5 else rng.integers(10)
            answer = {"class": str(proposed), "truth": bool(proposed == truth)} if proposing else {"truth": str(truth)}
            lines.append(json.dumps({"file_name": f"{number:04}.png", **answer}))
        archive.writestr("metadata.jsonl", "\n".join(lines))
    return path


def imported(folder: Path, number: int, settings: dict[str, Any]) -> Project:
    """Create a project of noisy digits, before any step has run."""
    classes = [str(digit) for digit in range(10)]
    all_settings = {**SETTINGS, **settings, "secret": bytes([number]) * 32}
    project = create_project(slug=f"digits-{number}", kind="image", classes=classes, settings=all_settings)
    path = noisy_digits(folder / f"{number}.zip", proposing=project.asks.proposes)
    job = register(project=project, user=None, path=path, name=path.name, strict=True, taken_by=worker_name())
    import_items(Step(job, gives_way=False))
    return project


def world(folder: Path, number: int, settings: dict[str, Any]) -> Project:
    """Create a project whose third batch is open, with gold and control tasks and the draws of an audit, and with
    checks if it shows near-copies.
    """
    project = imported(folder, number, settings)
    honest = [make_member(project, f"{name}-{project.slug}") for name in ("hana", "hugo")]
    for size, share in ((SMALL, 0.0), (LARGE, 0.25)):
        drain()
        for user in honest:
            answer_truly(project, user)
        Project.objects.filter(pk=project.pk).update(batch_size=size, gold_share=share)
        known = project.items.labeled().filter(reserved=False).order_by("pk")[:30]
        Item.objects.filter(pk__in=list(known.values_list("pk", flat=True))).update(gold=1)
        for item in project.items.filter(gold__isnull=False):
            Item.objects.filter(pk=item.pk).update(gold=item.label)
        if not share:
            drain()
            Finish.objects.create(project=project)
            make_audit(project.versions.get(), in_order=False, target_share=0.02)
    drain()
    project.refresh_from_db()
    return project


def answer_truly(project: Project, user: User) -> None:
    """Answer all tasks with the truth, and leave in the copies with the same truth."""
    while tasks := queue.claim(project=project, user=user, count=50).tasks:
        beside = copy_answers.shown_beside(project, tasks)
        answers = []
        for task in tasks:
            truth = Item.objects.get(pk=task.item_key).truth
            shown = Item.objects.filter(pk__in=[item.pk for item in beside.get(task.pk, ())])
            same = [item.pk for item in shown if item.truth == truth]
            different = [item.pk for item in shown if item.truth != truth]
            answers.append(Answer(uuid.uuid4(), task.pk, truth, same=same, different=different))
        assert not submitting.submit(project=project, user=user, answers=answers).rejected


def play(
    project: Project, batch: Batch, number: int, reads: Callable[[], int] = lambda: 0
) -> dict[int, dict[str, float]]:
    """Let the adversary answer the batch, mostly right, and return the features of each task."""
    watch = gold.Watch()
    rng = np.random.default_rng(number)

    def background() -> None:
        watch(timezone.now())
        worker = Worker(run_step, kinds=[Job.Kind.REPLACE])
        while worker.run_next():
            pass

    def answer(item: Item) -> Any:
        if project.asks.proposes:
            return item.truth is (rng.random() < 0.85)
        return item.truth if rng.random() < 0.85 else int(rng.integers(10))

    return Adversary(project, background, answer, batch=batch.number, reads=reads).play()


def verdicts(
    folder: Path,
    number: int,
    settings: dict[str, Any],
    others: Collection[str] = ("other",),
    before: Callable[[Project], Callable[[], int]] = lambda project: lambda: 0,
) -> list[Verdict]:
    """Return the adversary's verdicts about a world's third batch. `others`: the kinds of its tasks besides. `before`
    prepares the world, and returns `Adversary.reads`.
    """
    project = world(folder, number, settings)
    reads = before(project)
    batch = project.batches.open().get()
    kinds = kinds_of(project, batch.number)
    features = play(project, batch, number, reads)
    played = {kinds[task] for task in features if task in kinds}
    assert played == {*KINDS, *(("check",) if project.near_copies else ()), *others}
    tasks = Task.objects.filter(pk__in=features).select_related("item", "repeats")
    proposed = {task.pk: task.shown.proposed for task in tasks if task.shown.proposed is not None}
    unseen = {task.pk: kinds[task.pk] for task in tasks if not task.prompted}
    return [
        *(judge(features, kinds, kind, proposed) for kind in KINDS if kind in played),
        judge(features, unseen, "audit", proposed),  # the tasks whose answers prove: decoys left out
    ]


def first_verdicts(folder: Path, number: int) -> list[Verdict]:
    """Return the adversary's verdicts about a first batch: no model has picked it, and most of its items cover the
    pool.
    """
    project = imported(folder, number, {"batch_size": LARGE})
    drain()
    batch = project.batches.open().get()
    covering = batch.tasks.filter(asked=True).values_list("pk", flat=True)
    kinds = kinds_of(project, 1) | dict.fromkeys(covering, "covering")
    features = play(project, batch, number)
    assert {kinds[task] for task in features if task in kinds} == {"control", "covering", "other"}
    return [judge(features, kinds, kind, {}) for kind in ("control", "covering")]


def unmend_skips(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove a safeguard: do not replace skipped gold tasks."""
    real = replace._skipped
    monkeypatch.setattr(replace, "_skipped", lambda batch: real(batch).picked())


def unmend_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove a safeguard: judge gold answers in the request that submits them."""

    def keep(items: Iterable[int]) -> None:
        for item in items:
            place = Assignment.objects.filter(task__repeats=item, task__is_gold=True).latest("answered_at")
            gold.look_at(place.task.batch.project, place.user)

    monkeypatch.setattr(item_labels, "keep", keep)


def unmend_repetition(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove a safeguard: never ask a second person about gold tasks, and ignore the model's prediction on control
    tasks.
    """
    real = rechecking.ask_one_more

    def ask_one_more(project: Project, batch: Batch, ids: Collection[int]) -> set[int]:
        others = Task.objects.filter(pk__in=ids, is_gold=False).values_list("pk", flat=True)
        return real(project, batch, list(others))

    monkeypatch.setattr(rechecking, "ask_one_more", ask_one_more)
    monkeypatch.setattr(rechecking, "asking_vote_of", rechecking.model_vote_of)


@pytest.mark.long
@pytest.mark.parametrize(("unmend", "changes"), [(unmend_skips, IN_GRIDS), (unmend_time, {}), (unmend_repetition, {})])
def test_the_adversary_finds_what_is_not_mended(
    unmend: Callable[[pytest.MonkeyPatch], None],
    changes: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unmend(monkeypatch)
    found = {verdict.kind: verdict for verdict in verdicts(tmp_path, 3, changes)}
    assert found["gold"].p <= SUSPICIOUS, str(found["gold"])
    assert found["gold"].area > 0.7, str(found["gold"])


def assert_nothing_tells(verdicts_about: Callable[[int], list[Verdict]]) -> None:
    """A second world is tested if the first looks suspicious, because one world in some dozens does so by chance."""
    suspected = [each for each in verdicts_about(4) if each.p <= SUSPICIOUS]
    for verdict in verdicts_about(2) if suspected else []:
        before = next((each for each in suspected if each.kind == verdict.kind), None)
        assert before is None or verdict.p > SUSPICIOUS, f"{before}; again {verdict}"


@pytest.mark.parametrize("changes", some([{}, IN_GRIDS]))
def test_nothing_tells(changes: dict[str, Any], tmp_path: Path) -> None:
    assert_nothing_tells(lambda number: verdicts(tmp_path, number, changes))


@pytest.mark.long
def test_nothing_tells_early_in_a_long_audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All tasks of the batch but its gold and control tasks are draws."""
    monkeypatch.setattr(schedule, "advise", lambda *_, price: schedule.Advice(None, 4.0 * LARGE))
    only_draws = {"near_copies": 0}
    assert_nothing_tells(lambda number: verdicts(tmp_path, number, only_draws, others=()))


def test_nothing_tells_in_a_first_batch(tmp_path: Path) -> None:
    assert_nothing_tells(lambda number: first_verdicts(tmp_path, number))
