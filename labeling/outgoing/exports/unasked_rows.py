"""Rows of an export about which no person was asked: near-copies, with the label of another item, and the labels of a
model that certificates cover.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import TextField
from django.db.models.functions import Cast

from labeling.intake.row_labels import ORIGIN
from labeling.labels.resolving.origins import Origin
from labeling.models import Certificate, CertifiedLabel, Copy
from labeling.models.near_copies import CopyQuerySet
from labeling.outgoing.exports.chosen import chosen_certificates, chosen_labels
from labeling.outgoing.exports.columns import NOTHING, compact
from labeling.outgoing.exports.facts import Facts
from labeling.outgoing.formats import Page, Row
from labeling.storage.db.statements import among

_LABEL = ("pk", "certificate", "value", "probability")
_ITEM = ("item__external_id", "item__source", "item__media", "item__proposed")


def certified_pages(facts: Facts, size: int, *, items: Sequence[int] | None = None) -> Iterator[Page]:
    """Yield rows for certified labels by item, at most `size` at a time. `items`: only the rows of these items.

    A page is first read by key and then filtered, so that its query takes the same time with any statistics.
    """
    certificates = chosen_certificates(facts.project, facts.choice).select_related("audit__version").in_bulk()
    if not certificates:
        return
    by_key = CertifiedLabel.objects.filter(certificate__in=list(certificates)).order_by("pk")
    if items is not None:
        by_key = by_key.filter(pk__in=among(items))
    last = 0
    while keys := list(by_key.filter(pk__gt=last).values_list("pk", flat=True)[:size]):
        page = chosen_labels(facts.project, facts.choice).filter(pk__gte=keys[0], pk__lte=keys[-1]).order_by("pk")
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
                "media": facts.media(media),
                "proposed": None if proposed is None else facts.names[proposed],
                **_columns(certificates[certificate], facts.show(value), probability),
            }
            for item, certificate, value, probability, external_id, source, media, proposed, data in read
        ]:
            yield rows
        last = keys[-1]


def certified_among(facts: Facts, items: Sequence[int]) -> dict[int, Row]:
    """Return the columns that the certified labels of these items set, by item."""
    labels = CertifiedLabel.objects.standing().filter(item__in=items).select_related("certificate__audit__version")
    return {label.pk: _columns(label.certificate, facts.show(label.value), label.probability) for label in labels}


def _columns(certificate: Certificate, label: Any, probability: float) -> Row:
    return {
        "label": label,
        "model_version": certificate.audit.version.number,
        "labeled_at": certificate.issued_at,
        ORIGIN: Origin.CERTIFIED,
        "certificate": certificate.number,
        "certified_probability": probability,
    }


def copy_pages(facts: Facts, copies: CopyQuerySet, size: int) -> Iterator[Page]:
    """Yield rows for these near-copies, up to `size` at a time."""
    last, copies = 0, copies.select_related("item", "of", "batch__selected_by").order_by("pk")
    while page := list(copies.filter(pk__gt=last)[:size]):
        yield [_copy_row(facts, copy) for copy in page]
        last = page[-1].pk


def _copy_row(facts: Facts, copy: Copy) -> Row:
    item, batch = copy.item, copy.batch
    return {
        **NOTHING,
        "item": item.pk,
        "external_id": item.external_id,
        "source": item.source,
        "data": json.dumps(item.data, ensure_ascii=False, separators=(",", ":")),
        "media": facts.media(item.media),
        "label": facts.show(copy.of.label),
        "batch": batch.number,
        "model_version": batch.selected_by.number if batch.selected_by else None,
        "labeled_at": copy.of.labeled_at,
        "propagated_from": copy.of.external_id,
        "propagated_height": copy.height,
        "propagated_radius": batch.copy_radius,
        ORIGIN: Origin.COPY,
    }
