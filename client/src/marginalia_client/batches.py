"""A project's batches."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

from .bars import bar
from .errors import Failed
from .records import Record, record
from .running import C, Part, call, each
from .steps import Pages, Steps, polls


@dataclass(frozen=True, slots=True)
class Batch(Record):
    """A batch. `model_version` is the version that was trained on it. `fields` has all fields of the API."""

    number: int
    state: str
    reason: str
    size: int
    remaining: int
    answered: int
    model_version: int | None


class Batches(Part[C]):
    """The batches of a project."""

    def __init__(self, connection: C, path: str) -> None:
        super().__init__(connection)
        self._project = path
        self._path = f"{path}batches/"

    @each
    def list(self) -> Pages[Batch]:
        """Yield all batches, the newest first."""
        yield from self._connection.pages(self._path, {"page_size": 100}, partial(record, Batch))

    @call
    def get(self, number: int) -> Steps[Batch]:
        """Return one batch. Raises `NotFound`."""
        return record(Batch, (yield from self._connection.ask("GET", f"{self._path}{number}/")))

    @call
    def current(self) -> Steps[Batch | None]:
        """Return the first batch that is not done, else the last one; None if there is no batch yet."""
        return (yield from self._current())

    @call
    def wait_open(self, number: int | None = None, *, timeout: float | None = None) -> Steps[Batch]:
        """Wait until a batch is open for answers, and return it.

        Parameters
        ----------
        number: of the batch, which may come later, and is also returned if it is beyond that; by default the first
            batch that is open.
        timeout: in seconds; by default there is no limit.

        Raises `TimedOut`, `Failed` if the batch fails or no further batch opens, and `Refused` or `ServerAway`.
        """
        if number is not None:
            return (yield from self._wait(number, ("open", "training", "done"), timeout, progress=False))
        for pause in polls(timeout, "No batch was open"):
            is_final = (yield from self._connection.ask("GET", f"{self._project}progress/"))["is_final"]
            newest = yield from self._newest()  # afterwards: the last batch may have opened meanwhile
            if is_open := [batch for batch in newest if batch.state == "open"]:
                return is_open[-1]
            _raise_failed(newest)
            if is_final:
                raise Failed("No further batch opens: no item is left.")
            yield pause
        raise AssertionError("polls never end")

    @call
    def wait_done(
        self, number: int | None = None, *, timeout: float | None = None, progress: bool = False
    ) -> Steps[Batch]:
        """Wait until a batch is done: all its answers are there, and a model version was trained on it.

        Parameters
        ----------
        number: of the batch, which may come later; by default the first that is not done, else the last one.
        timeout: in seconds; by default there is no limit.

        Raises `TimedOut`, `Failed` if the batch fails, and `Refused` or `ServerAway`.
        """
        return (yield from self._wait(number, ("done",), timeout, progress=progress))

    def _wait(
        self, number: int | None, states: Collection[str], timeout: float | None, *, progress: bool
    ) -> Steps[Batch]:
        wanted = "done" if len(states) == 1 else "open"
        with bar(progress, "answered tasks") as advance:
            shown = 0
            for pause in polls(timeout, f"{f'Batch {number}' if number else 'The batch'} was not {wanted}"):
                batch = yield from (self._current() if number is None else self._find(number))
                if batch:
                    number = batch.number
                    advance(batch.answered - shown)
                    shown = batch.answered
                    if batch.state in states:
                        return batch
                    _raise_failed([batch])
                yield pause
        raise AssertionError("polls never end")

    def _newest(self) -> Steps[Sequence[Batch]]:
        body = yield from self._connection.ask("GET", self._path, params={"page_size": 100})
        return [record(Batch, batch) for batch in body["results"]]

    def _current(self) -> Steps[Batch | None]:
        newest = yield from self._newest()
        return next((batch for batch in reversed(newest) if batch.state != "done"), newest[0] if newest else None)

    def _find(self, number: int) -> Steps[Batch | None]:
        """Return the batch; None if it does not exist yet."""
        body = yield from self._connection.ask("GET", self._path, params={"page_size": 1})
        newest = [record(Batch, batch) for batch in body["results"]]
        if not newest or newest[0].number < number:
            return None
        if newest[0].number == number:
            return newest[0]
        return record(Batch, (yield from self._connection.ask("GET", f"{self._path}{number}/")))


def _raise_failed(batches: Sequence[Batch]) -> None:
    for batch in batches:
        if batch.state == "failed":
            raise Failed(f"Batch {batch.number} failed: {batch.reason}")
