"""Functions that render items and their history as JSON; `shapes` declares the same JSON for the schema."""

from __future__ import annotations

from typing import Any

from labeling.labels.items.records import ItemLine, ItemRecord, Names, media_url, task_of
from labeling.models import Annotation, Correction, Item, Project, Removal


def summary_json(project: Project, line: ItemLine, names: Names) -> dict[str, Any]:
    annotators = [username for username, _ in line.answers]
    return _summary(project, line.item, names, line.state, annotators, flagged=line.flagged, corrected=line.corrected)


def record_json(project: Project, record: ItemRecord) -> dict[str, Any]:
    item, names = record.item, record.names
    standing = [each.user.username for each in record.annotations if each.undone_at is None]
    corrected = record.correction is not None
    return {
        **_summary(project, item, names, record.state, standing, flagged=record.flagged, corrected=corrected),
        "data": item.data,
        "source": item.source,
        "proposed": None if item.proposed is None else names[item.proposed],
        "encode_error": item.encode_error,
        "correctable": record.can_be_corrected,
        "selection": _selection(project, record),
        "annotations": [_annotation(project, each, names) for each in record.annotations],
        "corrections": [_correction(project, each, names) for each in record.corrections],
        "removals": [_removal(each) for each in record.removals],
        "propagated": _propagated(project, record),
        "certified": _certified(project, record),
        "learned_by": record.learned_by(project.versions.select_related("batch")) if record.task else [],
    }


def _propagated(project: Project, record: ItemRecord) -> dict[str, Any] | None:
    copy = record.near_copy
    if copy is None:
        return None
    return {
        "item": copy.of_id,
        "external_id": copy.of.external_id,
        "label": project.asks.show(copy.of.label, record.names),
        "height": copy.height,
    }


def _certified(project: Project, record: ItemRecord) -> dict[str, Any] | None:
    label = record.certified
    if label is None:
        return None
    return {
        "label": project.asks.show(label.value, record.names),
        "probability": label.probability,
        "certificate": label.certificate.number,
        "version": label.certificate.audit.version.number,
    }


def _correction(project: Project, correction: Correction, names: Names) -> dict[str, Any]:
    return {
        "value": project.asks.show(correction.value, names),
        "by": correction.user.username,
        "note": correction.note,
        "created_at": correction.created_at,
        "withdrawn_at": correction.withdrawn_at,
        "withdrawn_by": correction.withdrawn_by.username if correction.withdrawn_by else None,
    }


def _summary(
    project: Project, item: Item, names: Names, state: str | None, annotators: list[str], **marks: bool
) -> dict[str, Any]:
    task = task_of(item)
    return {
        "id": item.pk,
        "external_id": item.external_id,
        "media_url": media_url(project, item),
        "state": state,
        "label": project.asks.show(item.label, names),
        "agreement": item.agreement,
        "labeled_at": item.labeled_at,
        "batch": task.batch.number if task else None,
        "rank": task.rank if task else None,
        "margin": task.margin if task else None,
        "is_control": item.reserved,
        "annotators": annotators,
        "gold": item.gold is not None,
        "queued": item.queued_at is not None and task is None,
        "excluded": item.excluded_at is not None,
        "deleted": item.deleted_at is not None,
        **marks,
    }


def _selection(project: Project, record: ItemRecord) -> dict[str, Any] | None:
    task = record.task
    if task is None:
        return None
    version = task.batch.selection_numbered(task.selection).selected_by
    return {
        "selected_by": version.number if version else None,
        "selection": task.selection,
        "replaces": task.replaces.item_id if task.replaces else None,
        "margin": task.margin,
        "cluster": task.cluster,
        "cluster_size": task.cluster_size,
        "draw_pass": task.draw_pass,
        "predicted": record.predicted,
        "confidence": task.confidence,
    }


def _removal(each: Removal) -> dict[str, Any]:
    return {
        "deleted": each.deleted,
        "reason": each.reason,
        "by": each.user.username,
        "created_at": each.created_at,
        "ended_at": each.ended_at,
        "ended_by": each.ended_by.username if each.ended_by else None,
    }


def _annotation(project: Project, each: Annotation, names: Names) -> dict[str, Any]:
    return {
        "id": str(each.pk),
        "annotator": each.user.username,
        "value": project.asks.show(each.value, names),
        "skip_reason": each.skip_reason,
        "flagged": each.flagged,
        "seconds": each.seconds,
        "created_at": each.created_at,
        "undone_at": each.undone_at,
    }
