"""Projects with a goal, whose people answer the draws of audits with the truth."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from django.db.models import F
from django.utils import timezone
from factories import make_items, make_member, make_open_batch, make_project
from pages import make_version

from labeling.finishing.audits import next_draws
from labeling.finishing.goal import Goal, start
from labeling.labels import counting
from labeling.loop.step import Step
from labeling.models import Annotation, Audit, AuditDraw, Batch, Item, Job, ModelVersion, Project, Task
from labeling.steps.registry import finish
from labeling.storage.arrays.files import ProjectFiles, save_array

GOAL: dict[str, Any] = {"error": 0.05, "confidence": 0.95, "by_class": False, "within": 0}


def make_predicted(project: Project, number: int = 1, *, wrong: int = 100) -> ModelVersion:
    """Create a version that predicts the truth of all items but each `wrong`-th, of which it is less sure."""
    batch = project.batches.get(number=number)
    Batch.objects.filter(pk=batch.pk).update(state=Batch.State.DONE, remaining=0, done_at=timezone.now())
    version = make_version(batch, number)
    truths = project.items.order_by("row").values_list("truth", flat=True)
    truth = np.array([truth[0] if isinstance(truth, list) else truth for truth in truths], np.int32)
    rows = np.arange(len(truth))
    is_wrong = rows % wrong == wrong - 1
    files = ProjectFiles(project)
    other = (truth + 1) % project.answer_count
    save_array(files.pool(version, "best"), np.where(is_wrong, other, truth))
    confidence = np.where(is_wrong, 0.7, 0.995).astype(np.float32)
    save_array(files.pool(version, "confidence"), confidence)
    if project.question == "multi":  # a class too many where the version is wrong
        chosen = np.sort(np.stack([truth, np.where(is_wrong, other, -1)], axis=1), axis=1)
        save_array(files.pool(version, "chosen"), np.where(chosen[:, :1] < 0, chosen[:, ::-1], chosen).astype(np.int16))
        save_array(files.pool(version, "sureness"), confidence)
    save_array(files.pool(version, "margins"), confidence - 0.1)
    return version


def label_truly(items: Iterable[Item]) -> None:
    """Label the items as people would who know the truth."""
    keys = [item.pk for item in items]
    Item.objects.filter(pk__in=keys).update(label=F("truth"), agreement=1, labeled_at=timezone.now())


def make_goal(
    n: int = 1500, *, labeled: int = 100, wrong: int = 100, reserved: int = 0, goal: Any = None, **settings: Any
) -> Project:
    """Create a project of n items, `labeled` of them by people, with a model version, and start its goal. Every
    `reserved`-th item without a label is reserved for control, none with 0.
    """
    project = make_project(**{"overlap_max": 3, "pick_ahead": 0.5, "batch_size": 1000, **settings})
    for name in ("ann", "bob"):
        make_member(project, name)
    items = make_items(project, n)
    if reserved:
        Item.objects.filter(pk__in=[item.pk for item in items[labeled::reserved]]).update(reserved=True)
    batch = make_open_batch(project, items[:labeled])
    batch.tasks.update(free=0, outstanding=0)
    label_truly(items[:labeled])
    Project.objects.filter(pk=project.pk).update(encoded_rows=n)
    project.refresh_from_db()
    make_predicted(project, wrong=wrong)
    counting.recount(batch)
    start(project, None, Goal(**GOAL | (goal or {})))
    advance(project)
    return project


def advance(project: Project) -> None:
    """Run the waiting step of the goal."""
    Job.objects.enqueue(Job.Kind.FINISH, project=project)
    job = Job.objects.waiting().get(project=project, kind=Job.Kind.FINISH)
    assert Job.objects.take(job, "a worker", timezone.now())
    finish(Step(job, gives_way=False))
    Job.objects.filter(kind=Job.Kind.SELECT, project=project).delete()
    project.batches.filter(state=Batch.State.SELECTING).delete()


def answer_draws(project: Project, n: int) -> int:
    """Let a batch ask the next n draws, and one person answer them with the truth, or two where the model is wrong.
    Return their number.
    """
    draws = next_draws(project, n)
    if not draws:
        return 0
    items = Item.objects.in_bulk([draw.item for draw in draws])
    number = project.batches.count() + 1
    batch = make_open_batch(project, [items[draw.item] for draw in draws], number=number)
    batch.tasks.update(free=0, outstanding=0)
    tasks: list[Task] = list(batch.tasks.order_by("rank"))
    AuditDraw.objects.bulk_create(
        AuditDraw(audit=draw.audit, place=draw.place, task=task, value=project.asks.whole(draw.value))
        for draw, task in zip(draws, tasks, strict=True)
    )
    ann, bob = (project.memberships.get(user__username=name).user for name in ("ann", "bob"))
    Annotation.objects.bulk_create(
        Annotation(task=task, user=user, value=items[draw.item].truth, seconds=1)
        for draw, task in zip(draws, tasks, strict=True)
        for user in ([ann] if project.asks.whole(draw.value) == items[draw.item].truth else [ann, bob])
    )
    label_truly(items.values())
    Batch.objects.filter(pk=batch.pk).update(state=Batch.State.DONE, remaining=0, labeled=len(draws))
    return len(draws)


def answer_until_proven(project: Project, step: int = 50) -> int:
    """Let people answer draws until no audit asks. Return the number of answers."""
    answers = 0
    while Audit.objects.asking().filter(project=project).exists():
        asked = answer_draws(project, step)
        assert asked
        answers += asked
        advance(project)
    return answers
