"""Test the page about the server that staff sees."""

import datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from factories import make_items, make_member, make_project, make_user
from pages import signed_in

from labeling.models import Job, Project, Role, User, WorkerSign
from labeling.projects import quota

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff() -> Client:
    user = make_user("olga")
    User.objects.filter(pk=user.pk).update(is_staff=True)
    return signed_in(User.objects.get(pk=user.pk))


def test_an_empty_server_says_what_is_missing(staff: Client) -> None:
    text = staff.get("/server/").content.decode()
    assert "No worker has run within the last day" in text
    assert "None yet: <code" in text
    assert "There is no project yet." in text
    assert "1 account, 1 of them staff" in text


@pytest.mark.django_db(transaction=True)  # for the backup
def test_it_names_versions_workers_failures_sizes_and_the_last_backup(staff: Client, tmp_path: Path) -> None:
    owls, finches = make_project("owls"), make_project("finches")
    make_items(owls, 3)
    quota.count(finches, media=5 << 20)
    make_member(finches, "mona", Role.MANAGER)
    now = timezone.now()
    WorkerSign.objects.create(name="host:1:abc", seen_at=now)
    WorkerSign.objects.create(name="host:2:def", seen_at=now - datetime.timedelta(minutes=5))
    Job.objects.create(project=owls, kind=Job.Kind.TRAIN, state=Job.State.FAILED, reason="no space", finished_at=now)
    call_command("backup", str(tmp_path / "backup"))
    text = " ".join(staff.get("/server/").content.decode().split())
    assert text.index("<td>runs</td>") < text.index("<td>silent</td>")
    assert "training the model" in text
    assert "no space" in text
    projects = text[text.index("Projects by size") :]
    assert projects.index("finches") < projects.index("owls")
    assert "5.0 MB" in projects
    assert "None yet: <code" not in text
    Project.objects.filter(slug="finches").update(deleted_at=now)
    assert "<td>deleted</td>" in " ".join(staff.get("/server/").content.decode().split())


@pytest.mark.parametrize("projects", [1, 5])
def test_its_queries_do_not_grow_with_projects(staff: Client, projects: int, django_assert_num_queries: Any) -> None:
    for number in range(projects):
        project = make_project(f"project-{number}")
        Job.objects.create(project=project, kind=Job.Kind.TRAIN, state=Job.State.FAILED)
    with django_assert_num_queries(10):
        assert staff.get("/server/").status_code == 200


def test_managers_do_not_see_it() -> None:
    assert signed_in(make_member(make_project(), "mona", Role.MANAGER)).get("/server/").status_code == 403
