"""Test the loop with other models than the network, chosen by page, API and command."""

from pathlib import Path
from typing import Any

import pytest
from digits import QUICK, annotator, answer_batch
from django.core.management import CommandError, call_command
from django.urls import reverse
from draining import drain
from factories import make_member, make_project
from rest_framework.test import APIClient
from test_kinds import LONGER, start, two_rounds, vectors

from labeling.loop.step import StepFailed
from labeling.management.commands.export_model import onnx_of
from labeling.models import Job, Project, Role
from labeling.outgoing.exports import count_rows

FOREST = {"name": "scikit-learn", "options": {"classifier": "RandomForestClassifier"}}
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.long
def test_a_forest_goes_round_the_loop(tmp_path: Path) -> None:
    project = start(tmp_path, "vector", vectors(), model=FOREST, training=LONGER)
    version = two_rounds(project)
    assert version.metrics["control"]["accuracy"] >= 0.9
    assert version.training["estimator"] == "scikit-learn"
    assert project.batches.get(number=3).clusters, "by the features: near-duplicates are kept apart"
    assert count_rows(project) == 60
    project.refresh_from_db()
    with pytest.raises(StepFailed, match="was learned by scikit-learn, which cannot be exported as ONNX"):
        onnx_of(project, version)


@pytest.mark.long
def test_a_project_changes_from_a_network_to_a_forest_and_back(tmp_path: Path) -> None:
    project = start(tmp_path, "vector", vectors(), training={**QUICK, "warm_start": True, "epochs": 5})
    user = annotator(project)
    drain()
    for model in ({}, FOREST, {}):
        Project.objects.update(model=model)
        answer_batch(project, user)
        drain()
    assert [("estimator" in each.training) for each in project.versions.order_by("number")] == [False, True, False]


@pytest.mark.long
def test_options_that_only_the_step_can_judge_fail_the_batch_and_are_mended(tmp_path: Path) -> None:
    wrong = {"name": "scikit-learn", "options": {"parameters": '{"solver": "liblinear", "l1_ratio": 0.5}'}}
    project = start(tmp_path, "vector", vectors(), model=wrong)
    user = annotator(project)
    drain()
    answer_batch(project, user)
    with pytest.raises(AssertionError, match="cannot learn these labels"):
        drain()
    batch = project.batches.get()
    assert (batch.state, "cannot learn these labels" in batch.reason) == ("failed", True)
    Project.objects.update(model=FOREST)
    manager = APIClient()
    manager.force_authenticate(make_member(project, "mona", Role.MANAGER))
    assert manager.post(f"/api/v1/projects/{project.slug}/batches/1/retry/").status_code == 200
    Job.objects.filter(state=Job.State.FAILED).delete()
    drain()
    assert project.versions.get().training["estimator"] == "scikit-learn"


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"name": "crystal ball"}, "No model is called 'crystal ball' here; known: network, scikit-learn"),
        ({"name": "scikit-learn", "options": {"depth": 3}}, "there is no option 'depth'"),
        ({"names": "network"}, "must be an object"),
        ("network", "must be an object"),
        ({"name": {}}, "must be an object"),
    ],
)
def test_what_cannot_be_is_refused_with_a_line(model: Any, said: str) -> None:
    project = make_project("words")
    manager = APIClient()
    manager.force_authenticate(make_member(project, "mona", Role.MANAGER))
    response = manager.patch("/api/v1/projects/words/", {"model": model}, format="json")
    assert response.status_code == 400
    assert said in response.json()["fields"]["model"][0]
    project.refresh_from_db()
    assert project.model == {}


def test_a_budget_and_a_model_that_cannot_keep_it_are_not_had_together(client: Any) -> None:
    project = make_project("words", privacy_epsilon=4)
    mona = make_member(project, "mona", Role.MANAGER)
    manager = APIClient()
    manager.force_authenticate(mona)
    response = manager.patch("/api/v1/projects/words/", {"model": FOREST}, format="json")
    assert "cannot be trained within a privacy budget" in response.json()["fields"]["model"][0]
    client.force_login(mona)
    page = reverse("project-learner", args=["words"])
    response = client.post(page, {"name": "scikit-learn"})
    assert response.status_code == 400
    assert "cannot be trained within a privacy budget" in response.content.decode()
    Project.objects.update(privacy_epsilon=None)
    assert client.post(page, {"name": "scikit-learn", "scikit-learn-classifier": "GaussianNB"}).status_code == 302
    project.refresh_from_db()
    assert project.model == {"name": "scikit-learn", "options": {"classifier": "GaussianNB"}}
    assert "GaussianNB" in client.get(page).content.decode()
    response = manager.patch("/api/v1/projects/words/", {"privacy_epsilon": 4}, format="json")
    assert response.status_code == 400
    privacy = {"privacy_epsilon": "4", "privacy_delta": "1e-6", "privacy_trainings": "4"}
    response = client.post(reverse("project-settings-page", args=["words", "privacy"]), privacy)
    assert response.status_code == 400
    assert "cannot be trained within a privacy budget" in response.content.decode()


def test_yes_or_no_is_left_to_the_network(client: Any) -> None:
    project = make_project("birds", question="verify")
    client.force_login(make_member(project, "mona", Role.MANAGER))
    assert "scikit-learn" not in client.get(reverse("project-learner", args=["birds"])).content.decode()
    with pytest.raises(CommandError, match="cannot learn the question 'verify'"):
        call_command(
            "create_project", "more", "--kind", "text", "--question", "verify", "--classes", "a,b",
            "--model", "scikit-learn",
        )  # fmt: skip
