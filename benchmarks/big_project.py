"""A large project for measurements of pages, inserted in bulk without files, worker or training."""

from __future__ import annotations

import datetime
import random
import uuid
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from django.db import connection, transaction
from django.db.models import Model
from django.utils import timezone

from labeling.db.statements import insert_many
from labeling.loop.sweeps import recount
from labeling.models import Annotation, Assignment, Batch, Item, ModelVersion, Project, Role, Task, User
from labeling.projects.create import create_project
from labeling.projects.members import get_or_create_user, set_role

SLUG = "big"
ITEMS = 200_000
ROUNDS = 20
# Shares of the items: tasks of the open batch (half of them answered), and annotations.
OPEN_SHARE, ANSWERED_SHARE = 0.1, 0.5
ANNOTATORS = 10
CLASSES = 50
ACCOUNTS = {"annie": Role.ANNOTATOR, "bert": Role.ANNOTATOR, "enzo": Role.ENGINEER, "mona": Role.MANAGER}


@transaction.atomic
def make_big_project(n_items: int = ITEMS) -> str:
    """Create a project with twenty finished batches, their model versions, and an open batch. Return its slug."""
    rng = random.Random(1)
    classes = [f"class {number}" for number in range(CLASSES)]
    open_size = round(OPEN_SHARE * n_items)
    size = round((ANSWERED_SHARE * n_items - open_size / 2) / ROUNDS)
    settings = {"name": "A large pool", "batch_size": open_size, "control_share": 0.1, "seed": 1}
    project = create_project(slug=SLUG, kind="text", classes=classes, settings=settings)
    for name, role in ACCOUNTS.items():
        set_role(project=project, user=User.objects.get(username=name), role=role)
    people = [get_or_create_user(f"big-{number}")[0] for number in range(ANNOTATORS)]
    for user in people:
        set_role(project=project, user=user, role=Role.ANNOTATOR)
    start = timezone.now() - datetime.timedelta(days=ROUNDS + 1)
    insert(items_of(project, n_items, rng, start))
    Project.objects.filter(pk=project.pk).update(encoded_rows=n_items)
    version = None
    for number in range(1, ROUNDS + 2):
        rows = range((number - 1) * size, number * size if number <= ROUNDS else ROUNDS * size + open_size)
        batch = _batch(project, number, start + datetime.timedelta(days=number), version, rows)
        _tasks(batch, rows, people, rng)
        if number <= ROUNDS:
            version = _version(batch, version, rng)
        recount(batch)
    return SLUG


def insert(instances: Iterable[Model]) -> None:
    """Insert the rows as they are; fields that are set on creation keep their values."""
    instances = iter(instances)
    first = next(instances)
    fields = [field for field in first._meta.concrete_fields if field.name != "id" or first.pk]
    cells = (
        [field.get_db_prep_save(getattr(each, field.attname), connection) for field in fields]
        for each in chain([first], instances)
    )
    insert_many(type(first), [field.name for field in fields], cells)


def items_of(
    project: Project, number: int, rng: random.Random, at: datetime.datetime, *, classes: int = CLASSES
) -> Iterator[Item]:
    """Yield encoded texts with a known answer, to be inserted."""
    for row in range(number):
        key = rng.random()
        data = {"text": f"Text number {row}, which says nothing that would matter here.", "source": f"file {row % 97}"}
        yield Item(
            project=project, external_id=f"text-{row:07}", row=row, data=data, truth=row % classes,
            control_key=key, reserved=key < project.control_share, created_at=at,
        )  # fmt: skip


def _batch(
    project: Project, number: int, opened: datetime.datetime, version: ModelVersion | None, rows: range
) -> Batch:
    is_done = number <= ROUNDS
    later = opened + datetime.timedelta(hours=23) if is_done else None
    pool = project.encoded_rows
    return Batch.objects.create(
        project=project, number=number, state=Batch.State.DONE if is_done else Batch.State.OPEN,
        strategy="cluster-margin" if version else "seed", seed=number, batch_size=len(rows), candidate_factor=10,
        candidates=10 * len(rows), mean_cluster_size=10, clusters=pool // 10, control_share=0.1, pool_size=pool,
        pool_rows=pool, selected_by=version, size=len(rows), remaining=0 if is_done else len(rows) - len(rows) // 2,
        opened_at=opened, completed_at=later, done_at=later,
    )  # fmt: skip


def _tasks(batch: Batch, rows: range, people: list[User], rng: random.Random) -> None:
    """Create the batch's tasks and their answers: nine in ten right, one in fifty a skip."""
    answered = batch.size - batch.remaining
    assert batch.opened_at is not None
    items = list(batch.project.items.filter(row__gte=rows.start, row__lt=rows.stop).order_by("row"))
    insert(
        Task(
            batch=batch, item=item, rank=rank, is_control=item.reserved, margin=rng.random(), cluster=rank // 3,
            cluster_size=3, draw_pass=1, predicted=item.truth, confidence=rng.random(),
            free=int(rank >= answered), outstanding=int(rank >= answered),
        )
        for rank, item in enumerate(items)
    )  # fmt: skip
    annotations, assignments, labels = [], [], []
    tasks = batch.tasks.filter(rank__lt=answered).order_by("rank").only("pk", "rank", "batch")
    for task, item in zip(tasks, items, strict=False):
        who, at = rng.choice(people), batch.opened_at + datetime.timedelta(seconds=3.5 * task.rank)
        value = None if rng.random() < 0.02 else item.truth if rng.random() < 0.9 else rng.randrange(CLASSES)
        answer: dict[str, Any] = {"value": value, "skip_reason": "" if value is not None else "Cannot be made out"}
        flagged = rng.random() < 0.01
        annotations.append(
            Annotation(
                id=uuid.UUID(int=rng.getrandbits(128)), task=task, user=who, seconds=rng.uniform(1, 9),
                flagged=flagged, created_at=at, **answer,
            )
        )  # fmt: skip
        assignments.append(Assignment(task=task, user=who, lease_expires_at=at, claimed_at=at, answered_at=at))
        if value is not None:
            labels.append((str(value), at, item.pk))
    insert(annotations)
    insert(assignments)
    _label(labels)


def _label(labels: list[tuple[str, datetime.datetime, int]]) -> None:
    cast = "::jsonb" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.executemany(
            f"UPDATE labeling_item SET label = %s{cast}, agreement = 1, labeled_at = %s WHERE id = %s",
            [(label, connection.ops.adapt_datetimefield_value(at), pk) for label, at, pk in labels],
        )


def _version(batch: Batch, parent: ModelVersion | None, rng: random.Random) -> ModelVersion:
    accuracy = 0.6 + 0.015 * batch.number
    control = {
        "accuracy": accuracy,
        "low": accuracy - 0.01,
        "high": accuracy + 0.01,
        "n": batch.size * batch.number // 10,
    }
    return ModelVersion.objects.create(
        project=batch.project, batch=batch, number=batch.number, parent=parent, artifact=f"models/{batch.number}",
        digest=f"{rng.getrandbits(256):064x}", labels_hash=f"{rng.getrandbits(256):064x}",
        labels=round(0.88 * batch.size) * batch.number, seed=batch.number, metrics={"control": control}, seconds=90,
    )  # fmt: skip
