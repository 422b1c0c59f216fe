"""The declarations of all events that webhooks can ask for. The page, the API and docs/how-to/webhooks.md list them."""

from __future__ import annotations

from enum import StrEnum

TEST = "webhook.test"
"""The type of the event that a manager sends to try a webhook. No webhook asks for it."""


class EventType(StrEnum):
    """The type of an event, its meaning, and the address of its subject on this server."""

    meaning: str
    address: str

    BATCH_OPENED = (
        "batch.opened",
        "a batch is open, and annotators get its tasks",
        "/api/v1/projects/{project}/batches/{number}/",
    )
    BATCH_DONE = (
        "batch.done",
        "a batch is done, with its answers and its training",
        "/api/v1/projects/{project}/batches/{number}/",
    )
    MODEL_PASSED = (
        "model_version.passed",
        "a model version was trained and passed the gate",
        "/api/v1/projects/{project}/models/{number}/",
    )
    MODEL_HELD_BACK = (
        "model_version.held_back",
        "a model version was trained and held back by the gate",
        "/api/v1/projects/{project}/models/{number}/",
    )
    CERTIFICATE_ISSUED = (
        "certificate.issued",
        "a certificate was issued",
        "/api/v1/projects/{project}/certificates/{number}/",
    )
    DATASET_VERSION_CREATED = (
        "dataset_version.created",
        "a dataset version was made",
        "/api/v1/projects/{project}/datasets/v{number}/",
    )
    REVIEW_WAITING = (
        "review.waiting",
        "items wait for a review, after a time in which none did",
        "/p/{project}/review/",
    )

    def __new__(cls, name: str, *facts: str) -> EventType:
        event_type = str.__new__(cls, name)
        event_type._value_ = name
        event_type.meaning, event_type.address = facts
        return event_type
