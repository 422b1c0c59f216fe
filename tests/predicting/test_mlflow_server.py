"""Test that the button registers a version at a real MLflow server. It is installed from PyPI into var/mlflow."""

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
from pages import manager, text_of
from predicting.trained import text_rows, trained_project, write_rows

from labeling.intake import registering

pytestmark = [pytest.mark.long, pytest.mark.django_db(transaction=True)]

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
