"""The projects that exports and dataset versions read, inserted in bulk."""

from __future__ import annotations

import datetime
import random
import uuid
from typing import TYPE_CHECKING

from benchmarks.transfer.clock import Result

if TYPE_CHECKING:
    from labeling.models import Project

TEXTS, IMAGES, POOL = "texts", "images", "pool"
CLASSES = 10
IMAGE_BYTES = 8 << 10
BATCH = 25_000


def new_project(slug: str, kind: str = "text") -> Project:
    from labeling.projects.create import create_project

    return create_project(slug=slug, kind=kind, classes=[f"class {n}" for n in range(CLASSES)], settings={})


def make_texts(items: int) -> Result:
    """Make a project of texts, all of them labeled."""
    from django.utils import timezone

    from benchmarks.big_project import insert_items

    project = new_project(TEXTS)
    insert_items(project, items, random.Random(1), timezone.now(), classes=CLASSES)
    label(project, items)
    return {}


def make_images(items: int) -> Result:
    """Make a project of images, all of them labeled."""
    from django.utils import timezone

    from benchmarks.big_project import insert_items
    from labeling.storage import media

    project, rng = new_project(IMAGES, "image"), random.Random(1)

    def stored() -> str:
        content = rng.randbytes(IMAGE_BYTES)
        name = media.file_name(project.pk, "images", content, ".png")
        media.path_of(name).parent.mkdir(parents=True, exist_ok=True)
        media.path_of(name).write_bytes(content)
        return name

    insert_items(project, items, random.Random(1), timezone.now(), classes=CLASSES, media=stored)
    label(project, items)
    return {}


def make_pool(items: int) -> Result:
    """Make a project with ten times as many texts, a random tenth of them labeled."""
    from django.utils import timezone

    from benchmarks.big_project import insert_items

    project = new_project(POOL)
    insert_items(project, 10 * items, random.Random(1), timezone.now(), classes=CLASSES)
    label(project, items)
    return {}


def label(project: Project, items: int) -> None:
    """Create labeled batches of this many items in random order, with one answer each, in bulk."""
    from django.db import transaction
    from django.db.models import F
    from django.utils import timezone

    from benchmarks.big_project import insert_like
    from labeling.models import Annotation, Batch, Task
    from labeling.projects.people.members import get_or_create_user

    people = [get_or_create_user(f"person-{number}")[0].pk for number in range(20)]
    now, rng = timezone.now(), random.Random(project.pk)
    # A dataset version reads the rows of the last minutes' answers again.
    earlier = now - datetime.timedelta(days=1)
    chosen = list(project.items.order_by("control_key").values_list("pk", "truth", "reserved")[:items])
    rng.shuffle(chosen)
    for start in range(0, items, BATCH):
        part = chosen[start : start + BATCH]
        batch = Batch.objects.create(
            project=project, number=start // BATCH + 1, state=Batch.State.DONE, strategy="cluster-margin",
            size=len(part), remaining=0, pool_rows=project.encoded_rows, opened_at=now, completed_at=now, done_at=now,
            control_tasks=sum(reserved for _, _, reserved in part), labeled=len(part),
        )  # fmt: skip
        insert_like(
            Task(batch=batch, free=0, cluster_size=3, draw_pass=1, outstanding=0),
            ("item", "rank", "is_control", "margin", "cluster"),
            ((pk, rank, reserved, rank / len(part), rank // 3) for rank, (pk, _, reserved) in enumerate(part)),
        )
        tasks = batch.tasks.order_by("rank").values_list("pk", "rank")
        insert_like(
            Annotation(created_at=earlier),
            ("id", "task", "user", "value", "seconds"),
            (
                (uuid.UUID(int=rng.getrandbits(128)), task, people[rank % len(people)], truth, 1.5 + rank / 7)
                for (task, rank), (_, truth, _) in zip(tasks, part, strict=True)
            ),
        )
    with transaction.atomic():
        project.items.filter(task__isnull=False).update(label=F("truth"), agreement=1.0, labeled_at=now)
