"""Projects of noisy digits, whose batches the steps of the loop pick and truthful people answer."""

import io
import json
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import draining
import numpy as np
from adversary import Adversary
from django.utils import timezone
from factories import make_member
from PIL import Image
from sklearn.datasets import load_digits
from taken_in import take_in

from labeling.models import Batch, Finish, Item, Job, Project, User
from labeling.projects.create import create_project
from labeling.queue import copy_answers, gold, queue, submitting
from labeling.queue.answer import Answer
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker
from tests.extent import ALL
from tests.finishing.audit_rows import make_audit

DIGITS, TIMES = 150, 4
SMALL, LARGE = 40, 70 if ALL else 44
"""Sizes of the batches before the one that the adversary plays, and of that one."""
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
    "mean_cluster_size": 4.0,
    "pick_ahead": None,
    "training": {"epochs": 15, "min_steps": 60, "calibration_labels": 0, "learns_from": "labels"},
    "encoder": {"name": "pixels", "options": {"size": 16}},
}


def drain() -> None:
    """Run the steps of the loop, except slow steps that only measure."""
    draining.drain(may_fail=True, aside=draining.ON_THE_SIDE)


def noisy_digits(path: Path, *, proposing: bool, suggesting: bool = False) -> Path:
    """Return each digit several times with slight noise, and for `verify` with a proposed class that is right half the
    time. With `suggesting`, two thirds have a suggestion that is right half the time.
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
            if suggesting and rng.random() < 2 / 3:
                answer["suggestion"] = str(proposed)
            lines.append(json.dumps({"file_name": f"{number:04}.png", **answer}))
        archive.writestr("metadata.jsonl", "\n".join(lines))
    return path


def imported(folder: Path, number: int, settings: dict[str, Any], *, suggesting: bool = False) -> Project:
    """Create a project of noisy digits, before any step has run. With `suggesting`, two thirds have a suggestion."""
    classes = [str(digit) for digit in range(10)]
    all_settings = {**SETTINGS, **settings, "secret": bytes([number]) * 32}
    project = create_project(slug=f"digits-{number}", kind="image", classes=classes, settings=all_settings)
    path = noisy_digits(folder / f"{number}.zip", proposing=project.asks.proposes, suggesting=suggesting)
    take_in(project, path)
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
    while answer_some(project, user, 50):
        pass


def answer_some(project: Project, user: User, count: int) -> bool:
    """Answer up to so many tasks as `answer_truly` does. Return whether there were any."""
    tasks = queue.claim(project=project, user=user, count=count).tasks
    beside = copy_answers.shown_beside(project, tasks)
    answers = []
    for task in tasks:
        truth = Item.objects.get(pk=task.item_key).truth
        shown = Item.objects.filter(pk__in=[item.pk for item in beside.get(task.pk, ())])
        same = [item.pk for item in shown if item.truth == truth]
        different = [item.pk for item in shown if item.truth != truth]
        answers.append(Answer(uuid.uuid4(), task.pk, truth, same=same, different=different))
    assert not submitting.submit(project=project, user=user, answers=answers).rejected
    return bool(tasks)


def adversary_in(
    project: Project,
    batch: Batch,
    number: int,
    reads: Callable[[], int] = lambda: 0,
    connect: Callable[[User], Any] | None = None,
) -> Adversary:
    """Return an adversary for the batch, whose answers are mostly right. `number` seeds the wrong ones."""
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

    return Adversary(project, background, answer, batch=batch.number, reads=reads, connect=connect)
