"""The tasks of an annotator."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import Conflict
from .records import Record, record
from .running import C, Part, call
from .steps import Steps


@dataclass(frozen=True, slots=True)
class Claim(Record):
    """Tasks to answer, each with `id`, `batch`, `rank` and its `item`. `fields` has all fields of the API, such as the
    `reason` if there are none.
    """

    tasks: Sequence[Mapping[str, Any]]
    remaining: int


@dataclass(frozen=True, slots=True)
class Submitted(Record):
    """The ids of the accepted answers, and the rejected ones, each with `id`, `code` and `detail`."""

    accepted: Sequence[str]
    rejected: Sequence[Mapping[str, Any]]


class Tasks(Part[C]):
    """The tasks of the token's owner, an annotator or manager."""

    def __init__(self, connection: C, path: str) -> None:
        super().__init__(connection)
        self._path = path

    @call
    def claim(self, count: int = 10) -> Steps[Claim]:
        """Claim up to `count` tasks: the owner's unanswered ones first. Raises `Refused`, `ServerAway`."""
        return record(Claim, (yield from self._connection.ask("POST", f"{self._path}claim/", {"count": count})))

    @call
    def submit(self, answers: Iterable[Mapping[str, Any]]) -> Steps[Submitted]:
        """Submit up to 1,000 answers, each with `task` and `value`, and the other fields of the API.

        An answer without `id` gets one, so that a repeated request counts once. Raises `Refused`, `ServerAway`.
        """
        annotations = [{"id": str(uuid.uuid4()), **answer} for answer in answers]
        body = {"annotations": annotations}
        return record(Submitted, (yield from self._connection.ask("POST", f"{self._path}annotations/", body)))

    @call
    def skip(self, task: int, reason: str, /, **fields: Any) -> Steps[Submitted]:
        """Skip a task, with a reason. Raises `Refused`, `ServerAway`."""
        body = {"id": str(uuid.uuid4()), "task": task, "reason": reason, **fields}
        return record(Submitted, (yield from self._connection.ask("POST", f"{self._path}skip/", body)))

    @call
    def undo(self, answer: str) -> Steps[bool]:
        """Take an answer or a skip back, by its id. Returns whether that was still possible. Raises `Refused`,
        `ServerAway`.
        """
        try:
            yield from self._connection.ask("DELETE", f"{self._path}annotations/{answer}/")
        except Conflict:
            return False
        return True

    @call
    def release(self, tasks: Iterable[int] | None = None) -> Steps[int]:
        """Release tasks, by default all of the owner, and return their number. Raises `Refused`, `ServerAway`."""
        body = {} if tasks is None else {"tasks": list(tasks)}
        released: int = (yield from self._connection.ask("POST", f"{self._path}release/", body))["released"]
        return released
