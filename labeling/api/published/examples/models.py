"""Examples of model versions, their comparisons, and predictions."""

from __future__ import annotations

from typing import Any

from labeling.api.published.examples.keys import DIGEST

_CONTROL = {"accuracy": 0.91, "low": 0.85, "high": 0.95, "n": 120}

_SERVER = {"url": "https://ml.example.org", "username": "owls"}

MODELS: dict[str, Any] = {
    "InUse": {"version": 3, "newest": 4, "by_gate": 4, "chosen_by": "mona", "chosen_at": "2026-03-02T11:30:00Z"},
    "ComparisonResponse": {
        "a": 3,
        "b": 5,
        "same_labels": False,
        "control": {
            "n": 120,
            "a": {**_CONTROL, "calibration_error": 0.06, "sure": 0.95},
            "b": {"accuracy": 0.95, "low": 0.9, "high": 0.98, "n": 120, "calibration_error": 0.03, "sure": 0.96},
            "difference": {"value": 0.04, "low": -0.01, "high": 0.09},
            "gained": 7,
            "lost": 2,
            "verdict": "unknown",
            "classes": [
                {
                    "name": "barn owl",
                    "truth": 40,
                    "recall_a": 0.85,
                    "recall_b": 0.95,
                    "recall_differs": False,
                    "precision_a": 0.9,
                    "precision_b": 0.93,
                    "precision_differs": False,
                }
            ],
            "mistakes": [{"truth": "barn owl", "said": "no owl", "a": 5, "b": 1}],
            "apart": 11,
            "items": [
                {
                    "id": 812,
                    "external_id": "night-0812.jpg",
                    "label": "barn owl",
                    "a": "no owl",
                    "b": "barn owl",
                }
            ],
        },
        "pool": {"n": 12000, "apart": 310, "kinds": [{"a": "no owl", "b": "barn owl", "items": 120}]},
    },
    "Version": {
        "version": 3,
        "origin": "trained",
        "batch": 3,
        "parent": 2,
        "labels": 540,
        "labels_hash": DIGEST,
        "dataset": "v3",
        "digest": DIGEST,
        "seed": 77,
        "training": {"epochs": 40},
        "metrics": {"control": _CONTROL},
        "control_now": {**_CONTROL, "n": 140},
        "in_use": True,
        "held_back": False,
        "gate": {"against": 2, "n": 120, "gained": 11, "lost": 4},
        "calibration": {
            "state": "done",
            "reason": "",
            "labels": 432,
            "digest": DIGEST,
            "measured": {"control": _CONTROL},
        },
        "seconds": 41.2,
        "created_at": "2026-03-02T09:57:30Z",
    },
    "PredictionServer": _SERVER,
    "PredictionServerRequest": {**_SERVER, "password": "a password"},
    "Payoff": {
        "advice": "go-on",
        "version": 3,
        "versions": 3,
        "control": 140,
        "more_control": None,
        "spent": {"learned": 540, "control": 60, "labels": 600},
        "saved": {
            "labels": {"value": 610.0, "low": 140.0, "high": None},
            "needed": {"value": 1210.0, "low": 740.0, "high": None},
            "limit": 12_000,
            "points": [{"labels": 180, "accuracy": 0.81, "low": 0.74, "high": 0.87, "n": 140}],
            "curve": [{"labels": 1210.0, "accuracy": 0.91, "low": 0.87, "high": 0.94}],
        },
        "missing": None,
        "reason": "",
        "next": {
            "items": 200,
            "labels": 180,
            "expected": {"value": 0.012, "low": 0.003, "high": 0.019},
            "predicted": {"value": 0.012, "low": -0.006, "high": 0.028},
            "hours": 0.25,
            "cost": 4.38,
            "currency": "EUR",
        },
    },
}
