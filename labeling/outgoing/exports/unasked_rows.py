"""Rows of an export about which no person was asked: near-copies, with the label of another item, and the labels of a
model that certificates cover.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from django.db.models import TextField
from django.db.models.functions import Cast

from labeling.intake.row_labels import ORIGIN
from labeling.labels.resolving.origins import Origin
from labeling.models import Certificate, CertifiedLabel, Copy, Project
from labeling.models.certificates import CertificateQuerySet, CertifiedLabelQuerySet
from labeling.models.near_copies import CopyQuerySet
from labeling.outgoing.exports.choice import Choice
from labeling.outgoing.exports.columns import NOTHING, compact
from labeling.outgoing.formats import Page, Row
from labeling.storage.db.statements import among

_LABEL = ("pk", "certificate", "value", "probability")
_ITEM = ("item__external_id", "item__source", "item__media", "item__proposed")


def count_certified(project: Project, choice: Choice, *, at_most: int | None = None) -> int:
    """Return the number of rows that `certified_pages` yields, up to `at_most` + 1. Takes at most one query."""
    if not choice.get("certified"):
        return 0
    return unasked(project, choice)[: None if at_most is None else at_most + 1].count()


def unasked(project: Project, choice: Choice) -> CertifiedLabelQuerySet:
    """Return the certified labels of the chosen certificates whose items have no task. An item with a task is a row of
    its batch.
    """
    labels = CertifiedLabel.objects.standing().filter(item__task__isnull=True)
    return labels.filter(certificate__in=_certificates(project, choice).order_by().values("pk"))


def _certificates(project: Project, choice: Choice) -> CertificateQuerySet:
    certificates = choice.of_certificates(project.certificates.standing())
    return certificates if choice.get("certified") and not choice.get("batch") else certificates.none()


def certified_pages(
    project: Project,
    choice: Choice,
    show: Callable[[Any], Any],
    names: Mapping[int, str],
    *,
    is_file: bool,
    size: int,
    items: Sequence[int] | None = None,
) -> Iterator[Page]:
    """Yield rows for certified labels by item, at most `size` at a time. `show` turns a stored label into its text.
    `items`: only the rows of these items.

    A page is first read by key and then filtered, so that its query takes the same time with any statistics.
    """
    certificates = _certificates(project, choice).select_related("audit__version").in_bulk()
    if not certificates:
        return
    by_key = CertifiedLabel.objects.filter(certificate__in=list(certificates)).order_by("pk")
    if items is not None:
        by_key = by_key.filter(pk__in=among(items))
    last = 0
    while keys := list(by_key.filter(pk__gt=last).values_list("pk", flat=True)[:size]):
        page = unasked(project, choice).filter(pk__gte=keys[0], pk__lte=keys[-1]).order_by("pk")
        if items is not None:
            page = page.filter(pk__in=among(keys))
        read = page.values_list(*_LABEL, *_ITEM, Cast("item__data", TextField()))
        if rows := [
            {
                **NOTHING,
                "item": item,
                "external_id": external_id,
                "source": source,
                "data": compact(data),
                "media": (media or None) if is_file else None,
                "proposed": None if proposed is None else names[proposed],
                **_columns(certificates[certificate], show(value), probability),
            }
            for item, certificate, value, probability, external_id, source, media, proposed, data in read
        ]:
            yield rows
        last = keys[-1]


def certified_among(items: Sequence[int], show: Callable[[Any], Any]) -> dict[int, Row]:
    """Return the columns that the certified labels of these items set, by item."""
    labels = CertifiedLabel.objects.standing().filter(item__in=items).select_related("certificate__audit__version")
    return {label.pk: _columns(label.certificate, show(label.value), label.probability) for label in labels}


def _columns(certificate: Certificate, label: Any, probability: float) -> Row:
    return {
        "label": label,
        "model_version": certificate.audit.version.number,
        "labeled_at": certificate.issued_at,
        ORIGIN: Origin.CERTIFIED,
        "certificate": certificate.number,
        "certified_probability": probability,
    }


def count_copies(project: Project, choice: Choice) -> int:
    """Return the number of rows that `copy_pages` yields for all batches. Takes one query; none without near-copies."""
    if not choice.get("copies"):
        return 0
    copies = chosen_copies(project, choice)
    if numbers := choice.get("batch"):
        copies = copies.filter(batch__number__in=numbers)
    return copies.count()


def copy_pages(copies: CopyQuerySet, show: Callable[[Any], Any], *, is_file: bool, size: int) -> Iterator[Page]:
    """Yield rows for these near-copies, up to `size` at a time. `show` turns a stored label into its text."""
    last, copies = 0, copies.select_related("item", "of", "batch__selected_by").order_by("pk")
    while page := list(copies.filter(pk__gt=last)[:size]):
        yield [_copy_row(copy, show, is_file=is_file) for copy in page]
        last = page[-1].pk


def chosen_copies(project: Project, choice: Choice) -> CopyQuerySet:
    """Return the near-copies with propagated labels that match the filters except the filter by batch."""
    return choice.of_copies(Copy.objects.propagated().filter(batch__project=project))


def _copy_row(copy: Copy, show: Callable[[Any], Any], *, is_file: bool) -> Row:
    item, batch = copy.item, copy.batch
    return {
        **NOTHING,
        "item": item.pk,
        "external_id": item.external_id,
        "source": item.source,
        "data": json.dumps(item.data, ensure_ascii=False, separators=(",", ":")),
        "media": (item.media or None) if is_file else None,
        "label": show(copy.of.label),
        "batch": batch.number,
        "model_version": batch.selected_by.number if batch.selected_by else None,
        "labeled_at": copy.of.labeled_at,
        "propagated_from": copy.of.external_id,
        "propagated_height": copy.height,
        "propagated_radius": batch.copy_radius,
        ORIGIN: Origin.COPY,
    }
