"""Test that an archived project can be read and exported, but not changed."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from factories import make_items, make_member, make_open_batch, make_project
from pages import manager, member, signed_in, text_of

from labeling.models import Batch, Invitation, Job, Project, Role
from labeling.projects import lifecycle
from labeling.projects.people import invitations
from labeling.queue import queue

pytestmark = pytest.mark.django_db


def archived() -> Project:
    project = make_project()
    make_open_batch(project, make_items(project, 3))
    lifecycle.archive(project=project)
    return project


def post(client: Client, name: str, project: Project, data: Any = None) -> int:
    url = reverse(f"api:{name}", args=[project.slug])
    return client.post(url, data or {}, content_type="application/json").status_code


def test_a_manager_archives_and_goes_on() -> None:
    project = make_project()
    client = manager(project)
    page = client.get(reverse("project-manage", args=[project.slug]))
    assert "holds 0 items with 0 labels" in text_of(page)
    page = client.post(reverse("project-archive", args=[project.slug]), follow=True)
    assert "The project is archived" in text_of(page)
    assert "This project is archived: it can be read and exported, not changed." in text_of(page)
    project.refresh_from_db()
    assert project.archived_at is not None
    client.post(reverse("project-archive", args=[project.slug]), {"archive": "no"})
    project.refresh_from_db()
    assert project.archived_at is None


def test_an_archived_one_is_read_and_exported_but_nobody_changes_it() -> None:
    project = archived()
    client = member(project, Role.ANNOTATOR)
    page = client.get(reverse("home"))
    assert project.name not in text_of(page)
    assert "Show 1 archived project" in text_of(page)
    page = client.get(reverse("home"), {"archived": "1"})
    assert "Archived: it can be read and exported, not changed." in text_of(page)
    client = member(project, Role.ENGINEER)
    for name in ("project", "project-items", "project-export", "api:project", "api:batches"):
        assert client.get(reverse(name, args=[project.slug])).status_code == 200
    response = client.get(reverse("api:export", args=[project.slug]), {"format": "csv"})
    assert response.status_code == 200
    annotator = make_member(project, "ann")
    assert queue.claim(project=project, user=annotator, count=5).tasks == []
    client = signed_in(annotator)
    assert post(client, "claim", project, {"count": 1}) == 403
    assert post(client, "annotations", project, {"annotations": []}) == 403
    boss = manager(project)
    assert post(boss, "items", project, [{"text": "hello"}]) == 403
    assert boss.post(reverse("project-classes", args=[project.slug]), {"name": "x"}).status_code == 403
    assert boss.post(reverse("project-import", args=[project.slug]), {}).status_code == 403
    settings = boss.patch(
        reverse("api:project", args=[project.slug]), {"batch_size": 3}, content_type="application/json"
    )
    assert settings.status_code == 403
    assert "archived" in settings.json()["detail"]


def test_no_job_starts_and_no_deadline_ends_a_batch() -> None:
    project = archived()
    now = timezone.now()
    Batch.objects.filter(project=project).update(deadline_at=now)
    Job.objects.enqueue(Job.Kind.ENCODE, project=project)
    assert not Job.objects.due(timezone.now()).exists()
    assert not Job.objects.startable().unfinished().exists()  # a worker that drains does not wait for it
    assert not Batch.objects.overdue(now).exists()
    lifecycle.unarchive(project=project)
    assert Job.objects.due(timezone.now()).exists()
    assert Batch.objects.overdue(now).exists()
    boss = make_member(project, "mona", Role.MANAGER)
    invitations.invite(project=project, user=boss, role=Role.ANNOTATOR)
    lifecycle.archive(project=project)  # its invitations let nobody in meanwhile
    assert not Invitation.objects.open().exists()
    lifecycle.unarchive(project=project)
    assert Invitation.objects.open().count() == 1
