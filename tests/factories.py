"""Create small real rows for tests: a project, its members, its items, an open batch. No worker, no files but
images.
"""

import io
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any

import numpy as np
from django.utils import timezone
from PIL import Image
from sklearn.datasets import load_digits

from labeling.labels import counting
from labeling.models import (
    Assignment,
    Audit,
    Batch,
    Certificate,
    CertifiedLabel,
    Delivery,
    Event,
    EventType,
    GuidelinesImage,
    Item,
    ModelVersion,
    Project,
    Role,
    Source,
    Task,
    User,
    Webhook,
)
from labeling.outside.webhooks import changing
from labeling.projects.create import create_project
from labeling.projects.people.members import set_role
from labeling.queue import rechecking
from labeling.storage import media

# The same in every run, so that what follows from it is.
SECRET = b"a project's secret, of 32 bytes."
DIGITS = [str(digit) for digit in range(10)]


def make_user(name: str, **fields: Any) -> User:
    return User.objects.create_user(name, password=f"{name}-password", **fields)


def make_project(
    slug: str = "digits", *, kind: str = "text", classes: Sequence[str] = DIGITS, **settings: Any
) -> Project:
    """Create a project that, by default, waits for the newest model before each batch and has no grids."""
    settings = {"seed": 1, "secret": SECRET, "pick_ahead": None, "grids": False, **settings}
    return create_project(slug=slug, kind=kind, classes=classes, settings=settings)


def make_member(project: Project, name: str, role: str = Role.ANNOTATOR) -> User:
    user = User.objects.filter(username=name).first() or make_user(name)
    set_role(project=project, user=user, role=role)
    return user


@lru_cache(maxsize=1)
def _digits() -> Any:
    return load_digits()


@lru_cache(maxsize=2000)
def digit_png(number: int) -> bytes:
    """Return a real handwritten digit as PNG, 8 x 8 pixels, dark on white."""
    buffer = io.BytesIO()
    pixels = 255 - _digits().images[number] * (255 / 16)
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def make_items(project: Project, n: int, *, first: int = 0, **fields: Any) -> list[Item]:
    """Create encoded, unlabeled items with known truth: real digits for images, sentences for texts."""
    items = new_items(project, n, first=first, **fields)
    Item.objects.bulk_create(items)
    return items


def new_items(project: Project, n: int, *, first: int = 0, **fields: Any) -> list[Item]:
    """Return items as `make_items` creates them, for tests that change many before they are stored: `bulk_update` takes
    seconds for a thousand.
    """
    items = []
    n_classes = project.classes.count()
    for number in range(first, first + n):
        truth = int(_digits().target[number % 1797]) % n_classes
        values: dict[str, Any] = {
            "external_id": f"item-{number:04}",
            "row": number,
            "control_key": (number + 0.5) / (first + n),
            "reserved": False,
            "data": {},
            "truth": truth if project.question == "single" else [truth] if project.question == "multi" else True,
        }
        if project.question == "verify":
            values["proposed"] = truth
        if project.kind == "image":
            values["media"] = media.file_name(project.pk, "images", digit_png(number % 1797), ".png")
            media.write_content(values["media"], digit_png(number % 1797))
        elif project.kind == "text":
            values["data"] = {"text": f"This is text number {number}."}
        else:
            values["data"] = {"width": number / 10, "height": number / 7}
        items.append(Item(project=project, **{**values, **fields}))
    return items


def make_guidelines_image(project: Project, name: str, alt_text: str = "A digit") -> GuidelinesImage:
    """Create an image of a digit for the guidelines, with this name."""
    path = f"{project.pk}/guidelines/{name}"
    media.write_content(path, digit_png(0))
    return GuidelinesImage.objects.create(
        project=project, name=name, alt_text=alt_text, media=path, bytes=len(digit_png(0))
    )


def make_open_batch(
    project: Project, items: Sequence[Item], *, number: int = 1, overlap: int = 1, overlap_max: int | None = None
) -> Batch:
    """Create an open batch with a task for each item, ranked in their order."""
    batch = Batch.objects.create(
        project=project,
        number=number,
        state=Batch.State.OPEN,
        strategy="seed",
        overlap=overlap,
        overlap_max=overlap_max,
        answers_expected=rechecking.expected_answers(project, len(items)),
        size=len(items),
        remaining=len(items),
        opened_at=timezone.now(),
    )
    Task.objects.bulk_create(
        Task(batch=batch, item=item, rank=rank, is_control=item.reserved, free=overlap, outstanding=overlap)
        for rank, item in enumerate(items)
    )
    return batch


def make_webhook(project: Project, events: int = 1) -> Webhook:
    """Create a webhook that asks for all events, and deliveries of so many: dead, delivered and waiting by turns."""
    webhook, _ = changing.add(project=project, url="https://example.org/hooks/digits", events=list(EventType))
    refused = {"status": 500, "error": "The receiver answered 500.", "response": "Internal Server Error " * 10}
    results = [
        {"state": Delivery.State.DEAD, "attempts": 83, "tries_left": 0, **refused},
        {"state": Delivery.State.DELIVERED, "attempts": 1, "status": 204},
        {"attempts": 3, "next_at": timezone.now() + timedelta(minutes=5), **refused},
    ]
    for number in range(events):
        event = Event.objects.send(EventType.BATCH_DONE, project, [webhook], number=number + 1)
        event.deliveries.update(tried_at=timezone.now(), **results[number % len(results)])
    return webhook


def make_source(project: Project, **fields: Any) -> Source:
    """Create a source that does not answer."""
    fields = {"name": "field data", "content": Source.Content.FILE, "layout": {}, **fields}
    return Source.objects.create(project=project, **{"address": "https://nowhere.invalid/data.csv", **fields})


def recount(project: Project) -> None:
    """Correct the counters after a test has written answers and labels itself."""
    for batch in project.batches.all():
        counting.recount(batch)


def make_answerable(tasks: Sequence[Task], user: User) -> None:
    """Let the user answer these tasks, as if the user had claimed and released all of them."""
    now = timezone.now()
    Assignment.objects.bulk_create(
        [Assignment(task=task, user=user, lease_expires_at=now, ended_at=now) for task in tasks], ignore_conflicts=True
    )


def certify(
    project: Project, values: Mapping[Item, Any], *, version: ModelVersion, probability: float = 0.97
) -> Certificate:
    """Issue a certificate that covers these labels of the model version, by item."""
    number = project.certificates.count() + 1
    risk = {"target_share": 0.02, "target_constant": 0.0, "risk": 0.05, "missed": 0.0, "people_error": 0.0}
    counts = {"class_revision": 0, "pool_size": project.items.count(), "candidates": len(values), "seed": 1}
    attempt = project.audits.count() + 1
    audit = Audit.objects.create(
        project=project, attempt=attempt, version=version, error=0.02, confidence=0.95, sizes=[len(values)],
        expected=[0.01], state=Audit.State.PROVEN, **risk, **counts,
    )  # fmt: skip
    certificate = Certificate.objects.create(
        project=project, number=number, audit=audit, labels=len(values), most_wrong=1, last_stratum=0,
        threshold=probability, asked=150, found=0, evidence=3.1, digest="0" * 64,
    )  # fmt: skip
    CertifiedLabel.objects.bulk_create(
        CertifiedLabel(item=item, certificate=certificate, value=value, probability=probability)
        for item, value in values.items()
    )
    return certificate
