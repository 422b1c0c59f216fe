"""Examples of dataset versions."""

from __future__ import annotations

from typing import Any

from labeling.api.published.examples.keys import DIGEST

DATASETS: dict[str, Any] = {
    "DatasetBodyRequest": {"name": "spring", "note": "For the report.", "filters": {"control": "without"}},
    "Dataset": {
        "number": 3,
        "name": "v3",
        "note": "",
        "filters": {"batch": "1-3", "copies": "true"},
        "automatic": True,
        "state": "whole",
        "reason": "",
        "rows": 600,
        "digest": DIGEST,
        "models": [3],
        "replaced": [],
        "created_by": None,
        "created_at": "2026-03-02T12:00:00Z",
    },
    "DatasetDifference": {
        "added": 200,
        "removed": 1,
        "relabeled": 4,
        "otherwise_changed": 12,
        "classes": [
            {"name": "owl", "before": 180, "after": 241, "added": 60, "removed": 1, "gained": 3, "lost": 1},
        ],
        "changes": [{"before": "buzzard", "after": "owl", "items": 3}],
        "items": [812, 907, 1044, 1101],
    },
    "Verification": {"digest": DIGEST, "whole": True, "problems": [], "replaced": []},
}
