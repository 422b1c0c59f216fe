"""A project's dataset versions."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

from .errors import Failed
from .records import Record, record
from .running import C, Part, call, each
from .steps import Pages, Steps, polls
from .tables import Table


@dataclass(frozen=True, slots=True)
class DatasetVersion(Record):
    """A named state of the labels that never changes. `digest` is the SHA-256 of its manifest; `fields` has all fields
    of the API.
    """

    number: int
    name: str
    state: str
    reason: str
    rows: int
    digest: str


class Dataset(Table[C]):
    """The rows of a dataset version, and what is known of it. Making one sends no request."""

    def __init__(self, connection: C, project: str, name: str) -> None:
        super().__init__(connection, f"{project}export/", {"dataset": name})
        self.name = name
        self._place = f"{project}datasets/{quote(name, safe='')}/"

    def __repr__(self) -> str:
        return f"Dataset({self.name!r})"

    @call
    def version(self) -> Steps[DatasetVersion]:
        """Return the dataset version. Raises `NotFound`."""
        return record(DatasetVersion, (yield from self._connection.ask("GET", self._place)))

    @call
    def manifest(self) -> Steps[dict[str, Any]]:
        """Return the manifest: columns, classes, counts, lineage and hashes. Raises `NotFound`, `Conflict`."""
        return dict((yield from self._connection.ask("GET", f"{self._place}manifest/")))

    @call
    def compare(self, earlier: str) -> Steps[dict[str, Any]]:
        """Return how it differs from an earlier version, by the earlier one's name. Raises `NotFound`, `Conflict`."""
        params = {"with": earlier}
        return dict((yield from self._connection.ask("GET", f"{self._place}comparison/", params=params)))

    @call
    def verify(self) -> Steps[list[str]]:
        """Let the server read all files and compare their hashes; return the problems, none if all is well."""
        return list((yield from self._connection.ask("GET", f"{self._place}verification/"))["problems"])


class Datasets(Part[C]):
    """The dataset versions of a project."""

    def __init__(self, connection: C, path: str) -> None:
        super().__init__(connection)
        self._path = f"{path}datasets/"

    @each
    def list(self) -> Pages[DatasetVersion]:
        """Yield all dataset versions."""
        yield from self._connection.pages(self._path, {"page_size": 100}, partial(record, DatasetVersion))

    @call
    def create(
        self,
        name: str = "",
        *,
        note: str = "",
        filters: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Steps[DatasetVersion]:
        """Make a dataset version of the present labels, and wait until it is written.

        Parameters
        ----------
        name: by default `v` and its number.
        filters: those of `labels`, as texts; without any, the version has all labeled items.

        Raises `Invalid` for a taken name or a wrong filter, `TimedOut`, `Failed` if it could not be written, and
        `Refused` or `ServerAway`.
        """
        body = {"note": note, "filters": dict(filters or {}), **({"name": name} if name else {})}
        made = record(DatasetVersion, (yield from self._connection.ask("POST", self._path, body, repeatable=False)))
        path = f"{self._path}{quote(made.name, safe='')}/"
        for pause in polls(timeout, f"Dataset version {made.name} was not written"):
            if made.state == "failed":
                raise Failed(f"Dataset version {made.name} failed: {made.reason}")
            if made.state == "whole":
                break
            yield pause
            made = record(DatasetVersion, (yield from self._connection.ask("GET", path)))
        return made
