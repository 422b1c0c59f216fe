"""Functions that render items as JSON, for lists without a serializer; `shapes` declares the same for the schema."""

from __future__ import annotations

from typing import Any

from labeling.api.items.shapes import (
    CertifiedLabelResponse,
    CorrectionResponse,
    GivenAnnotation,
    PropagatedLabel,
    RemovalResponse,
)
from labeling.labels.items.content import media_url
from labeling.labels.items.records import ItemLine, ItemRecord, Names, task_of
from labeling.models import Item, Project


def summary_json(project: Project, line: ItemLine, names: Names) -> dict[str, Any]:
    annotators = [username for username, _ in line.answers]
    return _summary(project, line.item, names, line.state, annotators, flagged=line.flagged, corrected=line.corrected)


def record_json(project: Project, record: ItemRecord) -> dict[str, Any]:
    item, names = record.item, record.names
    standing = [each.user.username for each in record.annotations if each.undone_at is None]
    corrected, context = record.correction is not None, {"project": project, "names": names}
    return {
        **_summary(project, item, names, record.state, standing, flagged=record.flagged, corrected=corrected),
        "data": item.data,
        "source": item.source,
        "proposed": None if item.proposed is None else names[item.proposed],
        "encode_error": item.encode_error,
        "correctable": record.can_be_corrected,
        "selection": _selection(project, record),
        "annotations": GivenAnnotation(record.annotations, many=True, context=context).data,
        "corrections": CorrectionResponse(record.corrections, many=True, context=context).data,
        "removals": RemovalResponse(record.removals, many=True).data,
        "propagated": record.near_copy and PropagatedLabel(record.near_copy, context=context).data,
        "certified": record.certified and CertifiedLabelResponse(record.certified, context=context).data,
        "learned_by": record.learned_by(project.versions.select_related("batch")) if record.task else [],
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
