"""Examples of sources."""

from __future__ import annotations

from typing import Any

_SHOWN = {
    "id": 4,
    "name": "Field cameras",
    "address": "s3://field-cameras/2026",
    "options": {"region": "eu-central-1"},
    "has_credentials": True,
    "content": "media",
    "layout": {"labels_as": "ignore"},
    "by_reference": False,
    "schedule": "hour",
    "full_schedule": "week",
    "paused": False,
    "looking": False,
    "parked_import": None,
    "found": 12840,
    "problem": "",
    "looked_at": "2026-03-02T10:00:07Z",
    "full_looked_at": "2026-03-01T02:14:31Z",
    "next_look_at": "2026-03-02T11:00:00Z",
    "next_full_at": "2026-03-08T02:00:00Z",
    "created_at": "2026-02-20T09:11:40Z",
}

SOURCES: dict[str, Any] = {
    "Source": _SHOWN,
    "SourceRequest": {
        **{name: _SHOWN[name] for name in ("name", "address", "options", "content", "layout", "schedule")},
        "credentials": {"key": "AKIAIOSFODNN7EXAMPLE", "secret": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"},
    },
    "PatchedSourceChangeRequest": {"schedule": "day"},
    "LookRequest": {"full": True},
    "SourceTest": {
        "problem": "",
        "files": [{"key": "07/owl-0001.jpg", "size": 184320, "changed": "2026-02-20T08:00:00Z"}],
    },
}
