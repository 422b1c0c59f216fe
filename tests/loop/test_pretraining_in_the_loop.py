"""Test that the encoder `private-lm` learns the pool's texts once, within the privacy budget, also after `kill -9`."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.exceptions import ValidationError
from factories import make_items, make_member, make_project
from processes import wait_until
from processes import worker as worker_process
from safetensors import safe_open

from labeling.loop.step import Step
from labeling.models import Batch, Job, ModelVersion, Notice, NoticeKind, PrivateTraining, Project, Role
from labeling.projects.encoders.encoder_comparison import choices_of
from labeling.projects.encoders.encoder_settings import check_encoder
from labeling.projects.privacy import ledger, pretraining
from labeling.projects.privacy.budgets import Spent
from labeling.steps.features import load_encoder
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker
from labeling.storage.arrays.files import ProjectFiles
from models_store.encoders.private_lm import PrivateLm
from models_store.language.wordpieces import SPECIAL
from models_store.privacy.accounting import Phase
from models_store.privacy.planned import epsilon

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def weights(tmp_path: Path, settings: Any) -> None:
    """Put a small vocabulary into the folder of weights: few weights train fast."""
    settings.DATA_DIR = tmp_path
    folder = tmp_path / "weights" / "letters"
    folder.mkdir(parents=True)
    letters = [
        *"abcdefghijklmnopqrstuvwxyz0123456789.",
        *(f"##{each}" for each in "abcdefghijklmnopqrstuvwxyz0123456789"),
    ]
    (folder / "vocab.txt").write_text("\n".join([*SPECIAL, "[unused1]", *letters, "text", "number"]))


def text_project(texts: int = 60, **settings: Any) -> Project:
    budget = {"privacy_epsilon": 4.0, "privacy_delta": 1e-5, "privacy_trainings": 2}
    project = make_project(**{**budget, **settings})
    make_items(project, texts, row=None)
    Project.objects.update(encoder=choice())
    Job.objects.enqueue(Job.Kind.ENCODE, project=project)
    return Project.objects.get()


def choice(**options: Any) -> dict[str, Any]:
    return {"name": "private-lm", "options": {"vocabulary": "letters", "steps": 20, **options}}


def batch_of(project: Project) -> Batch:
    """Return the batch that the step has made, or another one if it is still to run."""
    return project.batches.first() or project.batches.create(number=1, size=1)


def encode() -> Job:
    Worker(run_step, kinds={Job.Kind.ENCODE}).run_next()
    return Job.objects.filter(kind=Job.Kind.ENCODE).latest("pk")


def test_the_texts_are_learned_once_on_a_share_of_the_budget(weights: None) -> None:
    project = text_project()
    assert encode().state == Job.State.DONE
    project.refresh_from_db()
    entry = PrivateTraining.objects.get()

    assert (entry.batch, entry.labels, entry.subject) == (None, 60, "pre-training: the pool’s texts")
    state = ledger.ledger_of(project)
    assert state.spent == entry.cost == pytest.approx(2.0, rel=0.01)
    assert state.left == 2, "both trainings on answers are left"
    assert pretraining.last(project) == entry
    encoder = load_encoder(project)
    assert isinstance(encoder, PrivateLm)
    assert encoder.privacy["phases"] == entry.phases
    features = ProjectFiles(project).features_of(rows=60, dim=encoder.dim, dtype=encoder.dtype)[:60]
    assert np.isfinite(features).all()
    assert features.std(axis=0).min() > 0

    make_items(project, 60, first=60, row=None)
    Job.objects.enqueue(Job.Kind.ENCODE, project=project)
    assert encode().state == Job.State.DONE
    assert PrivateTraining.objects.count() == 1, "twice the items change nothing: learning anew would cost anew"
    project.refresh_from_db()
    assert project.encoded_rows == 120


@pytest.mark.long
def test_answers_are_learned_on_the_rest_of_the_budget(weights: None) -> None:
    project = text_project()
    encode()
    batch = batch_of(project)
    for _ in range(2):
        ledger.start(project=project, batch=batch, labels=40)
    with pytest.raises(ledger.BudgetSpent, match="made for 2 trainings"):
        ledger.start(project=project, batch=batch, labels=40)
    phases = [Phase(**phase) for entry in PrivateTraining.objects.all() for phase in entry.phases]
    spent = ledger.ledger_of(project).spent
    assert spent is not None
    assert 3.9 < spent == pytest.approx(epsilon(phases, 1e-5), rel=0.005)
    assert spent <= 4.0


def test_without_a_budget_the_step_stops_with_one_line(weights: None) -> None:
    text_project(privacy_epsilon=None)
    job = encode()
    assert job.state == Job.State.FAILED
    assert job.reason.startswith(
        "The encoder learns the pool’s texts within a privacy budget, and the project has none"
    )
    assert not PrivateTraining.objects.exists()


def test_more_than_is_left_of_the_budget_is_refused(weights: None) -> None:
    project = text_project()
    batch = batch_of(project)
    ledger.start(project=project, batch=batch, labels=40)
    ledger.start(project=project, batch=batch, labels=40)
    before = ledger.ledger_of(project).spent
    job = encode()
    assert job.state == Job.State.FAILED
    assert job.reason == (
        "Pre-training on the pool’s texts takes ε = 2, which is more than is left of the privacy budget of ε = 4. "
        "Raise the budget or choose a smaller share, then retry."
    )
    assert ledger.ledger_of(project).spent == before
    assert PrivateTraining.objects.filter(batch=None).count() == 0


@pytest.mark.long
def test_a_pretraining_after_others_counts_by_renyi(weights: None) -> None:
    project = text_project(privacy_epsilon=20.0)
    ledger.start(project=project, batch=batch_of(project), labels=40)
    Project.objects.update(encoder=choice(share=10))
    assert encode().state == Job.State.DONE
    entry = PrivateTraining.objects.get(batch=None)
    assert (entry.plan, entry.cost) == (None, None)
    assert ledger.spent_by(project).plan is None
    assert Spent().plan is None


@pytest.mark.long
def test_kill_9_in_the_midst_of_it_costs_nothing(weights: None) -> None:
    project = text_project(texts=300)
    Project.objects.update(encoder=choice(steps=60))
    with worker_process() as process:
        wait_until(PrivateTraining.objects.exists)
        process.kill()
        process.wait()
    assert PrivateTraining.objects.get().ended_at is None
    Job.objects.filter(kind=Job.Kind.ENCODE).update(state=Job.State.WAITING, worker="")
    assert encode().state == Job.State.DONE
    assert PrivateTraining.objects.get().ended_at is not None
    assert ledger.ledger_of(project).spent == pytest.approx(2.0, rel=0.01)
    assert not ProjectFiles(project).pretraining.exists()


@pytest.mark.long
def test_it_gives_way_to_an_urgent_step_and_goes_on_in_the_same_entry(
    weights: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Step, "SLICE_SECONDS", 0.0)
    project, other = text_project(), make_project("other")
    Job.objects.enqueue(Job.Kind.SELECT, project=other, batch=other.batches.create(number=1, size=1))
    for _ in range(2):
        job = encode_in_turn()
        assert (job.state, job.attempts) == (Job.State.WAITING, 0)
    [entry] = PrivateTraining.objects.all()
    assert entry.ended_at is None
    assert steps_done(project) == 2, "each attempt keeps the step that it has done"

    Job.objects.filter(project=other).delete()
    assert encode_in_turn().state == Job.State.DONE
    assert PrivateTraining.objects.get().ended_at is not None
    assert ledger.ledger_of(project).spent == pytest.approx(2.0, rel=0.01)


def encode_in_turn() -> Job:
    """Run the step in a worker that runs all kinds of steps, so that it gives way."""
    job = Job.objects.get(kind=Job.Kind.ENCODE)
    Job.objects.filter(pk=job.pk).update(state=Job.State.RUNNING, worker="w")
    job.refresh_from_db()
    run_step(Step(job))
    job.refresh_from_db()
    return job


def steps_done(project: Project) -> int:
    with safe_open(ProjectFiles(project).pretraining, framework="pt") as file:
        return int(json.loads(file.metadata()["state"])["step"])


@pytest.mark.long
def test_members_are_told_if_it_takes_nearly_all_of_the_budget(weights: None) -> None:
    project = text_project()
    make_member(project, "mona", Role.MANAGER)
    Project.objects.update(encoder=choice(share=92))
    encode()
    assert Notice.objects.filter(kind=NoticeKind.BUDGET_NEARLY_SPENT, user__username="mona").count() == 1


@pytest.mark.long
def test_a_column_is_the_unit(weights: None) -> None:
    project = text_project()
    for item in project.items.all():
        item.data["author"] = f"author {item.pk % 7}"
        item.save(update_fields=["data"])
    lone = project.items.first()
    del lone.data["author"]
    lone.save(update_fields=["data"])
    Project.objects.update(encoder=choice(unit="author"))
    assert encode().state == Job.State.DONE
    assert PrivateTraining.objects.get().labels == 8, "seven authors, and a text without one"


@pytest.mark.long
def test_a_lost_encoder_is_learned_anew_at_its_price_only_before_the_first_version(weights: None) -> None:
    project = text_project()
    encode()
    project.refresh_from_db()
    damage(project)
    Worker(run_step, kinds={Job.Kind.ENCODE, Job.Kind.REBUILD}, drain=True).run()
    assert PrivateTraining.objects.count() == 2
    assert ledger.ledger_of(project).spent == pytest.approx(2.8, abs=0.2)

    project.refresh_from_db()
    ModelVersion.objects.create(
        project=project, number=1, artifact="v1", labels=1, seed=1, classes=10, seconds=0, batch=batch_of(project)
    )
    damage(project)
    Worker(run_step, kinds={Job.Kind.ENCODE, Job.Kind.REBUILD}, drain=True).run()
    assert PrivateTraining.objects.count() == 2
    assert (
        "nothing repeats that. Restore its file from a backup"
        in Job.objects.filter(state=Job.State.FAILED).latest("pk").reason
    )


def damage(project: Project) -> None:
    """Cut the encoder's file, and have the step read it."""
    path = ProjectFiles(project).encoder(project.features_generation)
    path.write_bytes(path.read_bytes()[:-50])
    make_items(project, 3, first=project.items.count(), row=None)
    Job.objects.enqueue(Job.Kind.ENCODE, project=project)


def test_measuring_encoders_leaves_it_out(weights: None) -> None:
    project = make_project()
    assert "private-lm" not in [each["name"] for each in choices_of(project)]


@pytest.mark.parametrize("wrong", [{"share": 0}, {"steps": 5}, {"size": "large"}, {"vocabulary": "none"}])
def test_options_out_of_range_are_refused(weights: None, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        check_encoder("text", choice(**wrong))
