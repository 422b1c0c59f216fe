"""Test that a step of several phases reports the time left of the whole step."""

import datetime
from typing import Any

import pytest
from django.utils import timezone
from factories import make_project
from pages import manager, text_of

from labeling.insight.progress import progress_of
from labeling.loop.step import Step
from labeling.models import Batch, Job, Project

pytestmark = pytest.mark.django_db


def clustering_step(monkeypatch: Any) -> tuple[Project, Step]:
    """Return a clustering step that began a hundred seconds ago."""
    monkeypatch.setattr(Step, "REPORT_EVERY_SECONDS", 0)
    project = make_project()
    batch = Batch.objects.create(project=project, number=2)
    job = Job.objects.enqueue(Job.Kind.CLUSTER, project=project, batch=batch)
    now = timezone.now()
    Job.objects.take(job, "me:1:x", now)
    Job.objects.filter(pk=job.pk).update(started_at=now - datetime.timedelta(seconds=100))
    return project, Step(job)


def test_the_time_left_is_that_of_the_whole_step(monkeypatch: Any) -> None:
    project, step = clustering_step(monkeypatch)
    first = step.progress("finding neighbours", end=0.25)
    then = step.progress("merging", start=0.25)
    told = []
    for report, share in ((first, 0.4), (first, 1.0), (then, 0.0), (then, 0.5), (then, 1.0)):
        report(share)
        told.append(progress_of(project))
    assert [each["phase"] for each in told] == ["finding neighbours"] * 2 + ["merging"] * 3
    assert [each["share"] for each in told] == pytest.approx([0.1, 0.25, 0.25, 0.625, 1.0]), "it never falls back"
    assert [each["step_seconds_left"] for each in told] == pytest.approx([900, 300, 300, 60, 1], rel=0.05)


def test_a_callback_may_name_its_own_phases(monkeypatch: Any) -> None:
    project, step = clustering_step(monkeypatch)
    step.report("merging", 0.5)
    assert (progress_of(project)["phase"], progress_of(project)["share"]) == ("merging", 0.5)
    page = text_of(manager(project).get("/p/digits/"))
    assert "merging · 50 %" in page
    assert "in about 1 min" in page or "in about 2 min" in page or "about 100 s" in page
