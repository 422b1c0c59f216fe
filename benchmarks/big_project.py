"""A project as large as pages are measured with: written row by row in bulk, without files, worker or training."""

from __future__ import annotations

import datetime
import random
from typing import Any

from django.utils import timezone

from labeling.models import Annotation, Assignment, Batch, Item, ModelVersion, Project, Role, Task, User
from labeling.projects.create import create_project
from labeling.projects.members import get_or_create_user, set_role

SLUG = "big"
ITEMS, ROUNDS, BATCH = 200_000, 10, 5_000  # 50,000 tasks, an annotation each
ANNOTATORS = 20
CLASSES = 50
CHUNK = 5_000
ACCOUNTS = {"annie": Role.ANNOTATOR, "bert": Role.ANNOTATOR, "enzo": Role.ENGINEER, "mona": Role.MANAGER}


def make_big_project() -> str:
    """Ten batches that are done with their versions, and an open one. Returns the project's slug."""
    rng = random.Random(1)
    classes = [f"class {number}" for number in range(CLASSES)]
    settings = {"name": "A large pool", "batch_size": BATCH, "control_share": 0.1, "seed": 1}
    project = create_project(slug=SLUG, kind="text", classes=classes, settings=settings)
    for name, role in ACCOUNTS.items():
        set_role(project=project, user=User.objects.get(username=name), role=role)
    people = [get_or_create_user(f"big-{number}")[0] for number in range(ANNOTATORS)]
    for user in people:
        set_role(project=project, user=user, role=Role.ANNOTATOR)
    items = _items(project, rng)
    start = timezone.now() - datetime.timedelta(days=ROUNDS + 1)
    version = None
    for number in range(1, ROUNDS + 2):
        chosen = items[(number - 1) * BATCH : number * BATCH]
        opened = start + datetime.timedelta(days=number)
        batch = _batch(project, number, opened, version, chosen, rng)
        if number <= ROUNDS:
            _answer(batch, people, opened, rng)
            version = _version(batch, version, rng)
    return SLUG


def _items(project: Project, rng: random.Random) -> list[Item]:
    items = []
    for row in range(ITEMS):
        key = rng.random()
        data = {"text": f"Text number {row}, which says nothing that would matter here.", "source": f"file {row % 97}"}
        items.append(
            Item(
                project=project, external_id=f"text-{row:06}", row=row, data=data, truth=row % CLASSES,
                control_key=key, is_control=key < project.control_share,
            )
        )  # fmt: skip
    Item.objects.bulk_create(items, batch_size=CHUNK)
    Project.objects.filter(pk=project.pk).update(encoded_rows=ITEMS)
    return items


def _batch(
    project: Project,
    number: int,
    opened: datetime.datetime,
    version: ModelVersion | None,
    items: list[Item],
    rng: random.Random,
) -> Batch:
    done = number <= ROUNDS
    later = opened + datetime.timedelta(hours=9) if done else None
    batch = Batch.objects.create(
        project=project, number=number, state=Batch.State.DONE if done else Batch.State.OPEN,
        strategy="cluster-margin" if version else "seed", seed=number, batch_size=BATCH, candidate_factor=10,
        candidates=10 * BATCH, mean_cluster_size=10, clusters=ITEMS // 10, control_share=0.1, pool_size=ITEMS,
        pool_rows=ITEMS, selected_by=version, size=len(items), remaining=0 if done else len(items),
        opened_at=opened, completed_at=later, done_at=later,
    )  # fmt: skip
    left = 0 if done else 1
    tasks = [
        Task(
            batch=batch, item=item, rank=rank, is_control=item.is_control, margin=rng.random(), cluster=rank // 3,
            cluster_size=3, draw_pass=1, predicted=item.truth, confidence=rng.random(), free=left, outstanding=left,
        )
        for rank, item in enumerate(items)
    ]  # fmt: skip
    Task.objects.bulk_create(tasks, batch_size=CHUNK)
    return batch


def _answer(batch: Batch, people: list[User], opened: datetime.datetime, rng: random.Random) -> None:
    """An annotation for each task: nine in ten right, one in fifty a skip."""
    annotations, assignments, items = [], [], []
    for task in batch.tasks.select_related("item"):
        who, at = rng.choice(people), opened + datetime.timedelta(seconds=5 * task.rank)
        item = task.item
        value = None if rng.random() < 0.02 else item.truth if rng.random() < 0.9 else rng.randrange(CLASSES)
        values: dict[str, Any] = {"value": value, "skip_reason": "" if value is not None else "Cannot be made out"}
        annotations.append(
            Annotation(task=task, user=who, seconds=rng.uniform(1, 9), flagged=rng.random() < 0.01, **values)
        )
        annotations[-1].at = at
        assignments.append(Assignment(task=task, user=who, lease_expires_at=at, answered_at=at))
        item.label, item.agreement, item.labeled_at = value, None if value is None else 1.0, at
        items.append(item)
    Annotation.objects.bulk_create(annotations, batch_size=CHUNK)
    for annotation, item in zip(annotations, items, strict=True):  # the field sets itself on creation
        annotation.created_at = item.labeled_at
    Annotation.objects.bulk_update(annotations, ["created_at"], batch_size=500)
    Assignment.objects.bulk_create(assignments, batch_size=CHUNK)
    Item.objects.bulk_update(items, ["label", "agreement", "labeled_at"], batch_size=500)


def _version(batch: Batch, parent: ModelVersion | None, rng: random.Random) -> ModelVersion:
    accuracy = 0.6 + 0.035 * batch.number
    control = {"accuracy": accuracy, "low": accuracy - 0.03, "high": accuracy + 0.03, "n": 500 * batch.number}
    return ModelVersion.objects.create(
        project=batch.project, batch=batch, number=batch.number, parent=parent, artifact=f"models/{batch.number}",
        digest=f"{rng.getrandbits(256):064x}", labels_hash=f"{rng.getrandbits(256):064x}",
        labels=4_400 * batch.number, seed=batch.number, metrics={"control": control}, seconds=90,
    )  # fmt: skip
