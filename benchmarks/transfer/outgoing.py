"""Exports in all formats, and dataset versions."""

import os
import random
import tempfile
from collections.abc import Iterator

from benchmarks.transfer.clock import Result, check, measured
from benchmarks.transfer.projects import IMAGES, TEXTS

CHUNK = 5_000


def export_all(slug: str, form: str, items: int) -> Result:
    """Read an export to its end."""
    from labeling.models import Project
    from labeling.outgoing.exports import count_rows, export

    project = Project.objects.get(slug=slug)
    result = measured(lambda: export(project, form))
    check(count_rows(project), items)
    return result


def freeze_labels(changed: float, items: int) -> Result:
    """Write a dataset version, after this share of the labels changed."""
    from django.db import transaction
    from django.utils import timezone

    from labeling.models import DatasetVersion, Item, Project
    from labeling.outgoing.datasets.freeze import freeze, store_frozen

    project = Project.objects.get(slug=TEXTS)
    keys = list(project.items.labeled().values_list("pk", flat=True))
    for start in range(0, int(changed * items), CHUNK):
        part = random.Random(start).sample(keys, min(CHUNK, int(changed * items) - start))
        Item.objects.filter(pk__in=part).update(label=1, labeled_at=timezone.now())
    dataset = DatasetVersion(project=project)

    def written() -> Iterator[bytes]:
        frozen = freeze(dataset, draft="measured")
        with transaction.atomic():
            store_frozen(dataset, frozen)
        yield b""

    result = measured(written)
    check(dataset.rows, items)
    del result["first"]
    return result


def compare_versions(items: int) -> Result:
    """Compare two dataset versions by class."""
    from labeling.models import Project
    from labeling.outgoing.datasets.comparing import compare

    before, after = Project.objects.get(slug=TEXTS).datasets.order_by("number")[:2]
    result = measured(lambda: [compare(before, after)])
    del result["first"]
    return result


def export_version(items: int) -> Result:
    """Read an export of a dataset version to its end."""
    from labeling.models import Project
    from labeling.outgoing.exports import choose, export

    project = Project.objects.get(slug=TEXTS)
    return measured(lambda: export(project, "jsonl", choose(project, {"dataset": "v2"})))


def copy_images(items: int) -> Result:
    """Read the files of the images one by one, and write them into one file."""
    from labeling.models import Item
    from labeling.storage import media

    def copied() -> Iterator[bytes]:
        with tempfile.TemporaryFile() as file:
            for name in Item.objects.filter(project__slug=IMAGES).order_by("pk").values_list("media", flat=True):
                file.write(media.path_of(name).read_bytes())
            file.flush()
            os.fsync(file.fileno())
        yield b""

    result = measured(copied)
    del result["first"]
    return result
