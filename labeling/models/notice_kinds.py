"""The declarations of all events that webhooks can ask for, and of all kinds of notices. The pages, the API,
docs/how-to/webhooks.md and docs/how-to/notices.md list them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from django.utils.translation import gettext_noop as _

from labeling.models.roles import Ability

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


class Mail(StrEnum):
    """When a person is told of notices of a kind by e-mail."""

    NEVER = _("never")
    DAILY = _("daily")
    AT_ONCE = _("at once")


class NoticeKind(StrEnum):
    """The name of a kind.

    `topic` stands for all notices of the kind. `text` is the notice, and `address` the page of its subject; both may
    name the project's slug and a number.
    `ability` is that of the members who get it; None if it is for one person. `event`: the webhooks' event of the same
    fact, which is announced with it. `replaces`: the kind whose notices of the same number it removes. The last three
    may be left out.
    """

    topic: str
    text: str
    address: str
    ability: Ability | None
    event: EventType | None
    replaces: str | None

    BATCH_READY = (
        "batch.ready",
        _("A batch is ready for you to label"),
        _("Batch {number} is ready for you to label."),
        "/p/{project}/label/",
        Ability.TASKS_ANSWER,
        EventType.BATCH_OPENED,
    )
    BATCH_DONE = (
        "batch.done",
        _("A batch is done"),
        _("Batch {number} is done."),
        "/p/{project}/batches/{number}/",
        Ability.BATCHES_READ,
        EventType.BATCH_DONE,
        "batch.ready",
    )
    REVIEW_WAITING = (
        "review.waiting",
        _("Items wait for a review"),
        _("Items wait for a review."),
        "/p/{project}/review/",
        Ability.REVIEW_DO,
    )
    COMMENT_ANSWERED = (
        "comment.answered",
        _("A comment of yours was answered"),
        _("A comment of yours was answered."),
        "/p/{project}/label/comments/",
    )
    MEMBER_PAUSED = (
        "member.paused",
        _("You are paused: you get no tasks until a manager decides"),
        _("You are paused: you get no tasks until a manager decides."),
        "/p/{project}/label/",
    )
    MODEL_HELD_BACK = (
        "model.held_back",
        _("A model version was held back by the gate"),
        _("Model version {number} was held back by the gate."),
        "/p/{project}/models/{number}/",
        Ability.MODELS_READ,
        EventType.MODEL_HELD_BACK,
    )
    BUDGET_NEARLY_SPENT = (
        "privacy.nearly_spent",
        _("At least 90 % of the privacy budget is spent"),
        _("At least 90 % of the privacy budget is spent."),
        "/p/{project}/privacy/",
        Ability.MODELS_READ,
    )
    IMPORT_FAILED = (
        "import.failed",
        _("An import failed, or was refused"),
        _("An import failed, or was refused."),
        "/p/{project}/imports/{number}/",
        Ability.ITEMS_CHANGE,
    )

    CERTIFICATE_ISSUED = (
        "certificate.issued",
        _("A certificate was issued"),
        _("Certificate {number} was issued."),
        "/p/{project}/certificates/{number}/",
        Ability.BATCHES_READ,
        EventType.CERTIFICATE_ISSUED,
    )
    CERTIFICATE_SUSPENDED = (
        "certificate.suspended",
        _("A certificate was suspended"),
        _("Certificate {number} was suspended: its labels no longer count."),
        "/p/{project}/certificates/{number}/",
        Ability.BATCHES_READ,
    )
    GOAL_REACHED = (
        "goal.reached",
        _("The goal is reached"),
        _("The goal is reached: all items have a label."),
        "/p/{project}/finish/",
        Ability.BATCHES_READ,
    )

    def __new__(cls, name: str, *facts: Any) -> NoticeKind:
        kind = str.__new__(cls, name)
        kind._value_ = name
        kind.topic, kind.text, kind.address, kind.ability, kind.event, kind.replaces = facts + (None,) * (
            6 - len(facts)
        )
        return kind


OF_EVENTS = {kind.event: kind for kind in NoticeKind if kind.event is not None}
"""The kinds by the events that are announced with them."""
