"""Examples of webhooks and deliveries."""

from __future__ import annotations

from typing import Any

_WEBHOOK = {
    "id": 2,
    "url": "https://example.org/hooks/owls",
    "events": ["batch.done", "model_version.passed"],
    "paused": False,
    "pause_reason": "",
    "created_at": "2026-03-02T10:01:12Z",
}

WEBHOOKS: dict[str, Any] = {
    "Webhook": _WEBHOOK,
    "WebhookRequest": {"url": _WEBHOOK["url"], "events": _WEBHOOK["events"]},
    "PatchedWebhookChangeRequest": {"paused": True},
    "NewSecret": {**_WEBHOOK, "secret": "whsec_mCh6v0gk0Cw3yXJzTq0Zk2y8Zy8iL1j1sG4b7m1K6pA="},
    "Delivery": {
        "id": 31,
        "event": "batch.done",
        "message_id": "evt_0f4a1c0e6e5d4c43a0c7a6c0b8f7d1e2",
        "payload": {
            "type": "batch.done",
            "timestamp": "2026-03-02T11:20:05.120000Z",
            "data": {"project": "owls", "number": 3, "url": "/api/v1/projects/owls/batches/3/"},
        },
        "state": "dead",
        "attempts": 83,
        "tried_at": "2026-03-05T12:31:40Z",
        "next_at": "2026-03-05T12:31:39Z",
        "status": 500,
        "error": "The receiver answered 500.",
        "response": "Internal Server Error",
    },
}
