"""Test that pages, API and commands check a model's parameters against their bounds before any training reads them."""

import json
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.urls import reverse
from factories import make_member, make_project, make_user
from rest_framework.test import APIClient

from labeling.models import Project, Role
from labeling.projects.encoders.encoder_settings import check_encoder

pytestmark = pytest.mark.django_db

FOREST = "RandomForestClassifier"
REFUSED = [
    (FOREST, {"n_estimators": 2_000_000}, "n_estimators must be a whole number from 1 to 2,000, not 2000000"),
    (FOREST, {"n_estimators": "os.system"}, 'n_estimators must be a whole number from 1 to 2,000, not "os.system"'),
    (FOREST, {"criterion": "../x"}, 'criterion must be "gini" or "entropy" or "log_loss", not "../x"'),
    (FOREST, {"max_features": 1e999}, "max_features must be"),
    (FOREST, {"estimator": "os.system"}, "has no parameter 'estimator' that can be set; known: bootstrap"),
    ("MLPClassifier", {"hidden_layer_sizes": [4096] * 6}, "a list of up to 5 whole numbers from 1 to 4,096"),
    ("os.system", {}, "No classifier of scikit-learn that can be taken is called 'os.system'"),
    ("../x", {}, "No classifier of scikit-learn that can be taken is called '../x'"),
]


@pytest.fixture
def project() -> Project:
    return make_project("words")


def choice(classifier: str, parameters: dict[str, Any]) -> dict[str, Any]:
    return {"name": "scikit-learn", "options": {"classifier": classifier, "parameters": json.dumps(parameters)}}


def test_the_api_refuses_them(project: Project) -> None:
    manager, operator = APIClient(), APIClient()
    manager.force_authenticate(make_member(project, "mona", Role.MANAGER))
    operator.force_authenticate(make_user("olga", is_superuser=True))
    for classifier, parameters, text in REFUSED:
        model = choice(classifier, parameters)
        made = {"slug": "more", "kind": "text", "classes": ["a", "b"], "model": model}
        for answer in (
            manager.patch("/api/v1/projects/words/", {"model": model}, format="json"),
            operator.post("/api/v1/projects/", made, format="json"),
        ):
            assert answer.status_code == 400, text
            assert text in answer.json()["fields"]["model"][0]
    assert list(Project.objects.values_list("model", flat=True)) == [{}]


def test_the_page_refuses_them(client: Any, project: Project) -> None:
    client.force_login(make_member(project, "mona", Role.MANAGER))
    for classifier, parameters, text in REFUSED:
        sent = {
            "name": "scikit-learn",
            "scikit-learn-classifier": classifier,
            "scikit-learn-parameters": json.dumps(parameters),
        }
        answer = client.post(reverse("project-learner", args=["words"]), sent)
        assert answer.status_code == 400, text
        assert text.split('"')[0].split("'")[0] in answer.content.decode()
    project.refresh_from_db()
    assert project.model == {}


def test_the_command_refuses_them() -> None:
    classifier, parameters, text = REFUSED[0]
    with pytest.raises(CommandError) as caught:
        call_command(
            "create_project", "more", "--kind", "text", "--classes", "a,b", "--model", "scikit-learn",
            "--model-options", json.dumps(choice(classifier, parameters)["options"]),
        )  # fmt: skip
    assert text in str(caught.value)
    assert not Project.objects.exists()


def test_an_encoders_network_is_named_by_library_and_name() -> None:
    for architecture in ("os.system", "../x", "torchvision/../x", "timm/hf_hub:someone/weights"):
        with pytest.raises(ValidationError, match=r"architecture: .* is no such name"):
            check_encoder("image", {"name": "backbone", "options": {"architecture": architecture, "weights": "x"}})
