"""Examples of items, their annotations, and imports."""

from __future__ import annotations

from typing import Any

from labeling.api.published.examples.keys import UUID

_SUMMARY: dict[str, Any] = {
    "id": 812,
    "external_id": "night-0812.jpg",
    "media_url": "/api/v1/projects/owls/items/812/media/",
    "state": "labeled",
    "label": "barn owl",
    "agreement": 1.0,
    "labeled_at": "2026-03-02T10:01:12Z",
    "batch": 4,
    "rank": 0,
    "margin": 0.03,
    "is_control": False,
    "annotators": ["ann"],
    "flagged": False,
    "corrected": False,
    "gold": False,
    "queued": False,
    "excluded": False,
    "deleted": False,
}
_ANNOTATION = {
    "id": UUID,
    "annotator": "ann",
    "value": "barn owl",
    "skip_reason": "",
    "flagged": False,
    "seconds": 2.4,
    "created_at": "2026-03-02T10:01:12Z",
    "undone_at": None,
}
_SELECTION = {
    "selected_by": 3,
    "selection": 1,
    "replaces": None,
    "margin": 0.03,
    "cluster": 118,
    "cluster_size": 7,
    "draw_pass": 1,
    "predicted": "tawny owl",
    "confidence": 0.41,
}

ITEMS: dict[str, Any] = {
    "ItemPageResponse": {
        "count": 1,
        "more": False,
        "unindexed": None,
        "next": None,
        "previous": None,
        "results": [_SUMMARY],
    },
    "ItemDetailResponse": {
        **_SUMMARY,
        "data": {"camera": "north"},
        "source": "march.zip/night-0812.jpg",
        "proposed": None,
        "encode_error": "",
        "correctable": True,
        "selection": _SELECTION,
        "annotations": [_ANNOTATION],
        "corrections": [],
        "removals": [],
        "propagated": None,
        "certified": None,
        "learned_by": [4],
    },
    "ChangeRequest": {"action": "exclude", "items": [812, 813], "reason": "No bird in it.", "preview": False},
    "BulkChangeResponse": {
        "id": 3,
        "action": "exclude",
        "filter": {"q": "camera:south"},
        "by": "mona",
        "total": 12000,
        "seen": 4800,
        "changed": 4800,
        "failure": "",
        "created_at": "2026-03-02T10:01:12Z",
        "finished_at": None,
    },
    "ChangeResponse": {"items": 2, "labels": 1, "tasks": 0},
    "CorrectionRequest": {"value": "tawny owl", "note": "The face is round."},
}
