"""A private project goes round the loop, within its budget and no further."""

from __future__ import annotations

import pytest
from digits import annotator, answer_batch, digits_project

from labeling.answering import batches
from labeling.loop import ledger
from labeling.loop.worker import Worker
from labeling.models import Batch, PrivateTraining, Project
from labeling.steps.registry import run_step
from models_store.privacy.accounting import Phase, epsilon

pytestmark = pytest.mark.django_db(transaction=True)


def test_it_trains_within_the_budget_stops_at_it_and_goes_on_when_it_is_raised(tmp_path, settings) -> None:
    settings.DATA_DIR = tmp_path
    project = digits_project(tmp_path, n=160, privacy_epsilon=8.0, privacy_delta=1e-4, privacy_trainings=1)
    user = annotator(project)
    worker = Worker(run_step, drain=True)
    worker.run()
    answer_batch(project, user)
    worker.run()
    version = project.versions.get()
    training = PrivateTraining.objects.get()
    assert training.version == version
    assert training.labels == version.labels
    state = ledger.ledger_of(project)
    assert state.spent == epsilon([Phase(**phase) for phase in training.phases], 1e-4) <= 8.0

    answer_batch(project, user)
    worker.run()
    stopped = project.batches.order_by("-number").first()
    assert stopped.state == Batch.State.FAILED
    assert "The privacy budget was made for 1 trainings" in stopped.reason
    assert project.versions.count() == PrivateTraining.objects.count() == 1

    Project.objects.update(privacy_trainings=2, privacy_epsilon=12.0)
    batches.retry(batch=stopped)
    worker.run()
    assert project.versions.count() == PrivateTraining.objects.count() == 2
    project.refresh_from_db()
    assert ledger.ledger_of(project).spent <= 12.0
