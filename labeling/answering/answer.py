"""Answers as they arrive, and what became of them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as it arrives: `value` is valid for the project, or None for a skip with its reason. `same` and
    `different`: ids of the copies on the screen that get the answer too, and of those that do not.
    """

    id: uuid.UUID
    task: int
    value: Any = None
    skip_reason: str = ""
    seconds: float = 0.0
    flagged: bool = False
    guidelines_version: int = 0
    proposed_class: str = ""
    comment: str = ""
    same: Sequence[int] = ()
    different: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an answer was not taken: a code for programs, a sentence for people."""

    id: uuid.UUID
    code: str
    detail: str


@dataclass(slots=True)
class Outcome:
    accepted: list[uuid.UUID] = field(default_factory=list)
    rejected: list[Refusal] = field(default_factory=list)
    batch_completed: bool = False
