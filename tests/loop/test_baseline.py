"""Test the baseline: it learns from uniform labels alone, and delays no other step."""

from pathlib import Path
from typing import Any

import digits
import numpy as np
import pytest
from digits import annotator, answer_batch, digits_project
from django.utils import timezone
from draining import drain

from labeling.insight.labels_saved import NoFigure
from labeling.insight.payoff import Advice, payoff_of
from labeling.loop.step import Step
from labeling.models import Item, Job, Project, User
from labeling.steps import baseline
from labeling.steps.layout import FEW
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker
from labeling.storage.arrays import stored
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.arrays.stored import MISSING, Baseline

QUICK = {"epochs": 15, "min_steps": 100, "calibration_labels": 0, "learns_from": "labels"}

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the time limit of a baseline, because the duration of trainings depends on the machine."""
    monkeypatch.setattr(baseline, "FREE_SECONDS", 86_400.0)


def labeled(folder: Path, *, batches: int, **settings: object) -> Project:
    """Create a project with so many finished batches and their baseline."""
    project = digits_project(
        folder, **{"n": FEW, "batch_size": 100, "control_share": 0.3, "training": QUICK, **settings}
    )  # type: ignore[arg-type]
    user = annotator(project)
    drain()
    for _ in range(batches):
        answer_batch(project, user)
        drain()
    return project


@pytest.mark.long
def test_an_estimate_of_two_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One baseline of two batches serves all assertions, because its trainings are slow."""
    project = labeled(tmp_path, batches=2, control_share=0.5)
    it_learns_from_uniform_labels_and_answers_for_all_of_them(project)
    with monkeypatch.context() as patch:
        killed_and_given_way_it_ends_with_the_same(project, patch)
    a_corrected_label_counts_at_once(project)
    nothing_learns_from_control_items_of_a_private_project(project)


def it_learns_from_uniform_labels_and_answers_for_all_of_them(project: Project) -> None:
    found = stored.load(ProjectFiles(project).baseline, Baseline)
    assert found is not None
    assert found.version == 2
    items = Item.objects.filter(row__in=found.rows.tolist()).select_related("task__batch")
    drawn = project.items.filter(task__batch__number=1, task__asked=False, reserved=False)
    uniform = [*project.items.labeled().control(), *drawn]
    assert 0 < len(drawn) < 20, "most of the first batch covers the pool"
    assert sorted(item.row for item in uniform) == found.rows.tolist()
    assert (found.said != MISSING).all()
    assert found.labels.max() <= 2 * len(found.rows) / 3
    truth = np.array([item.truth for item in items.order_by("row")])
    right = (found.said == truth).mean(axis=1)
    assert right[0] > 0.7, "of the largest size"
    assert right[0] > right[-1], "more labels, fewer errors"
    assert not ProjectFiles(project).baseline.with_suffix(".partial.npz").exists()
    assert {path.name for path in (ProjectFiles(project).root / "models").iterdir()} == {"v1", "v2"}


def killed_and_given_way_it_ends_with_the_same(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    path = ProjectFiles(project).baseline
    whole = stored.load(path, Baseline)
    assert whole is not None
    path.unlink()
    Job.objects.filter(kind=Job.Kind.BASELINE, batch__number=2).update(state=Job.State.WAITING)
    monkeypatch.setattr(Step, "LOOK_SECONDS", 0.0)
    answered: list[int] = []

    def due(step: Step) -> bool:
        partial = stored.load(path.with_suffix(".partial.npz"), Baseline)
        answered.append(partial.done if partial else 0)
        return answered[-1] in (1, 4) and answered.count(answered[-1]) == 1

    monkeypatch.setattr(Step, "urgent_work_is_due", due)
    real, skipped = baseline.cross_fit, []
    monkeypatch.setattr(
        baseline, "cross_fit", lambda *given, **named: skipped.append(named["skip"]) or real(*given, **named)
    )
    for _ in range(3):
        assert stored.load(path, Baseline) is None
        assert Worker(run_step).run_next()
    assert skipped == [0, 1, 4], "it goes on where it was"
    again = stored.load(path, Baseline)
    assert again is not None
    assert (again.said == whole.said).all()
    assert again.labels_hash == whole.labels_hash


def test_it_waits_until_there_is_enough_to_tell(tmp_path: Path) -> None:
    project = labeled(tmp_path, batches=2, batch_size=50, control_share=0.2, n=150, training=digits.QUICK)
    assert stored.load(ProjectFiles(project).baseline, Baseline) is None
    assert Job.objects.filter(kind=Job.Kind.BASELINE, state=Job.State.DONE).count() == 2
    found = payoff_of(project)
    assert (found.missing, found.advice, found.more_control) == (NoFigure.FEW_CONTROL, Advice.TOO_EARLY, 30)


@pytest.mark.long
def test_it_takes_a_bounded_share_of_the_time_of_trainings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baseline, "FREE_SECONDS", 0.0)
    monkeypatch.setattr(baseline, "SHARE", 0.01)  # far less than it takes, however slow the first training was
    project = labeled(tmp_path, batches=2)
    assert stored.load(ProjectFiles(project).baseline, Baseline) is None
    assert payoff_of(project).missing == NoFigure.NOT_YET


@pytest.mark.long
def test_where_chance_picks_all_there_is_nothing_to_compare(tmp_path: Path) -> None:
    project = labeled(tmp_path, batches=2, strategy="uniform")
    assert stored.load(ProjectFiles(project).baseline, Baseline) is None
    assert payoff_of(project).missing == NoFigure.NOTHING_PICKED


@pytest.mark.long
def test_what_is_told_of_a_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: Any
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(baseline, "FREE_SECONDS", 0.0)  # nothing is estimated yet
        project = labeled(tmp_path, batches=2)
    answer_batch(project, User.objects.get())
    drain()
    project.refresh_from_db()
    with django_assert_max_num_queries(12):
        found = payoff_of(project)
    assert found.missing is None
    assert found.saved is not None
    assert found.spent is not None
    assert found.spent.labels == project.items.labeled().count()
    assert found.spent.control == project.items.control().labeled().count()
    assert found.saved.labels.low == pytest.approx(found.saved.needed.low - found.spent.labels)
    sizes = [point.labels for point in found.saved.points]
    assert sizes == sorted(sizes)
    assert project.versions.get(number=1).labels not in sizes, "the first version learned items that cover the pool"
    assert found.next is not None
    batch = project.batches.open().get()
    assert found.next.labels == batch.size - batch.control_tasks
    assert found.advice in (Advice.GO_ON, Advice.STOP, Advice.UNCLEAR)


def a_corrected_label_counts_at_once(project: Project) -> None:
    before = payoff_of(project)
    assert before.saved is not None
    for item in project.items.control().labeled()[:30]:
        Item.objects.filter(pk=item.pk).update(label=(item.label + 1) % 10, labeled_at=timezone.now())
    after = payoff_of(project)
    assert after.saved is not None
    assert after.saved.points[-1].accuracy < before.saved.points[-1].accuracy


def nothing_learns_from_control_items_of_a_private_project(project: Project) -> None:
    ProjectFiles(project).baseline.unlink()
    Project.objects.filter(pk=project.pk).update(privacy_epsilon=5.0)
    Job.objects.filter(kind=Job.Kind.BASELINE, batch__number=2).update(state=Job.State.WAITING)
    drain()
    assert stored.load(ProjectFiles(project).baseline, Baseline) is None
    assert payoff_of(Project.objects.get(pk=project.pk)).missing == NoFigure.PRIVATE
