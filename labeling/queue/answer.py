"""The answers of a request, and their outcome."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a request.

    `value`: an answer that is valid for the project; None for a skip, which has a `skip_reason`. `same` and
    `different`: the ids of the near-copies on the screen that the answer applies to, and that it does not apply to.
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
    """A refused answer: its id, a code for programs, and the reason for people."""

    id: uuid.UUID
    code: str
    detail: str


@dataclass(slots=True)
class Outcome:
    accepted: list[uuid.UUID] = field(default_factory=list)
    rejected: list[Refusal] = field(default_factory=list)
    batch_completed: bool = False
