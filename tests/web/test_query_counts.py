"""Test that each page takes a fixed number of queries, however much the page shows.

A new page must be added here, or the first test fails.
"""

from pathlib import Path
from typing import Any

import pytest
from addresses import DATA, OPERATORS, REDIRECTS, TAKERS, all_names
from django.urls import reverse
from factories import make_member, make_project, make_source, make_webhook
from pages import make_dataset, make_history, make_prediction, signed_in
from pools import make_certificate

from labeling.intake.uploads import register
from labeling.models import Batch, ItemImport, PredictionSet, Project, Registration, Role
from labeling.projects.classes import guidelines
from labeling.projects.people import invitations

pytestmark = pytest.mark.django_db


def first_import(project: Project) -> int:
    return project.imports.earliest("pk").pk


def open_batch(project: Project) -> int:
    return project.batches.get(state=Batch.State.OPEN).number


def labeled_item(project: Project) -> int:
    return project.items.labeled().earliest("pk").pk


def first_prediction(project: Project) -> int:
    return project.predictions.earliest("pk").pk


def first_source(project: Project) -> int:
    return project.sources.earliest("pk").pk


def first_webhook(project: Project) -> int:
    return project.webhooks.earliest("pk").pk


# name of the address, its arguments besides the project (a function: of the project), role, queries: two of them for
# session and user, one for the membership. A whole page has one more, for the bell.
PAGES: list[tuple[str, list[Any], str, int]] = [
    ("label", [], Role.ANNOTATOR, 6),
    ("label-classes", [], Role.ANNOTATOR, 6),
    ("label-today", [], Role.ANNOTATOR, 4),
    ("label-comments", [], Role.ANNOTATOR, 4),
    ("label-guidelines", [], Role.ANNOTATOR, 3),
    ("label-worker", [], Role.ANNOTATOR, 3),
    ("project-import-detail", [first_import], Role.MANAGER, 5),
    ("project-batch-end", [open_batch], Role.MANAGER, 4),
    ("project", [], Role.ANNOTATOR, 9),
    ("project", [], Role.ENGINEER, 37),
    ("project", [], Role.MANAGER, 43),
    ("project-import", [], Role.MANAGER, 10),
    ("project-import-progress", [], Role.MANAGER, 7),
    ("project-find", [], Role.MANAGER, 3),
    ("project-settings", [], Role.MANAGER, 20),
    ("project-settings-page", ["batch"], Role.MANAGER, 21),
    ("project-guidelines-edit", [], Role.MANAGER, 3),
    ("project-encoder", [], Role.MANAGER, 5),
    ("project-learner", [], Role.MANAGER, 3),
    ("project-consequence", [], Role.MANAGER, 20),
    ("project-classes", [], Role.MANAGER, 13),
    ("project-class", [1], Role.MANAGER, 13),
    ("project-class-merge", [1], Role.MANAGER, 11),
    ("project-class-split", [1], Role.MANAGER, 10),
    ("project-members", [], Role.MANAGER, 5),
    ("project-auditlog", [], Role.AUDITOR, 6),
    ("project-sources", [], Role.MANAGER, 6),
    ("project-source", [first_source], Role.MANAGER, 7),
    ("project-webhooks", [], Role.MANAGER, 4),
    ("project-webhook", [first_webhook], Role.MANAGER, 7),
    ("project-manage", [], Role.MANAGER, 11),
    ("project-transfer", ["annie-0"], Role.MANAGER, 12),
    ("project-remove", ["annie-0"], Role.MANAGER, 4),
    ("project-batches", [], Role.ANNOTATOR, 5),
    ("project-batches", [], Role.ENGINEER, 6),
    ("project-progress", [], Role.MANAGER, 21),
    ("project-agreement", [], Role.ENGINEER, 6),
    ("project-copies", [], Role.ENGINEER, 10),
    ("project-batch", [1], Role.ANNOTATOR, 4),
    ("project-items", [], Role.ENGINEER, 15),
    ("project-item-classes", [], Role.ENGINEER, 4),
    ("project-item", [labeled_item], Role.ENGINEER, 18),
    ("project-item", [labeled_item], Role.MANAGER, 20),
    ("project-batch", [1], Role.ENGINEER, 20),
    ("project-models", [], Role.ENGINEER, 11),
    ("project-model", [1], Role.ENGINEER, 10),
    ("project-model-predict", [1], Role.ENGINEER, 5),
    ("project-model-register", [], Role.ENGINEER, 7),
    ("project-prediction", [first_prediction], Role.ENGINEER, 6),
    ("project-prediction-sets", [], Role.ENGINEER, 4),
    ("project-prediction-sets", [], Role.MANAGER, 5),
    ("project-guidelines", [], Role.ENGINEER, 7),
    ("project-guidelines-images", [], Role.MANAGER, 5),
    ("project-privacy", [], Role.ENGINEER, 7),
    ("project-finish", [], Role.MANAGER, 29),
    ("project-certificate", [1], Role.ENGINEER, 5),
    ("project-export", [], Role.ENGINEER, 7),
    ("project-datasets", [], Role.ENGINEER, 10),
    ("project-dataset", ["v1"], Role.ENGINEER, 7),
]


# The first needs two versions, the second what is in doubt: tests/web/test_compare_page.py, tests/items/test_review.py.
ELSEWHERE = {
    "project-models-compare", "project-review", "api-docs", "home", "projects-deleted", "invitation", "login",
    "setup", "account", "notices", "notice-address", "notice-choices", "notice-stop", "password", "project-new",
    "forgotten-password", "mfa_index", "certificate",
}  # fmt: skip
# Forms of django-allauth, and pages of one link: each is about one thing.
ABOUT_ONE_THING = {
    "new-password", "provider-unlink", "account_reauthenticate", "mfa_activate_totp", "mfa_add_webauthn",
    "mfa_authenticate", "mfa_deactivate_totp", "mfa_generate_recovery_codes", "mfa_remove_webauthn",
    "mfa_view_recovery_codes",
}  # fmt: skip
QUERIES = {
    "project-consequence": {"batch_size": 9, "candidate_factor": 2, "control_share": 0.1, "strategy": "uniform"},
    "project-class-merge": {"into": "2"},
    "project-class-split": {"into": "one\nother"},
    "label-today": {"since": "2026-01-01T00:00:00Z"},
}


def test_every_page_has_its_number() -> None:
    counted = {name for name, *_ in PAGES} | ELSEWHERE
    assert counted == all_names() - TAKERS - OPERATORS - REDIRECTS - ABOUT_ONE_THING


def fill(project: Project, much: int) -> None:
    """Create `much` of each thing that pages list."""
    make_history(project, much)
    mia = make_member(project, "mia", Role.MANAGER)
    for number in range(much):
        guidelines.save(project=project, user=mia, text=f"Rule {number}.")
    for number in range(much):
        invitations.invite(project=project, user=mia, role=Role.ANNOTATOR)
        make_member(project, f"annie-{number}")
        register(project=project, user=None, path=Path("/nowhere/a.csv"), name=f"{number}.csv", strict=False)
        make_prediction(project.versions.earliest("number"), name=f"{number}.csv")
        Registration.objects.create(project=project, name=f"{number}.zip", path="/nowhere")
        PredictionSet.objects.create(project=project, name=f"{number}.npz", path="/nowhere")
        make_dataset(project)
        make_certificate(project.versions.earliest("number"), number=number + 1)
        source = make_source(project)
        ItemImport.objects.create(
            project=project, source=source, name="data.csv", path="/nowhere", source_key="data.csv"
        )
        make_webhook(project, events=3 * much)


@pytest.fixture(scope="module")
def projects(once: Path) -> list[Project]:
    made = [make_project(slug) for slug in ("small", "large")]
    for project, much in zip(made, (1, 6), strict=True):
        fill(project, much)
    return made


@pytest.mark.parametrize(("name", "more", "role", "queries"), PAGES)
def test_pages_of_a_project(
    projects: list[Project],
    name: str,
    more: list[Any],
    role: str,
    queries: int,
    django_assert_num_queries: Any,
) -> None:
    for project in projects:
        client = signed_in(make_member(project, "mona", role))
        found = [each(project) if callable(each) else each for each in more]
        path = reverse(name, args=[project.slug, *found], query=QUERIES.get(name))
        with django_assert_num_queries(queries + (name not in DATA)):
            assert client.get(path).status_code == 200
