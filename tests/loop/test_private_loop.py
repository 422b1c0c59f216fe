"""Test that a private project runs the loop within its privacy budget."""

from pathlib import Path

import pytest
from digits import annotator, answer_batch, digits_project
from processes import wait_until
from processes import worker as worker_process

from labeling.loop import retrying
from labeling.models import Batch, Job, ModelVersion, PrivateTraining, Project, User
from labeling.projects.privacy import ledger
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker

pytestmark = pytest.mark.django_db(transaction=True)


def trained_once(folder: Path) -> tuple[Project, User, Worker]:
    """Create a project whose budget allows one training, which has ended; return it with its annotator and worker."""
    project = digits_project(folder, n=160, privacy_epsilon=8.0, privacy_delta=1e-4, privacy_trainings=1)
    user = annotator(project)
    worker = Worker(run_step, drain=True)
    worker.run()
    answer_batch(project, user)
    worker.run()
    return project, user, worker


@pytest.mark.long
def test_it_trains_within_the_budget_stops_at_it_and_goes_on_when_it_is_raised(tmp_path, settings) -> None:
    settings.DATA_DIR = tmp_path
    project, user, worker = trained_once(tmp_path)
    version = project.versions.get()
    training = PrivateTraining.objects.get()
    assert training.version == version
    assert training.labels == version.labels
    state = ledger.ledger_of(project)
    assert state.spent is not None
    assert 7.9 < state.spent == training.cost <= 8.0

    answer_batch(project, user)
    worker.run()
    stopped = project.batches.order_by("-number").first()
    assert stopped.state == Batch.State.FAILED
    assert "The privacy budget was made for 1 trainings" in stopped.reason
    assert project.versions.count() == PrivateTraining.objects.count() == 1

    Project.objects.update(privacy_trainings=2, privacy_epsilon=12.0)
    retrying.retry(batch=stopped)
    worker.run()
    assert project.versions.count() == PrivateTraining.objects.count() == 2
    project.refresh_from_db()
    assert ledger.ledger_of(project).spent <= 12.0


@pytest.mark.long
def test_a_training_that_was_killed_is_paid_for_repeated_once_and_then_only_when_a_person_retries(tmp_path) -> None:
    project = digits_project(tmp_path, n=160, privacy_epsilon=8.0, privacy_delta=1e-4, privacy_trainings=3)
    user = annotator(project)
    worker = Worker(run_step, drain=True)
    worker.run()
    answer_batch(project, user)
    for trainings in (1, 2):
        with worker_process() as process:
            wait_until(lambda trainings=trainings: PrivateTraining.objects.count() == trainings)
            process.kill()
            process.wait()
    assert not ModelVersion.objects.exists()
    worker.run()
    batch = project.batches.get(number=1)
    assert batch.state == Batch.State.FAILED
    assert batch.reason.startswith("2 private trainings for this batch were started and did not end")
    assert PrivateTraining.objects.count() == 2

    retrying.retry(batch=batch)
    worker.run()
    assert [training.version is None for training in PrivateTraining.objects.order_by("pk")] == [True, True, False]
    spent = ledger.ledger_of(Project.objects.get()).spent
    assert spent is not None
    assert 7.5 < spent <= 8.0
    assert not Job.objects.filter(state=Job.State.FAILED).exists()
