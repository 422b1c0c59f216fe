"""A project."""

from typing import Any
from urllib.parse import quote

from .batches import Batches
from .datasets import Dataset, Datasets
from .items import Items
from .models import Models
from .running import C, Part, call
from .steps import Steps
from .tables import Table
from .tasks import Tasks


class Project(Part[C]):
    """A project of the server. Making one sends no request."""

    def __init__(self, connection: C, slug: str) -> None:
        super().__init__(connection)
        self.slug = slug
        self._path = f"projects/{quote(slug, safe='')}/"
        self.items = Items(connection, self._path)
        self.batches = Batches(connection, self._path)
        self.models = Models(connection, self._path)
        self.datasets = Datasets(connection, self._path)
        self.tasks = Tasks(connection, self._path)

    def __repr__(self) -> str:
        return f"Project({self.slug!r})"

    @call
    def settings(self) -> Steps[dict[str, Any]]:
        """Return the project with its settings. Raises `NotFound`."""
        return dict((yield from self._connection.ask("GET", self._path)))

    @call
    def update(self, /, **settings: Any) -> Steps[dict[str, Any]]:
        """Change settings, for example `batch_size=500`, and return all of them.

        Raises `Invalid`, with the sentences for each setting in `fields`, and changes nothing.
        """
        return dict((yield from self._connection.ask("PATCH", self._path, settings)))

    @call
    def progress(self) -> Steps[dict[str, Any]]:
        """Return the progress of the project and of the token's owner."""
        return dict((yield from self._connection.ask("GET", f"{self._path}progress/")))

    def labels(self, **filters: Any) -> Table[C]:
        """Return the labeled items with their annotations and lineage, as an export has them.

        All rows match all filters of the export, for example `batch="3-5"`.
        """
        return Table(self._connection, f"{self._path}export/", filters)

    def dataset(self, name: str) -> Dataset[C]:
        """Return the rows of a dataset version, for example `v3`. This sends no request."""
        return Dataset(self._connection, self._path, name)
