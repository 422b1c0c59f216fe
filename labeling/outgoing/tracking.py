"""Log model versions to MLflow: a run for each version, with its training data, metrics and files. Needs `mlflow`.

Each version is logged and registered once, however often it is requested: the run has the version's digest as a tag.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext

from labeling.models import Job, LogKind, ModelVersion, Project, TrackedVersion, User
from labeling.models.refusals import StateConflict
from labeling.observing import auditlog
from labeling.outgoing import artifacts
from labeling.projects.privacy import ledger
from labeling.storage.shared_files import StoreAway

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

TAG = "marginalia.digest"


IN_USE = "in-use"
"""The alias of the version that picks batches, in MLflow's registry."""


class TrackingError(Exception):
    """MLflow is not installed, or rejects a request; the message says what to do."""


class TrackingRefused(StateConflict):
    """The version may not be sent to MLflow, or not now; the message says why."""


class Entry(NamedTuple):
    """A version in MLflow's registry: the registered model, and the number of its version there."""

    name: str
    number: int


@transaction.atomic
def ask(*, version: ModelVersion, user: User) -> TrackedVersion:
    """Enqueue the job that registers the version in MLflow, unless a request waits. Raises `TrackingRefused`."""
    if not settings.MLFLOW_TRACKING_URI:
        raise TrackingRefused(
            gettext("MLflow is not set up on this server. Ask an operator to set MLFLOW_TRACKING_URI.")
        )
    if version.is_given:
        raise TrackingRefused(
            gettext("Model version %(number)s has no files: it consists of external predictions.")
            % {"number": version.number}
        )
    if not ledger.may_be_downloaded(version):
        raise TrackingRefused(ledger.download_refusal(version))
    if version.calibrating == ModelVersion.Calibrating.WAITING:
        raise TrackingRefused(gettext("The calibration of the version is still running. Register it when it is done."))
    ModelVersion.objects.select_for_update(no_key=True).get(pk=version.pk)  # two requests take turns
    earlier = TrackedVersion.objects.filter(version=version).first()
    if earlier is not None:
        if earlier.state == TrackedVersion.State.WAITING:
            return earlier
        earlier.delete()
    tracked = TrackedVersion.objects.create(project=version.project, version=version, created_by=user)
    Job.objects.enqueue(Job.Kind.TRACK, project=version.project, cause=tracked)
    auditlog.record(LogKind.MODEL_TRACKED, project=version.project, subject=f"version {version.number}")
    return tracked


def page_of(tracked: TrackedVersion) -> str:
    """Return the address of MLflow's page about the version; empty if MLflow has no pages."""
    uri = settings.MLFLOW_TRACKING_URI
    if not tracked.model_version or not uri.startswith(("http://", "https://")):
        return ""
    return f"{_shown(uri).rstrip('/')}/#/models/{quote(tracked.model_name)}/versions/{tracked.model_version}"


def _shown(text: str) -> str:
    """Return the text without names and passwords in addresses."""
    return re.sub(r"//[^/@\s]*@", "//", text)


class Tracker:
    """The experiment of one project at one MLflow server."""

    def __init__(self, project: Project, *, uri: str) -> None:
        """Find or create the experiment with the project's slug. Raises `TrackingError`."""
        try:
            from mlflow import MlflowClient
            from mlflow.exceptions import MlflowException
        except ImportError as error:
            raise TrackingError(
                gettext("MLflow is not installed. Install its client with: scripts/setup.sh requirements-export.txt")
            ) from error
        self._refused: type[Exception] = MlflowException
        self._uri, self._project = uri, project
        try:
            self._client: MlflowClient = MlflowClient(tracking_uri=uri)
            experiment = self._client.get_experiment_by_name(project.slug)
            self._experiment = str(
                experiment.experiment_id if experiment else self._client.create_experiment(project.slug)
            )
        except MlflowException as error:
            raise self._problem(error) from error

    def register(self, version: ModelVersion, *, in_use: bool) -> Entry:
        """Log the version, and make it a version of the registered model with the project's slug, both unless they
        exist. `in_use`: also give it the alias. Raises `TrackingError`.
        """
        name = self._project.slug
        with self._named_problems(version):
            if self._run_of(version) is None:
                self._log(version)
            run = self._run_of(version)
            assert run is not None
            if not self._client.search_registered_models(f"name = '{name}'"):
                self._client.create_registered_model(name, description=f"Versions of the project {name}.")
            found = self._client.search_model_versions(f"name = '{name}' and run_id = '{run.info.run_id}'")
            source = f"{run.info.artifact_uri}/model"
            if not found:
                found = [self._client.create_model_version(name, source, run.info.run_id, tags=_tags(version))]
            entry = found[0]
            if in_use:
                self._client.set_registered_model_alias(name, IN_USE, entry.version)
        return Entry(name, int(entry.version))

    def _run_of(self, version: ModelVersion) -> Run | None:
        return next(iter(self._client.search_runs([self._experiment], f"tags.`{TAG}` = '{version.digest}'")), None)

    @contextmanager
    def _named_problems(self, version: ModelVersion) -> Iterator[None]:
        """Turn the errors of MLflow and of the version's files into a `TrackingError`."""
        try:
            yield
        except self._refused as error:
            raise self._problem(error) from error
        except artifacts.FolderError as error:
            raise TrackingError(
                gettext("The files of model version %(number)s are missing on the disk.") % {"number": version.number}
            ) from error
        except StoreAway as error:
            raise TrackingError(
                gettext("The files of model version %(number)s cannot be reached: %(error)s")
                % {"number": version.number, "error": error}
            ) from error

    def _log(self, version: ModelVersion) -> None:
        from mlflow.entities import Metric, Param

        made = round(1000 * version.created_at.timestamp())
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

    def _problem(self, error: Exception) -> TrackingError:
        return TrackingError(_shown(f"MLflow at {self._uri}: {str(error).splitlines()[0]}"))


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
    """Yield the numbers among the version's metrics with their paths (`control.accuracy`), and its number of labels."""
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
