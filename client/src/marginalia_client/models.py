"""A project's model versions, and their predictions."""

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .bars import bar
from .errors import Failed, MissingPackage, NotFound
from .rows import HEADERS, Row, lines
from .running import C, Part, call, each
from .steps import Pages, Request, Steps, polls, upload
from .tables import Table, save

ARRAYS = {
    "Content-Type": "application/octet-stream",
    "Content-Disposition": 'attachment; filename="predictions.npz"',
}


class Predictions(Table[C]):
    """The predictions of a model version for the caller's rows, in their order.

    `predicted` and `rejected` count rows; `rejections` has the first hundred rejected ones, each with `where` and
    `reason`. The server keeps predictions for seven days.
    """

    def __init__(self, connection: C, path: str, fields: Mapping[str, Any]) -> None:
        super().__init__(connection, f"{path}predictions/{fields['id']}/result/", {})
        self.fields = fields
        self.predicted: int = fields["predicted"]
        self.rejected: int = fields["rejected"]
        self.rejections: list[dict[str, str]] = fields["rejections"]


class ModelVersion(Part[C]):
    """A model version. `number` counts from 1, `in_use` says whether it picks the next batch, `fields` has all fields
    of the API, for example `metrics`.
    """

    def __init__(self, connection: C, path: str, fields: Mapping[str, Any]) -> None:
        super().__init__(connection)
        self._project = path
        self.fields = fields
        self.number: int = fields["version"]
        self.in_use: bool = fields["in_use"]

    def __repr__(self) -> str:
        return f"ModelVersion({self.number})"

    @call
    def predict(
        self,
        rows: Iterable[Row],
        *,
        probabilities: bool = False,
        timeout: float | None = None,
        progress: bool = False,
    ) -> Steps[Predictions[C]]:
        """Predict rows, which do not become items, and wait for the result.

        Parameters
        ----------
        rows: as for `items.add`; ids are of use in the result, but not needed. All are sent in one request.
        probabilities: whether the result has the probability of each class.
        timeout: in seconds; by default there is no limit.

        Raises `ValueError` for a row that cannot be sent, `TimedOut`, `Failed` if the server could not predict them,
        `Refused` and `ServerAway`.
        """
        connection = self._connection
        content = b"".join(line for _, line in lines(rows, with_id=False))
        path = f"{self._project}models/{self.number}/predict/"
        params = {"probabilities": "true"} if probabilities else {}
        # Not repeatable: each request is a run of its own.
        reply = yield from connection.send(Request("POST", path, params, content, HEADERS, repeatable=False))
        run = connection.read(reply)
        with bar(progress, "rows") as advance:
            shown = 0
            for pause in polls(timeout, "The prediction was not done"):
                advance(run["position"] - shown)
                shown = run["position"]
                if run["state"] == "failed":
                    raise Failed(f"The prediction failed: {run['reason']}")
                if run["state"] == "done":
                    break
                yield pause
                run = yield from connection.ask("GET", f"{self._project}predictions/{run['id']}/")
        return Predictions(connection, self._project, run)

    @call
    def measured_blind(self) -> Steps[dict[str, Any]]:
        """Return how often predictions from outside were right where people answered without seeing them, and the same
        of these people: all fields of the API.

        Raises `NotFound` for another version, or if the predictions are no answers to compare with labels.
        """
        path = f"{self._project}models/{self.number}/measured-blind/"
        fields: dict[str, Any] = yield from self._connection.ask("GET", path)
        return fields

    @call
    def save(self, to: str | Path, *, progress: bool = False) -> Steps[Path]:
        """Write the version's files, in one zip, to a path, and return it.

        The file appears when it is complete. Raises `OSError`, `NotPermitted` if the project is private, `ServerAway`.
        """
        path = f"{self._project}models/{self.number}/artifact/"
        return (yield from save(self._connection, path, {}, Path(to), progress=progress))


def _arrays(**arrays: Any) -> bytes:
    """Return these arrays as an .npz file; None is left out."""
    try:
        import numpy as np
    except ImportError:
        raise MissingPackage("This needs numpy: pip install numpy.") from None
    there = {name: np.ascontiguousarray(array) for name, array in arrays.items() if array is not None}
    there |= {name: there[name].astype(str) for name in ("ids", "classes") if name in there}
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **there)
    return file.getvalue()


class Models(Part[C]):
    """The model versions of a project."""

    def __init__(self, connection: C, path: str) -> None:
        super().__init__(connection)
        self._project = path

    @each
    def list(self) -> Pages[ModelVersion[C]]:
        """Yield all versions, the newest first."""
        yield from self._connection.pages(f"{self._project}models/", {"page_size": 100}, self._version)

    @call
    def get(self, number: int) -> Steps[ModelVersion[C]]:
        """Return one version. Raises `NotFound`."""
        return self._version((yield from self._connection.ask("GET", f"{self._project}models/{number}/")))

    @call
    def latest(self) -> Steps[ModelVersion[C]]:
        """Return the newest version. Raises `NotFound` if there is none yet."""
        body = yield from self._connection.ask("GET", f"{self._project}models/", params={"page_size": 1})
        if not body["results"]:
            text = "There is no model version yet: the first is trained when the first batch is complete."
            raise NotFound(text, status=404, code="not_found")
        return self._version(body["results"][0])

    @call
    def register(self, path: str | Path, *, timeout: float | None = None) -> Steps[ModelVersion[C]]:
        """Register a model that was trained elsewhere, and wait for the version that the server makes of it.

        Parameters
        ----------
        path: a zip with `manifest.json` and `model.onnx`, or the saved files of a version of another project.
        timeout: in seconds; by default there is no limit.

        Raises `OSError`, `TimedOut`, `Failed` with the reason if the server refused the model, `Refused` and
        `ServerAway`.
        """
        connection, address = self._connection, f"{self._project}registrations/"
        registration = yield from upload(connection, address, Path(path))
        for pause in polls(timeout, "The model was not registered"):
            if registration["state"] == "failed":
                raise Failed(f"The model was not registered: {registration['reason']}")
            if registration["state"] == "done":
                break
            yield pause
            registration = yield from connection.ask("GET", f"{address}{registration['id']}/")
        fields = yield from connection.ask("GET", f"{self._project}models/{registration['version']}/")
        return self._version(fields)

    @call
    def hand_in(
        self,
        ids: Sequence[str],
        *,
        probabilities: Any = None,
        classes: Sequence[str] | None = None,
        margins: Any = None,
        embeddings: Any = None,
        strict: bool = True,
        timeout: float | None = None,
    ) -> Steps[ModelVersion[C]]:
        """Hand in the predictions of your own model for all items, and return the version that they become.

        Parameters
        ----------
        ids: the `external_id` of each of n items, in any order.
        probabilities: (n, k) numbers; `classes` are the k names of the columns. For `verify` (n,), without classes.
        margins: (n,) numbers, in place of probabilities.
        embeddings: (n, d) numbers, optional.
        strict: refuse predictions that do not cover all items. Without it, the items behind the last predicted one may
            be left out: they wait for newer predictions, and `fields["metrics"]["given"]["left_out"]` counts them.
        timeout: in seconds; by default there is no limit.

        Raises `MissingPackage`, `TimedOut`, `Failed` with the reason if the server refuses them, `NotPermitted`,
        `Refused` and `ServerAway`.
        """
        connection = self._connection
        content = _arrays(ids=ids, probabilities=probabilities, classes=classes, margins=margins, embeddings=embeddings)
        params = {} if strict else {"strict": "false"}
        request = Request("POST", f"{self._project}prediction-sets/", params, content, ARRAYS, repeatable=False)
        handed = connection.read((yield from connection.send(request)))
        for pause in polls(timeout, "The predictions were not read"):
            if handed["state"] == "failed":
                raise Failed(handed["reason"])
            if handed["state"] == "done":
                break
            yield pause
            handed = yield from connection.ask("GET", f"{self._project}prediction-sets/{handed['id']}/")
        return self._version((yield from connection.ask("GET", f"{self._project}models/{handed['version']}/")))

    def _version(self, fields: Mapping[str, Any]) -> ModelVersion[C]:
        return ModelVersion(self._connection, self._project, fields)
