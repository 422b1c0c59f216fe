"""Test that a deleted project disappears at once, can be restored for 30 days, and is then removed for good."""

import datetime
from pathlib import Path
from typing import Any

import fsspec
import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone
from factories import make_items, make_member, make_open_batch, make_project, make_source
from pages import errors_of, make_version, manager, member, signed_in, text_of

from labeling.labels.items import search
from labeling.models import (
    Annotation,
    Batch,
    CacheEntry,
    Event,
    EventType,
    Item,
    Job,
    LabelClass,
    LabelFamily,
    Leftover,
    LogChain,
    LogEntry,
    Mailbox,
    Project,
    Role,
    Selection,
    SignInFailure,
    TokenUse,
    User,
    WorkerSign,
)
from labeling.projects import erasing_projects, lifecycle
from labeling.storage import media
from labeling.storage.arrays.files import ProjectFiles

pytestmark = pytest.mark.django_db


def delete(project: Project, *, days: float = 0) -> None:
    user = make_member(project, "mona", Role.MANAGER)
    lifecycle.delete(project=project, user=user, name=project.name)
    if days:
        Project.objects.filter(pk=project.pk).update(deleted_at=timezone.now() - datetime.timedelta(days=days))


def test_a_manager_types_the_name_and_it_is_gone_for_all() -> None:
    project = make_project(name="Digits")
    client, other = manager(project), member(project, Role.ANNOTATOR)
    address = reverse("project-delete", args=[project.slug])
    wrong = client.post(address, {"delete-name": "digit"})
    assert wrong.status_code == 400
    assert "To confirm, enter the project's name: Digits" in errors_of(wrong)["delete-name"]
    assert other.get(reverse("project", args=[project.slug])).status_code == 200
    page = client.post(address, {"delete-name": " Digits "}, follow=True)
    assert "Digits is deleted. Its managers can restore it for 30 days." in text_of(page)
    for each in (client, other):
        assert each.get(reverse("project", args=[project.slug])).status_code == 404
        assert each.get(reverse("api:project", args=[project.slug])).status_code == 404
        assert each.get(reverse("api:projects")).json()["results"] == []
        assert "Digits" not in text_of(each.get(reverse("home")))
    assert "Deleted projects" in text_of(client.get(reverse("home")))
    assert "Deleted projects" not in text_of(other.get(reverse("home")))


def test_nobody_and_no_job_sees_it_any_longer() -> None:
    project = make_project()
    delete(project)
    boss = signed_in(User.objects.create_superuser("boss", password="boss-password"))
    assert boss.get(reverse("project", args=[project.slug])).status_code == 404
    assert boss.get(reverse("api:projects")).json()["results"] == []
    with pytest.raises(CommandError, match="There is no project"):
        call_command("status", project.slug)
    Job.objects.enqueue(Job.Kind.ENCODE, project=project)
    assert not Job.objects.due(timezone.now()).exists()


def test_managers_restore_it_for_thirty_days_and_others_cannot() -> None:
    project = make_project(name="Digits")
    annotator, stranger = member(project, Role.ANNOTATOR), member(make_project("others"), Role.MANAGER, "stan")
    client = manager(project)
    delete(project)
    address = reverse("projects-deleted")
    for each in (annotator, stranger):
        assert "Digits" not in text_of(each.get(address))
        assert each.post(address, {"slug": project.slug}).status_code == 404
    assert "Digits" in text_of(client.get(address))
    for slug in ("", "nothing", "\x00", "others"):
        assert client.post(address, {"slug": slug}).status_code == 404
    page = client.post(address, {"slug": project.slug}, follow=True)
    assert "Digits is restored." in text_of(page)
    assert annotator.get(reverse("project", args=[project.slug])).status_code == 200
    delete(project, days=30.01)
    assert client.post(address, {"slug": project.slug}).status_code == 404


def full_project(slug: str, **fields: Any) -> Project:
    """Create a project with rows in most tables, and with rows that refer to each other."""
    project = make_project(slug, **fields)
    items = make_items(project, 5)
    batch = make_open_batch(project, items)
    user = make_member(project, "mona", Role.MANAGER)
    Annotation.objects.create(task=batch.tasks.order_by("rank")[0], user=user, value=1)
    first = make_version(batch, 1)
    second = make_version(make_open_batch(project, make_items(project, 2, first=5), number=2), 2, parent=first)
    Batch.objects.filter(project=project, number=2).update(selected_by=first)
    Selection.objects.create(batch=batch, selected_by=second, number=1)
    make_source(project)
    project.webhooks.create(url="https://example.org/", events=list(EventType))
    Event.objects.announce(EventType.BATCH_OPENED, project, number=1)
    parent, child = project.classes.order_by("index")[:2]
    LabelClass.objects.filter(pk=child.pk).update(parent=parent)
    for path in (media.path_of(f"{project.pk}/images/ab/x.png"), ProjectFiles(project).root / "models" / "v1" / "w"):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x")
    search.catch_up()
    return project


LOG = (LogChain, LogEntry)
KEPT = (*LOG, Leftover)


def rows_of_all_tables() -> dict[str, int]:
    """Return the number of rows of each table but the audit log's, which outlives a project, and that of leftovers on
    the disk, which the worker overwrites later.
    """
    tables = [model for model in apps.get_app_config("labeling").get_models() if model not in KEPT]
    return {model.__name__: model._default_manager.count() for model in tables}


def test_after_thirty_days_rows_and_files_go_and_nothing_else(data_dir: Path) -> None:
    other = full_project("other")
    before = rows_of_all_tables()
    project = full_project("digits")
    delete(project, days=29)
    erasing_projects.erase_projects(timezone.now(), 60)
    assert Project.objects.filter(pk=project.pk).exists()
    delete(project, days=31)
    erasing_projects.erase_projects(timezone.now(), 60)
    after = rows_of_all_tables()
    assert after == before
    assert LogEntry.objects.filter(chain__name="server", subject=f"project {project.pk}").exists()
    assert not media.path_of(str(project.pk)).exists()
    assert not ProjectFiles(project).root.exists()
    assert media.path_of(f"{other.pk}/images/ab/x.png").exists()
    assert sorted(path.name for path in (data_dir / "media").iterdir()) == [str(other.pk)]


def test_versions_in_an_object_store_go_too_and_a_store_that_is_away_is_waited_for(monkeypatch: Any) -> None:
    store = fsspec.filesystem("memory")
    project, other = full_project("digits"), full_project("other")
    for each in (project, other):
        for version in each.versions.all():
            place = f"bucket/projects/{each.pk}/models/v{version.number}"
            store.pipe_file(f"/{place}/manifest.json", b"{}")
            each.versions.filter(pk=version.pk).update(artifact=f"memory://{place}")
    delete(project, days=31)
    with monkeypatch.context() as away:
        away.setattr(type(store), "rm", lambda *_, **__: (_ for _ in ()).throw(OSError("no answer")))
        erasing_projects.erase_projects(timezone.now(), 60)
    assert project.versions.count() == 2, "who knows the place is kept"
    erasing_projects.erase_projects(timezone.now(), 60)
    assert not Project.objects.filter(pk=project.pk).exists()
    assert [Path(path).parts[3] for path in store.find("/bucket")] == [str(other.pk)] * 2


def test_it_goes_on_where_it_was_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasing_projects, "CHUNK", 2)
    project = full_project("digits")
    delete(project, days=31)
    sweeps = 0
    while Project.objects.filter(pk=project.pk).exists():
        erasing_projects.erase_projects(timezone.now(), 0)  # time for one file or one part
        sweeps += 1
        assert sweeps < 200
    assert sweeps > 10
    assert not Item.objects.exists()


def test_one_that_a_job_still_runs_in_waits() -> None:
    project = make_project()
    job = Job.objects.enqueue(Job.Kind.ENCODE, project=project)
    Job.objects.take(job, "host:1:a", timezone.now())
    delete(project, days=31)
    erasing_projects.erase_projects(timezone.now(), 60)
    assert Project.objects.filter(pk=project.pk).exists()


def test_every_table_of_a_project_is_emptied() -> None:
    # A family has several projects, and goes with the last. Workers, people, their mailboxes and what is kept of their
    # sign-ins belong to no project, and the audit log outlives it.
    of_people = {User, Mailbox, SignInFailure, TokenUse, CacheEntry}
    known = set(erasing_projects.tables()) | {Project, LabelFamily, WorkerSign, *of_people, *KEPT}
    assert set(apps.get_app_config("labeling").get_models()) == known
