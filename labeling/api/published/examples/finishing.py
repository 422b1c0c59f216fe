"""Examples of goals, forecasts, audits and certificates."""

from __future__ import annotations

from typing import Any

from labeling.api.published.examples.keys import DIGEST

_GOAL = {"error": 0.02, "confidence": 0.95, "by_class": False, "within": 0}

FINISHING: dict[str, Any] = {
    "GoalBodyRequest": _GOAL,
    "Finish": {
        "progress": {
            "pool": 12_000,
            "labeled": 600,
            "certified": 0,
            "left": 11_400,
            "wrong": None,
            "hours": 6.4,
            "people": 2,
            "later": 0,
            "by_class": False,
        },
        "running": True,
        "goal": _GOAL,
        "started_by": "mona",
        "started_at": "2026-03-02T12:00:00Z",
        "need_one_more": 0,
        "forecast": {
            "version": 3,
            "control": 140,
            "left": 11_400,
            "candidates": 10_200,
            "labels": 6_800,
            "error": 0.019,
            "audit": 520,
            "asked": 4_600,
            "hours": 6.4,
            "hours_by_hand": 15.8,
            "cost": 112.0,
            "currency": "EUR",
            "curve": [{"labels": 5_100, "error": 0.012, "answers": 310}],
            "classes": [],
        },
        "refused": "",
        "audits": [
            {
                "attempt": 1,
                "of_class": None,
                "each_class": False,
                "version": 3,
                "candidates": 7_320,
                "asked": 200,
                "answered": 148,
                "state": "asking",
                "reason": "",
                "created_at": "2026-03-02T12:00:09Z",
                "ended_at": None,
            }
        ],
    },
    "Certificate": {
        "number": 1,
        "attempt": 1,
        "version": 3,
        "labels": 6_800,
        "most_wrong": 190,
        "error": 0.028,
        "confidence": 0.95,
        "each_class": False,
        "threshold": 0.91,
        "asked": 540,
        "found": 9,
        "digest": DIGEST,
        "issued_at": "2026-03-03T08:20:00Z",
        "suspended_at": None,
        "suspended_for": "",
    },
}
