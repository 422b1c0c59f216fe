"""Make dataset versions: by hand, for the worker to write; and for a training, at once."""

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TypeVar

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext

from labeling.labels.items.filter import FilterError
from labeling.models import Batch, DatasetVersion, Job, LogKind, Project, User
from labeling.models.datasets import NUMBERED
from labeling.observing import auditlog
from labeling.outgoing.datasets.freeze import Frozen, Superseded, discard, freeze, next_number, store_frozen
from labeling.outgoing.exports.choice import FILTERS, OF_THE_FILE, choose, spans
from labeling.projects import quota

T = TypeVar("T")

# A reviewer at work must not hold a training back.
TURNS = 3


@transaction.atomic
def create(
    project: Project, user: User | None, *, name: str = "", note: str = "", filters: Mapping[str, str] | None = None
) -> DatasetVersion:
    """Create a version for the worker to write. Without a name it is called by its number: `v3`. Raises ValidationError
    for a name that is taken or invalid, `FilterError` for filters that cannot be used, and `NoRoom`.
    """
    chosen = {key: text.strip() for key, text in (filters or {}).items() if text.strip()}
    if of_file := sorted(set(chosen).intersection(OF_THE_FILE)):
        raise FilterError(
            dict.fromkeys(of_file, gettext("This parameter does not filter rows. Use it when you export the version."))
        )
    if unknown := sorted(set(chosen).difference(FILTERS)):
        known = ", ".join(FILTERS)
        raise FilterError(
            {
                name: gettext("Unknown filter %(name)s. Known filters: %(known)s.")
                % {"name": name[:40], "known": known}
                for name in unknown
            }
        )
    choose(project, chosen)
    quota.check_room(project, 1, lock=True)
    number = next_number(project)
    dataset = DatasetVersion(
        project=project, number=number, name=name or f"v{number}", note=note, filters=chosen, created_by=user
    )
    if name and re.fullmatch(NUMBERED, name, re.ASCII) and name != f"v{number}":
        raise ValidationError(
            {
                "name": [
                    gettext("Names such as %(name)s are assigned automatically. The next one is v%(number)s.")
                    % {"name": name, "number": number}
                ]
            }
        )
    checked = {"name", "note"}
    dataset.clean_fields(exclude={field.name for field in dataset._meta.fields} - checked)
    for failed in project.datasets.filter(name=dataset.name, state=DatasetVersion.State.FAILED):
        failed.delete()  # with its job; it has no rows
    if project.datasets.filter(name=dataset.name).exists():
        raise ValidationError(
            {"name": [gettext("This project already has a dataset version %(name)s.") % {"name": dataset.name}]}
        )
    dataset.save()
    Job.objects.enqueue(Job.Kind.DATASET, project=project, cause=dataset)
    auditlog.record(LogKind.DATASET_CREATED, project=project, subject=f"dataset {dataset.name}", after=chosen)
    return dataset


def for_training(
    batch: Batch, read: Callable[[], T], *, writing: Callable[[], AbstractContextManager[None]]
) -> tuple[DatasetVersion, T]:
    """Return a version of the labels that the batch's model version may learn from, and the result of `read`, which
    reads these labels.

    They are those of its own batch, and of all that are earlier or done. They may change while they are read: then they
    are read again, up to `TURNS` times. A version that has just these rows is returned as it is. Raises `NoRoom`.
    """
    project = batch.project
    numbers = project.batches.filter(number__lte=batch.number) | project.batches.filter(state=Batch.State.DONE)
    filters = {"batch": spans(sorted(numbers.values_list("number", flat=True)), ","), "copies": "true"}
    dataset = DatasetVersion(project=project, filters=filters, automatic=True)
    draft = f"batch-{batch.number}"
    frozen, before = freeze(dataset, draft=draft), None
    for _ in range(TURNS):
        value, before, frozen = read(), frozen, freeze(dataset, draft=draft)
        if before.layers == frozen.layers:
            break
        discard(dataset, before)
    whole = project.datasets.whole().defer("manifest")
    same = whole.filter(automatic=True, filters=filters, layers=frozen.layers).first()
    return same or store_dataset(dataset, frozen, draft=draft, writing=writing), value


def store_dataset(
    dataset: DatasetVersion, frozen: Frozen, *, draft: str, writing: Callable[[], AbstractContextManager[None]]
) -> DatasetVersion:
    """Store a frozen version in the transaction `writing`, again after a removal; raise `NoRoom` and keep no file."""
    while True:
        try:
            with writing():
                store_frozen(dataset, frozen)
            return dataset
        except quota.NoRoom:
            discard(dataset, frozen)
            raise
        except Superseded:
            discard(dataset, frozen)
            frozen = freeze(dataset, draft=draft)
