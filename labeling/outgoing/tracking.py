"""Log model versions to MLflow: a run for each version, with its training data, metrics and files. Needs `mlflow`.

Each version is logged once, however often it is requested: the run has the version's digest as a tag.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from labeling.models import ModelVersion, Project
from labeling.outgoing import artifacts
from labeling.shared_files import StoreAway

if TYPE_CHECKING:
    from mlflow import MlflowClient

TAG = "marginalia.digest"


class TrackingError(Exception):
    """MLflow is not installed, or rejects a request; the message says what to do."""


class Tracker:
    """The experiment of one project at one MLflow server."""

    def __init__(self, project: Project, *, uri: str, experiment: str = "") -> None:
        """`experiment`: its name, the project's slug if empty. Raises `TrackingError`."""
        try:
            from mlflow import MlflowClient
            from mlflow.exceptions import MlflowException
        except ImportError as error:
            raise TrackingError(
                "MLflow is not installed. Install its client with: scripts/setup.sh requirements-export.txt"
            ) from error
        self._refused: type[Exception] = MlflowException
        self._uri = uri
        try:
            self._client: MlflowClient = MlflowClient(tracking_uri=uri)
            self._experiment = self._find_or_create(experiment or project.slug)
        except MlflowException as error:
            raise self._problem(error) from error

    def log(self, version: ModelVersion) -> bool:
        """Make a run of the version; False if there is one already. Raises `TrackingError`."""
        try:
            if self._client.search_runs([self._experiment], f"tags.`{TAG}` = '{version.digest}'"):
                return False
            self._log(version)
        except self._refused as error:
            raise self._problem(error) from error
        except artifacts.FolderError as error:
            raise TrackingError(f"The files of model version {version.number} are gone from the disk.") from error
        except StoreAway as error:
            raise TrackingError(f"The files of model version {version.number} are out of reach: {error}") from error
        return True

    def _log(self, version: ModelVersion) -> None:
        from mlflow.entities import Metric, Param

        made = _milliseconds(version.created_at)
        # The tag comes last: an incomplete run has no tag, so the next attempt logs the version again.
        run = self._client.create_run(
            self._experiment, start_time=made, run_name=f"v{version.number}", tags=_tags(version)
        )
        run_id = run.info.run_id
        self._client.log_batch(
            run_id,
            metrics=[Metric(name, value, made, version.number) for name, value in _metrics(version)],
            params=[Param(name, str(value)) for name, value in sorted(version.training.items())],
        )
        with tempfile.TemporaryDirectory() as folder:
            with artifacts.as_zip(version) as packed, zipfile.ZipFile(packed) as archive:
                archive.extractall(folder)  # our own, a moment old
            self._client.log_artifacts(run_id, folder, "model")
        self._client.set_tag(run_id, TAG, version.digest)
        self._client.set_terminated(run_id, end_time=made + round(1000 * version.seconds))

    def _find_or_create(self, name: str) -> str:
        experiment = self._client.get_experiment_by_name(name)
        return str(experiment.experiment_id if experiment else self._client.create_experiment(name))

    def _problem(self, error: Exception) -> TrackingError:
        return TrackingError(f"MLflow at {self._uri}: {str(error).splitlines()[0]}")


def _tags(version: ModelVersion) -> dict[str, str]:
    return {
        "marginalia.project": version.project.slug,
        "marginalia.version": str(version.number),
        "marginalia.origin": version.origin,
        "marginalia.batch": str(version.last_batch or ""),
        "marginalia.parent": str(version.parent.number) if version.parent else "",
        "marginalia.labels_hash": version.labels_hash,
        "marginalia.seed": str(version.seed),
    }


def _metrics(version: ModelVersion) -> Iterator[tuple[str, float]]:
    """Yield the numbers among the version's metrics with their paths (`control.accuracy`), and the number of its
    labels.
    """
    yield "labels", float(version.labels)
    yield "seconds", version.seconds
    yield from _numbers(version.metrics, "")
    yield from _numbers(version.calibration.get("measured", {}), "calibrated.")


def _numbers(values: dict[str, Any], prefix: str) -> Iterator[tuple[str, float]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _numbers(value, f"{prefix}{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{prefix}{name}", float(value)


def _milliseconds(at: datetime) -> int:
    return round(1000 * at.timestamp())
