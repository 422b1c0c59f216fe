"""Examples of classes, their changes, and proposed classes."""

from __future__ import annotations

from typing import Any

_CLASS = {
    "index": 1,
    "name": "tawny owl",
    "position": 0,
    "description": "Round head without tufts, dark eyes.",
    "key": "2",
    "colour": "#8a5a2b",
    "aliases": ["brown owl"],
    "parent": None,
    "archived_at": None,
    "examples": [812],
    "merged_into": None,
}

CLASSES: dict[str, Any] = {
    "ProjectClass": _CLASS,
    "NewClassRequest": {"name": "long-eared owl", "description": "Two tufts of feathers above the eyes."},
    "PatchedClassEditRequest": {"name": "tawny owl", "key": "2", "colour": "#8a5a2b", "position": 0},
    "MergeRequest": {"into": 1},
    "SplitRequest": {"into": ["kitten", "tomcat"]},
    "UndoRequest": {"revision": 3},
    "Change": {
        "revision": 3,
        "kind": "edited",
        "text": "Renamed “wood owl” to “tawny owl”",
        "classes": [1],
        "user": "mia",
        "created_at": "2026-03-02T10:01:12Z",
        "undone_at": None,
    },
    "Proposal": {"key": "snowy owl", "name": "Snowy owl", "people": 2, "items": [812, 907, 1311]},
    "AcceptRequest": {"key": "snowy owl", "name": "snowy owl"},
    "AcceptResponse": {"index": 3, "labeled": 2, "waiting": 1, "left": 0},
    "DismissRequest": {"key": "snowy owl"},
    "DismissResponse": {"dismissed": 3},
}
