"""Examples of members, invitations and agreement."""

from __future__ import annotations

from typing import Any

_INVITATION = {
    "id": 3,
    "role": "annotator",
    "name": "Ann Lee",
    "to_account": False,
    "limit": 1,
    "used": 0,
    "invited_by": "mona",
    "created_at": "2026-03-02T10:01:12Z",
    "expires_at": "2026-03-09T10:01:12Z",
}

PEOPLE: dict[str, Any] = {
    "Member": {
        "username": "ann",
        "role": "annotator",
        "group": "radiology",
        "daily_limit": 200,
        "paused_at": None,
        "pause_reason": "",
    },
    "MemberRequest": {"username": "ann", "role": "annotator"},
    "Invitation": _INVITATION,
    "InvitationBodyRequest": {"role": "annotator", "name": "Ann Lee"},
    "NewInvitation": {
        **_INVITATION,
        "url": "https://labels.example.org/invitation/QJc0hXbC8p9q1mJwW0x7hOq8aZ5m4s2dT3n6v1k9y0U/",
    },
    "Agreement": {
        "items": 480,
        "answers": 1020,
        "people": 3,
        "whole": True,
        "percent": {"value": 0.91, "low": 0.88, "high": 0.93},
        "cohen": {"value": 0.82, "low": 0.77, "high": 0.86},
        "fleiss": {"value": 0.81, "low": 0.76, "high": 0.86},
        "alpha": {"value": 0.81, "low": 0.76, "high": 0.86},
        "ordinal": None,
        "pairs": [
            {
                "people": ["ann", "bo"],
                "items": 210,
                "differing": 19,
                "percent": {"value": 0.91, "low": 0.86, "high": 0.94},
                "kappa": {"value": 0.82, "low": 0.74, "high": 0.88},
            }
        ],
        "classes": [
            {
                "index": 0,
                "name": "barn owl",
                "items": 130,
                "divided": 24,
                "same": {"value": 0.88, "low": 0.82, "high": 0.92},
            }
        ],
        "confusions": [{"classes": ["barn owl", "tawny owl"], "items": 17}],
        "others": [
            {
                "username": "ann",
                "right": {"right": 191, "n": 210, "low": 0.863, "high": 0.941},
                "cells": [{"answered": "tawny owl", "expected": "barn owl", "n": 9}],
            }
        ],
        "gold": [],
        "anchoring": {
            "first": {
                "prompted": {"chosen": 412, "n": 480, "low": 0.824, "high": 0.887},
                "unprompted": {"chosen": 371, "n": 465, "low": 0.759, "high": 0.832},
                "difference": {"value": 0.06, "low": 0.012, "high": 0.108},
            },
            "listed": None,
        },
    },
}
