"""Small labeled projects, for tests of exports and of the status."""

import io
import uuid
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
from django.db.models import F
from django.utils import timezone

from labeling.models import Annotation, Batch, Item, Job, ModelVersion, Project, User
from labeling.outgoing.exports import choose, export
from labeling.queue import submitting
from labeling.queue.answer import Answer
from labeling.storage import media
from tests import factories


def make_items(project: Project, count: int, *, control_every: int = 0, **fields: Any) -> list[Item]:
    """Create encoded items after the existing ones; every `control_every`-th is reserved for control."""
    first = project.items.count()
    items = factories.make_items(project, count, first=first, **fields)
    for item in items:
        item.reserved = bool(control_every) and item.row is not None and item.row % control_every == 0
    reserved = [item.pk for item in items if item.reserved]
    Item.objects.filter(pk__in=reserved).update(reserved=True)
    Project.objects.filter(pk=project.pk).update(encoded_rows=first + count)
    return items


def make_batch(project: Project, items: Sequence[Item], *, overlap: int = 1, **values: Any) -> Batch:
    """Create an open batch with one task per item, as Cluster-Margin would pick it."""
    batch = factories.make_open_batch(project, items, number=project.batches.count() + 1, overlap=overlap)
    batch.tasks.update(cluster=7)
    batch.tasks.filter(is_control=False).update(margin=0.25, cluster_size=3, draw_pass=0)
    values = {
        "control_tasks": sum(item.reserved for item in items),
        "pool_rows": project.items.count(),
        **values,
    }
    Batch.objects.filter(pk=batch.pk).update(**values)
    batch.refresh_from_db()
    return batch


def answer(batch: Batch, user: User, values: Sequence[Any], **details: Any) -> None:
    """Answer the batch's tasks from the first on, without claims; "skip" skips."""
    tasks = list(batch.tasks.order_by("rank")[: len(values)])
    factories.make_answerable(tasks, user)
    outcome = submitting.submit(
        project=batch.project,
        user=user,
        answers=[
            Answer(uuid.uuid4(), task.pk, **_said(value), **{"seconds": 1.5, **details})
            for task, value in zip(tasks, values, strict=True)
        ],
    )
    assert not outcome.rejected


def _said(value: Any) -> dict[str, Any]:
    return {"skip_reason": "unclear"} if value == "skip" else {"value": value}


def answer_all(batch: Batch, user: User, value: Any) -> None:
    """Write the rows that answering a large batch leaves, without the queue's checks."""
    now = timezone.now()
    Annotation.objects.bulk_create(
        [Annotation(task=task, user=user, value=value, seconds=1.5) for task in batch.tasks.all()], batch_size=1000
    )
    batch.tasks.update(free=0, outstanding=0)
    items = Item.objects.filter(task__batch=batch)
    items.update(label=value, agreement=1.0, labeled_at=now)
    factories.recount(batch.project)
    Batch.objects.filter(pk=batch.pk).update(remaining=0)


def train(batch: Batch, **values: Any) -> ModelVersion:
    """Finish a complete batch with a model version, as the training step does."""
    number = batch.project.versions.count() + 1
    version = ModelVersion.objects.create(
        **{
            "project": batch.project,
            "number": number,
            "batch": batch,
            "artifact": f"models/v{number}",
            "labels": batch.project.items.trainable().count(),
            "seed": 1,
            "seconds": 2.0,
            **values,
        }
    )
    batch.jobs.update(state=Job.State.DONE, started_at=timezone.now(), finished_at=timezone.now())
    Batch.objects.filter(pk=batch.pk).update(state=Batch.State.DONE, done_at=timezone.now())
    return version


def labeled(values: Sequence[Any], **fields: Any) -> Project:
    """Create a project whose items have these answers of ann."""
    project = factories.make_project(**{"classes": ["cat", "dog"], **fields})
    answer(make_batch(project, make_items(project, len(values))), factories.make_member(project, "ann"), values)
    return project


def archive_of(project: Project, form: str, **filters: str) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(io.BytesIO(b"".join(export(project, form, choose(project, filters)))))
    assert archive.testzip() is None
    return archive


def give_vectors(project: Project) -> np.ndarray:
    """Give each item a vector of length 3, by its row; return the vectors."""
    vectors = np.arange(3 * project.items.count(), dtype=np.float32).reshape(-1, 3)
    name = f"{project.pk}/vectors/block.npy"
    media.write_block(name, vectors)
    project.items.update(media=name, media_offset=F("row"))
    Project.objects.filter(pk=project.pk).update(vector_length=3)
    project.refresh_from_db()
    return vectors


def give_recordings(project: Project) -> None:
    """Give each item the same recording, of four bytes."""
    name = media.file_name(project.pk, "audio", b"RIFF", ".wav")
    media.write_content(name, b"RIFF")
    project.items.update(media=name)
