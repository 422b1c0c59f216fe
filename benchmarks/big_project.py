"""A large project for measurements of pages, inserted in bulk without files, worker or training."""

import datetime
import random
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from django.db import connection, transaction
from django.db.models import Model
from django.utils import timezone

from labeling.models import Annotation, Assignment, Batch, Item, ModelVersion, Project, Role, Task, User
from labeling.projects.create import create_project
from labeling.projects.people.members import get_or_create_user, set_role
from labeling.steps.running.sweeps import recount
from labeling.storage.db.statements import converted, insert_many

SLUG = "big"
ITEMS = 200_000
ROUNDS = 20
# Shares of the items: tasks of the open batch (half of them answered), and annotations.
OPEN_SHARE, ANSWERED_SHARE = 0.1, 0.5
ANNOTATORS = 10
CHUNK = 50_000
CLASSES = 50
ACCOUNTS = {"annie": Role.ANNOTATOR, "bert": Role.ANNOTATOR, "enzo": Role.ENGINEER, "mona": Role.MANAGER}


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
    insert_items(project, n_items, rng, start)
    version = None
    for number in range(1, ROUNDS + 2):
        rows = range((number - 1) * size, number * size if number <= ROUNDS else ROUNDS * size + open_size)
        batch = _batch(project, number, start + datetime.timedelta(days=number), version, rows)
        _tasks(batch, rows, people, rng)
        if number <= ROUNDS:
            version = _version(batch, version, rng)
        recount(batch)
    return SLUG


def insert_like(template: Model, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows with these values of the fields `names`. They have the template's values in all other fields, also in
    those that are usually set on creation.
    """
    model = type(template)
    same = [each for each in template._meta.concrete_fields if each.name not in names and each.name != "id"]
    values = [each.get_db_prep_save(getattr(template, each.attname), connection) for each in same]
    rows = iter(rows)
    while part := list(islice(rows, CHUNK)):
        cells = ((*row, *values) for row in converted(model, names, part))
        with transaction.atomic():
            insert_many(model, [*names, *(each.name for each in same)], cells)


def insert_items(
    project: Project,
    number: int,
    rng: random.Random,
    at: datetime.datetime,
    *,
    classes: int = CLASSES,
    media: Callable[[], str] = str,
) -> None:
    """Insert encoded texts with a known answer; `media` returns the name of each one's file."""

    def rows() -> Iterator[tuple[Any, ...]]:
        for row in range(number):
            key = rng.random()
            text = f"Text number {row}, which says nothing that would matter here."
            data = {"text": text, "source": f"file {row % 97}"}
            yield f"text-{row:08}", row, data, row % classes, key, key < project.control_share, media()

    names = ("external_id", "row", "data", "truth", "control_key", "reserved", "media")
    insert_like(Item(project=project, created_at=at), names, rows())
    project.encoded_rows = number
    project.save(update_fields=["encoded_rows"])


def _batch(
    project: Project, number: int, opened: datetime.datetime, version: ModelVersion | None, rows: range
) -> Batch:
    is_done = number <= ROUNDS
    later = opened + datetime.timedelta(hours=23) if is_done else None
    pool = project.encoded_rows
    batch = Batch.objects.create(
        project=project, number=number, state=Batch.State.DONE if is_done else Batch.State.OPEN,
        strategy="cluster-margin" if version else "seed", seed=number, batch_size=len(rows), candidate_factor=10,
        candidates=10 * len(rows), mean_cluster_size=10, clusters=pool // 10, control_share=0.1, pool_size=pool,
        pool_rows=pool, selected_by=version, size=len(rows), remaining=0 if is_done else len(rows) - len(rows) // 2,
        opened_at=opened, completed_at=later, done_at=later,
    )  # fmt: skip
    Batch.objects.filter(pk=batch.pk).update(created_at=opened)  # pages begin their charts there
    return batch


def _tasks(batch: Batch, rows: range, people: list[User], rng: random.Random) -> None:
    """Create the batch's tasks and their answers: nine in ten right, one in fifty a skip."""
    answered = batch.size - batch.remaining
    assert batch.opened_at is not None
    of_rows = batch.project.items.filter(row__gte=rows.start, row__lt=rows.stop).order_by("row")
    items = list(of_rows.values_list("pk", "truth", "reserved"))
    insert_like(
        Task(batch=batch, cluster_size=3, draw_pass=1),
        ("item", "rank", "is_control", "margin", "cluster", "predicted", "confidence", "free", "outstanding"),
        (
            (pk, rank, reserved, rng.random(), rank // 3, truth, rng.random(), *[int(rank >= answered)] * 2)
            for rank, (pk, truth, reserved) in enumerate(items)
        ),
    )
    annotations, assignments = [], []
    tasks = batch.tasks.filter(rank__lt=answered).order_by("rank").values_list("pk", flat=True)
    for rank, (task, (_, truth, _)) in enumerate(zip(tasks, items, strict=False)):
        who, at = rng.choice(people).pk, batch.opened_at + datetime.timedelta(seconds=3.5 * rank)
        value = None if rng.random() < 0.02 else truth if rng.random() < 0.9 else rng.randrange(CLASSES)
        reason = "" if value is not None else "Cannot be made out"
        key = uuid.UUID(int=rng.getrandbits(128))
        annotations.append((key, task, who, value, reason, rng.uniform(1, 9), rng.random() < 0.01, at))
        assignments.append((task, who, at, at, at))
    names = ("id", "task", "user", "value", "skip_reason", "seconds", "flagged", "created_at")
    insert_like(Annotation(), names, annotations)
    insert_like(Assignment(), ("task", "user", "lease_expires_at", "claimed_at", "answered_at"), assignments)
    _label(batch)


def _label(batch: Batch) -> None:
    """Set the labels of the batch's items to their answers."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE labeling_item SET label = answer.value, agreement = 1, labeled_at = answer.created_at
            FROM labeling_task task JOIN labeling_annotation answer ON answer.task_id = task.id
            WHERE task.batch_id = %s AND task.item_id = labeling_item.id AND answer.value IS NOT NULL
            """,
            [batch.pk],
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
