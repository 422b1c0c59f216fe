"""Test that a registered version becomes one run in a real store and at a real server, with files that can be read
back, once.
"""

import json
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from draining import drain
from factories import make_project
from pages import make_history, manager, member, text_of
from predicting.trained import text_rows, trained_project, write_rows

from labeling.intake import registering
from labeling.models import ModelVersion, Project, Role, TrackedVersion, User
from labeling.outgoing import tracking
from labeling.storage.arrays.files import ProjectFiles


@pytest.fixture
def project() -> Project:
    project = make_project()
    make_history(project, 2)
    for version in project.versions.all():
        version.artifact = ProjectFiles(project).artifact(version.number)
        folder = Path(ProjectFiles(project).artifact_at(version.artifact))
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text(f'{{"version": {version.number}, "files": {{}}}}')
        version.training = {"epochs": 40, "augment": True}
        version.labels_hash = f"{version.number:064}"
        version.save()
    return project


@pytest.fixture
def uri(tmp_path: Path, monkeypatch: Any) -> str:
    """Return the URI of a store on disk, the only kind that the client has by itself."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    return f"file://{tmp_path}/mlruns"


def client_of(uri: str) -> Any:
    from mlflow import MlflowClient  # not before a test needs it: the import takes a second

    return MlflowClient(tracking_uri=uri)


def runs_at(uri: str, experiment: str = "digits") -> list[Any]:
    client = client_of(uri)
    found = client.get_experiment_by_name(experiment)
    return sorted(client.search_runs([found.experiment_id]), key=lambda run: run.info.run_name) if found else []


def register(project: Project, number: int) -> TrackedVersion:
    """Ask for the version's registration, and let a worker carry it out."""
    version = project.versions.get(number=number)
    tracked = tracking.ask(version=version, user=User.objects.get_or_create(username="mia")[0])
    drain()
    tracked.refresh_from_db()
    return tracked


@pytest.mark.django_db
def test_a_version_becomes_a_run_with_what_is_known_of_it(
    project: Project, uri: str, tmp_path: Path, settings: Any
) -> None:
    settings.MLFLOW_TRACKING_URI = uri
    assert register(project, 2).state == "done"
    [run] = runs_at(uri)
    assert (run.info.run_name, run.info.status) == ("v2", "FINISHED")
    assert run.data.params == {"epochs": "40", "augment": "True"}
    assert run.data.metrics["control.accuracy"] == 0.9
    assert run.data.metrics["labels"] == 160
    version = project.versions.get(number=2)
    assert run.data.tags["marginalia.digest"] == version.digest
    assert run.data.tags["marginalia.labels_hash"] == version.labels_hash
    assert run.data.tags["marginalia.parent"] == "1"
    taken = client_of(uri).download_artifacts(run.info.run_id, "model", str(tmp_path))
    assert Path(taken, "manifest.json").read_text() == '{"version": 2, "files": {}}'


@pytest.mark.django_db
def test_a_run_that_broke_off_is_made_again(project: Project, uri: str, settings: Any) -> None:
    settings.MLFLOW_TRACKING_URI = uri
    manifest = Path(ProjectFiles(project).artifact_at("models/v2")) / "manifest.json"
    manifest.unlink()
    manifest.parent.rmdir()
    assert "The files of model version 2 are missing" in register(project, 2).reason
    manifest.parent.mkdir()
    manifest.write_text('{"files": {}}')
    assert register(project, 2).state == "done"
    assert sum("marginalia.digest" in run.data.tags for run in runs_at(uri)) == 1


@pytest.mark.django_db
def test_the_button_registers_a_version_once(project: Project, uri: str, settings: Any) -> None:
    client = manager(project)
    assert "MLflow" not in text_of(client.get("/p/digits/models/2/"))
    settings.MLFLOW_TRACKING_URI = uri
    assert "Register in MLflow" in text_of(client.get("/p/digits/models/2/"))
    assert "Register in MLflow" not in text_of(member(project, Role.ENGINEER).get("/p/digits/models/2/"))
    for number in (2, 1, 2):
        page = client.post(f"/p/digits/models/{number}/mlflow/", follow=True)
        assert "A worker is registering it in MLflow." in text_of(page)
        assert client.post(f"/p/digits/models/{number}/mlflow/", follow=True).status_code == 200  # it waits
        drain()
    assert "In MLflow: version 1 of digits" in text_of(client.get("/p/digits/models/2/"))
    entries = client_of(uri).search_model_versions("name = 'digits'")
    assert sorted((int(entry.version), entry.tags["marginalia.version"]) for entry in entries) == [(1, "2"), (2, "1")]
    assert client_of(uri).get_model_version_by_alias("digits", "in-use").run_id == runs_at(uri)[1].info.run_id
    assert len(runs_at(uri)) == 2
    answer = client.get("/api/v1/projects/digits/models/1/mlflow/").json()
    assert (answer["state"], answer["model_name"], answer["model_version"]) == ("done", "digits", 2)


@pytest.mark.django_db
def test_a_version_that_mlflow_does_not_take_says_why(project: Project, settings: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    client = manager(project)
    assert client.post("/api/v1/projects/digits/models/2/mlflow/").json()["detail"].startswith("MLflow is not set up")
    settings.MLFLOW_TRACKING_URI = "http://mona:secret@127.0.0.1:9"
    client.post("/p/digits/models/2/mlflow/")
    drain()
    page = text_of(client.get("/p/digits/models/2/"))
    assert "It is not in MLflow: MLflow at http://127.0.0.1:9: " in page
    assert "secret" not in page.partition("It is not in MLflow")[2].partition("One zip")[0]
    ModelVersion.objects.update(calibrating="waiting")
    assert "still running" in client.post("/api/v1/projects/digits/models/1/mlflow/").json()["detail"]
    Project.objects.update(privacy_epsilon=3.0)
    assert "without privacy" in client.post("/api/v1/projects/digits/models/1/mlflow/").json()["detail"]


@pytest.mark.django_db
def test_without_its_client_it_says_what_to_install(project: Project, settings: Any, monkeypatch: Any) -> None:
    settings.MLFLOW_TRACKING_URI = "http://127.0.0.1:9"
    monkeypatch.setitem(__import__("sys").modules, "mlflow", None)
    assert "requirements-export.txt" in register(project, 2).reason


ENVIRONMENT = Path(__file__).parents[2] / "var" / "mlflow"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("mlflow")
    if not (ENVIRONMENT / "bin" / "mlflow").exists():
        subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True)
        subprocess.run([ENVIRONMENT / "bin" / "pip", "install", "-q", "mlflow>=3.1,<4"], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "files")]
    command = [ENVIRONMENT / "bin" / "mlflow", "server", "--port", str(port), "--workers", "1", *store]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{address}/health")
        yield address
    finally:
        process.terminate()
        process.wait()


def _wait_for(address: str) -> None:
    for _ in range(600):
        try:
            urlopen(address).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(f"{address} does not answer")


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_a_version_is_registered_once_and_has_the_alias(server: str, tmp_path: Path, settings: Any) -> None:
    from mlflow import MlflowClient

    project = trained_project(write_rows(tmp_path / "texts.jsonl", text_rows()))
    settings.MLFLOW_TRACKING_URI = server
    client = manager(project)
    for _ in range(2):
        client.post("/p/p/models/1/mlflow/")
        drain()
    assert "In MLflow: version 1 of p" in text_of(client.get("/p/p/models/1/"))
    assert client.get("/api/v1/projects/p/models/1/mlflow/").json()["page"] == f"{server}/#/models/p/versions/1"
    registry = MlflowClient(tracking_uri=server)
    [entry] = registry.search_model_versions("name = 'p'")
    assert registry.get_model_version_by_alias("p", "in-use").version == entry.version
    folder = Path(registry.download_artifacts(entry.run_id, "model", str(tmp_path)))
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["digest"] == project.versions.get().digest
    with (tmp_path / "model.zip").open("w+b") as file:
        with zipfile.ZipFile(file, "w") as archive:
            for each in folder.iterdir():
                archive.write(each, each.name)
        file.seek(0)
        registering.receive(project=project, user=None, name="model.zip", chunks=[file.read()])
    drain()
    assert project.versions.get(number=2).origin == "registered"
