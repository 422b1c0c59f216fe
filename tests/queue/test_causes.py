"""Test that each cause of a job (a project, a batch, or a row of its own) makes one job, which is deleted with its
cause.
"""

from typing import Any

import pytest
from django.utils import timezone
from factories import make_items, make_open_batch, make_project
from pages import make_version

from labeling.loop import endings
from labeling.models import (
    DatasetVersion,
    ItemImport,
    Job,
    ModelVersion,
    PredictionRun,
    PredictionSet,
    Project,
    Registration,
    TrackedVersion,
)
from labeling.models.jobs import Cause

KINDS = Job.Kind


def make_import(project: Project) -> ItemImport:
    return ItemImport.objects.create(project=project, name="a.csv", path="/nowhere/a.csv")


def make_run(project: Project) -> PredictionRun:
    version = make_version(make_open_batch(project, make_items(project, 2)), 1)
    return PredictionRun.objects.create(project=project, version=version, name="b.csv", path="/nowhere/b.csv")


CAUSES = [(KINDS.IMPORT, make_import), (KINDS.PREDICT, make_run)]


@pytest.mark.django_db
@pytest.mark.parametrize(("kind", "make"), CAUSES)
@pytest.mark.parametrize("state", Job.State.values)
def test_a_row_causes_its_step_once(kind: str, make: Any, state: str) -> None:
    cause: Cause = make(make_project())
    job = Job.objects.enqueue(kind, project=cause.project, cause=cause)  # type: ignore[attr-defined]
    Job.objects.filter(pk=job.pk).update(state=state)
    for each in (cause, type(cause)._default_manager.get(pk=cause.pk)):
        assert Job.objects.enqueue(kind, project=job.project, cause=each) == job
    assert Job.objects.get() == job


@pytest.mark.django_db
def test_several_imports_of_a_project_wait_and_run_side_by_side() -> None:
    project = make_project()
    jobs = [Job.objects.enqueue(KINDS.IMPORT, project=project, cause=make_import(project)) for _ in range(3)]
    assert all(Job.objects.take(job, "host:1:a", timezone.now()) for job in jobs[:2])
    assert len({*jobs}) == Job.objects.count() == 3


@pytest.mark.django_db
@pytest.mark.parametrize(("kind", "make"), CAUSES)
def test_a_row_and_its_job_are_removed_together(kind: str, make: Any) -> None:
    for remove_job in (False, True):
        cause = make(make_project(f"p{remove_job:d}"))
        job = Job.objects.enqueue(kind, project=cause.project, cause=cause)
        (job if remove_job else cause).delete()
        assert not Job.objects.exists()
        assert not type(cause).objects.exists()


@pytest.mark.django_db
def test_batches_and_projects_take_their_jobs_with_them() -> None:
    project = make_project()
    batch = make_open_batch(project, make_items(project, 2))
    Job.objects.enqueue(KINDS.TRAIN, project=project, batch=batch)
    Job.objects.enqueue(KINDS.IMPORT, project=project, cause=make_import(project))
    batch.delete()
    assert [job.kind for job in Job.objects.all()] == ["import"]
    project.delete()
    assert not Job.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("state", Job.State.values)
def test_a_batch_causes_a_step_again_on_another_occasion(state: str) -> None:
    project = make_project()
    batch = make_open_batch(project, make_items(project, 2))

    def enqueue(occasion: str) -> Job:
        return Job.objects.enqueue(KINDS.SURVEY, project=project, batch=batch, occasion=occasion)

    first = enqueue("completed at nine")
    Job.objects.filter(pk=first.pk).update(state=state)
    assert enqueue("completed at nine") == first
    assert enqueue("completed at ten") != first
    assert batch.jobs.count() == 2


@pytest.mark.django_db
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.facts.fails])
def test_what_a_step_works_on_fails_with_it(kind: Job.Kind) -> None:
    project = make_project()
    run = make_run(project)
    batch = run.version.batch
    batch.state = "training"
    batch.save(update_fields=["state"])
    ModelVersion.objects.update(calibrating="waiting")
    dataset = DatasetVersion.objects.create(project=project, number=1, name="v1")
    model = Registration.objects.create(project=project, name="m.zip", path="/nowhere/m.zip")
    handed = PredictionSet.objects.create(project=project, name="p.npz", path="/nowhere/p.npz")
    tracked = TrackedVersion.objects.create(project=project, version=run.version)
    causes: dict[str, Any] = {
        "item_import": make_import(project), "prediction": run, "dataset": dataset, "registration": model,
        "prediction_set": handed, "tracked": tracked,
    }  # fmt: skip
    own = causes.get(kind.facts.fails)
    job = Job.objects.enqueue(kind, project=project, batch=None if own else batch, cause=own)
    assert Job.objects.take(job, "host:1:a", timezone.now())

    assert endings.fail(Job.objects.get(pk=job.pk), "The disk burns.") == "failed"

    batch.refresh_from_db()
    version = batch.model_version
    failed = {
        "item_import": ItemImport.objects.filter(state="failed", reason="The disk burns.").exists(),
        "prediction": PredictionRun.objects.filter(state="failed", reason="The disk burns.").exists(),
        "dataset": DatasetVersion.objects.filter(state="failed", reason="The disk burns.").exists(),
        "prediction_set": PredictionSet.objects.filter(state="failed", reason="The disk burns.").exists(),
        "tracked": TrackedVersion.objects.filter(state="failed", reason="The disk burns.").exists(),
        "registration": Registration.objects.filter(state="failed", reason="The disk burns.").exists(),
        "batch": (batch.state, batch.failed_in, batch.reason) == ("failed", "training", "The disk burns."),
        "batch.model_version": version.calibration.get("reason") == "it failed: The disk burns.",
    }
    assert [name for name, has_failed in failed.items() if has_failed] == [kind.facts.fails]


@pytest.mark.django_db
def test_a_step_fails_without_the_row_that_would_fail_with_it() -> None:
    for kind in KINDS:
        job = Job.objects.enqueue(kind, project=make_project(kind.value))
        assert Job.objects.take(job, "host:1:a", timezone.now())
        assert endings.fail(job, "Gone.") == "failed"
    assert Job.objects.filter(state="failed").count() == len(KINDS)


def test_no_kind_of_cause_has_a_column_of_its_own() -> None:
    relations = {field.name for field in Job._meta.get_fields() if field.is_relation and field.concrete}
    assert relations == {"project", "batch"}
