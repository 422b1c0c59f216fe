"""Test that a model that was trained elsewhere becomes a version: it is measured, passes the gate or not, and picks."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from django.core.management import call_command
from django.utils import timezone
from draining import drain
from factories import make_user
from graphs import endless_graph, linear_graph, packed
from pages import manager
from trained import CENTRES, answer_all, facts_of, imported_project, on_file, vector_project

from labeling.intake import registering
from labeling.models import Job, ModelVersion, Project, Registration, Upload
from labeling.outgoing import artifacts
from labeling.projects import version_in_use
from labeling.projects.version_in_use import in_use
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker
from models_store import registering as checking
from models_store.networks import graph

pytestmark = pytest.mark.django_db(transaction=True)


def register(project: Project, content: bytes) -> Registration:
    user = make_user(f"manager of {project}")
    registration = registering.receive(project=project, user=user, name="model.zip", chunks=[content])
    drain()
    registration.refresh_from_db()
    return registration


def test_a_graph_picks_the_next_batch_and_the_gate_decides_about_the_next_version(tmp_path: Path) -> None:
    project = vector_project(tmp_path)
    content = linear_graph(CENTRES.T[:, [2, 0, 1]])
    registration = register(project, packed(content, facts_of(project), classes=["right", "left", "middle"]))
    assert registration.reason == ""
    version = registration.version
    assert version is not None
    assert (version.number, version.origin, version.batch, version.held_back) == (2, "registered", None, False)
    assert version.metrics["control"]["accuracy"] > 0.8
    assert version.gate["against"] == 1
    assert in_use(project).version == version  # type: ignore[union-attr]
    batch = project.batches.get(number=2)
    assert batch.selected_by == version
    found, truth = on_file(project), dict(project.items.values_list("external_id", "truth"))
    assert np.mean([each["best"] == truth[name] for name, each in found.items()]) > 0.8
    manifest = artifacts.read_artifact(version).manifest  # type: ignore[union-attr]
    assert manifest["source"]["registered_by"] == f"manager of {project}"
    assert manifest["source"]["file"] == "model.zip"
    assert not Upload.objects.exists()
    # What was exported is the same graph.
    call_command("export_model", "p", "--version", "2", "--output", str(tmp_path / "back.onnx"))
    session = onnxruntime.InferenceSession(tmp_path / "back.onnx")
    assert session.get_modelmeta().custom_metadata_map["classes"] == '["right", "left", "middle"]'
    call_command("check_files", "p")


@pytest.mark.long
def test_the_gate_holds_back_a_worse_model_and_a_graph_that_fails_later_says_so(
    tmp_path: Path, monkeypatch: Any
) -> None:
    project = vector_project(tmp_path, control_share=0.5)
    registration = register(project, packed(linear_graph(-CENTRES.T), facts_of(project)))
    version = registration.version
    assert version is not None
    assert version.held_back
    assert in_use(project).version.number == 1  # type: ignore[union-attr]
    assert project.batches.get(number=2).selected_by.number == 1  # type: ignore[union-attr]
    version_in_use.use(project=project, version=version, user=make_user("m"))
    assert in_use(project).version == version  # type: ignore[union-attr]
    monkeypatch.setattr(graph, "TYPES", {})
    job = Job.objects.enqueue(Job.Kind.REPICK, project=project)
    Worker(run_step).run_next()
    job.refresh_from_db()
    assert job.state == Job.State.FAILED
    assert job.reason.startswith("A registered model version cannot predict: The graph's output ")
    assert job.reason.endswith("Choose another version, then retry.")


@pytest.mark.long
def test_a_version_of_another_project_comes_in_and_learns_on(tmp_path: Path) -> None:
    first = vector_project(tmp_path)
    content = artifacts.as_zip(first.versions.get()).read()
    call_command("export_model", "p", "--output", str(tmp_path / "p.onnx"))
    second = vector_project(tmp_path, "second", classes=["right", "middle", "left"])
    for number, file in enumerate([content, (tmp_path / "p.onnx").read_bytes()], start=2):
        registration = registering.receive(project=second, user=None, name="m", chunks=[file])
        drain()
        registration.refresh_from_db()
        assert registration.reason == ""
        version = registration.version
        assert version is not None
        assert version.number == number
        assert version.metrics["control"]["accuracy"] > 0.7
        assert second.batches.get(number=2).selected_by == version
    assert registration.source["project"] == "p"
    with zipfile.ZipFile(io.BytesIO(artifacts.as_zip(version).read())) as archive:
        assert {"manifest.json", "model.safetensors", "README.md"} == set(archive.namelist())
    again = register(second, artifacts.as_zip(version).read())
    assert again.reason == ""


def test_a_refused_file_changes_nothing_and_says_why(tmp_path: Path, monkeypatch: Any) -> None:
    project = vector_project(tmp_path)
    monkeypatch.setattr(graph, "SECONDS", 2)
    for content, reason in (
        (packed(linear_graph(CENTRES.T), facts_of(project), question="multi"), "answers the question 'multi'"),
        (packed(endless_graph(CENTRES.T), facts_of(project)), "did not answer within 2 seconds"),
    ):
        registration = registering.receive(project=project, user=None, name="m.zip", chunks=[content])
        drain()
        registration.refresh_from_db()
        assert registration.state == Registration.State.FAILED
        assert reason in registration.reason
    assert [version.number for version in project.versions.all()] == [1]
    assert not Upload.objects.exists()
    assert not Job.objects.exclude(state=Job.State.DONE).exists()


@pytest.mark.long
def test_a_model_picks_before_any_label_and_the_first_training_is_compared_with_it(tmp_path: Path) -> None:
    project = vector_project(tmp_path, make=imported_project)
    register(project, packed(linear_graph(CENTRES.T), facts_of(project)))
    first = project.versions.get()
    assert (first.number, first.gate, first.held_back, first.metrics["control"]) == (1, {}, False, {"n": 0})
    assert project.batches.get().selected_by == first
    client = manager(project)
    for path in ("/p/p/", "/p/p/models/", "/p/p/models/1/", "/p/p/settings/", "/p/p/batches/1/"):
        assert client.get(path).status_code == 200, path
    call_command("status", "p")
    answer_all(project)
    second = project.versions.get(number=2)
    assert (second.origin, second.gate["against"], second.parent) == ("trained", 1, first)
    assert client.get("/p/p/").status_code == 200
    assert client.get("/api/v1/projects/p/payoff/").json()["versions"] == 1


@pytest.mark.long
def test_a_model_that_is_too_slow_for_the_loop_is_refused(tmp_path: Path, monkeypatch: Any) -> None:
    project = vector_project(tmp_path)
    monkeypatch.setattr(checking, "check_predictions", lambda *_: 0.2)
    reason = register(project, packed(linear_graph(CENTRES.T), facts_of(project))).reason
    assert reason.startswith("The model takes 51 seconds for 256 items, and at most 30 are allowed.")


def test_it_waits_for_a_training_that_has_the_next_number(tmp_path: Path) -> None:
    project = vector_project(tmp_path)
    training = Job.objects.create(
        project=project, kind=Job.Kind.TRAIN, state=Job.State.RUNNING, heartbeat_at=timezone.now(), occasion="x"
    )
    content = packed(linear_graph(CENTRES.T), facts_of(project))
    registration = registering.receive(project=project, user=None, name="m.zip", chunks=[content])
    drain()
    job = Job.objects.get(kind=Job.Kind.REGISTER)
    assert job.state == Job.State.WAITING
    assert job.run_after > timezone.now()
    training.delete()
    Job.objects.filter(pk=job.pk).update(run_after=timezone.now())
    drain()
    registration.refresh_from_db()
    assert registration.version is not None
    assert ModelVersion.objects.count() == 2
