"""Test the forecast of labels, answers and errors, from a sample of the pool."""

from pathlib import Path

import pytest
from factories import make_member, make_project
from pages import make_history, make_version
from pools import OPEN, PEOPLE, make_audit, pool_project

from labeling.finishing import forecasts
from labeling.finishing.forecasts import Forecast, forecast_of
from labeling.finishing.goal import FinishRefused, Goal
from labeling.finishing.people import PeopleErrors, errors_of
from labeling.insight.pace import Pace
from labeling.models import Audit, Project
from labeling.storage.arrays.files import ProjectFiles, load_array, save_array

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def made(once: Path) -> Project:
    return pool_project()


def forecast(project: Project, **goal: float) -> Forecast:
    return forecast_of(project, Goal(**goal), errors_of(project))


@pytest.mark.long
def test_a_larger_error_takes_more_labels_from_the_model_and_fewer_answers(project: Project) -> None:
    small, large = forecast(project, error=0.02), forecast(project, error=0.05)
    assert 0 < small.labels < large.labels < small.candidates == OPEN
    assert small.error < large.error
    assert small.asked == small.left - small.labels > large.asked
    pace = Pace(seconds=3, answers=50, active=2, annotators=2)
    assert large.seconds(pace) < small.seconds(pace) < small.seconds_by_hand(pace)


@pytest.mark.long
def test_each_audit_before_makes_the_next_one_ask_more(project: Project) -> None:
    """The risks of all attempts of a project sum to that of its goal."""
    first = forecast(project, error=0.03)
    make_audit(project.versions.get(), attempt=1, state=Audit.State.ENDED)
    assert forecast(project, error=0.03).audit > first.audit


def test_the_curve_goes_to_all_candidates_and_says_where_the_goal_ends(project: Project) -> None:
    found = forecast(project, error=0.02)
    assert found.curve[-1].labels == found.candidates
    assert found.curve[-1].error == pytest.approx(0.06, abs=0.02)
    assert found.curve[-1].answers is None
    assert found.curve[len(found.curve) // 2].answers
    errors = [point.error for point in found.curve]
    assert errors == sorted(errors)


@pytest.mark.long
def test_a_sample_forecasts_what_all_items_forecast(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = forecast(project, error=0.03)
    forecasts.sample_of.cache_clear()
    monkeypatch.setattr(forecasts, "ROWS", 800)
    sampled = forecast(project, error=0.031)
    assert sampled.candidates == pytest.approx(OPEN, rel=0.1)
    assert sampled.labels == pytest.approx(whole.labels, rel=0.2)


def test_a_model_that_is_too_sure_is_corrected_by_the_control_slice(project: Project) -> None:
    path = ProjectFiles(project).pool(project.versions.get(), "confidence")
    save_array(path, load_array(path) ** 0.25)
    found = forecast(project, error=0.05)
    assert found.curve[-1].error == pytest.approx(0.06, abs=0.02), "without a correction it would be 0.015"


@pytest.mark.long
def test_the_version_that_picked_forecasts_until_the_newest_has_predicted_the_pool(project: Project) -> None:
    before = forecast(project, error=0.05)
    make_version(project.batches.get(number=2), 2)
    found = forecast(project, error=0.05)
    assert project.versions.newest().number == 2
    assert (found.version, found.labels) == (before.version, before.labels)


@pytest.mark.long
def test_classes_with_few_items_go_to_people() -> None:
    project = pool_project("few", classes=["many", "few"])
    found = forecast(project, error=0.05, by_class=True)
    assert [each.candidates for each in found.classes] == sorted(
        (each.candidates for each in found.classes), reverse=True
    )
    assert sum(each.candidates for each in found.classes) == found.candidates
    assert found.labels <= sum(each.labels for each in found.classes) + 1


def test_labels_with_one_answer_are_wrong_as_often_as_answers(project: Project) -> None:
    project.batches.update(labeled=70, overlap=1, overlap_max=3)
    project.batches.filter(number=1).update(labeled=30, overlap_max=None)
    errors = PeopleErrors(answer=0.1, answer_at_most=0.1, label=0.01, coincidence=0.1)
    later = 70 * (project.batches.count() - 1)
    whole = forecasts._whole(project, errors, 5, 2.0, by_class=False)
    assert whole.wrong == pytest.approx(2 + 3 + 0.01 * later)
    assert whole.labeled == 30 + later + 5


@pytest.mark.parametrize(
    ("question", "goal", "problem"),
    [
        ("single", {"error": 0.0}, "error: "),
        ("single", {"confidence": 1.0}, "confidence: "),
        ("single", {"within": 1}, "within: "),
        ("single", {}, "no predictions for the pool"),
    ],
)
def test_a_goal_that_cannot_be_reached_is_refused_in_a_line(
    question: str, goal: dict[str, float], problem: str
) -> None:
    project = make_project("other", kind="vector", question=question, overlap_max=3)
    make_history(project, 1)
    for name in PEOPLE:
        make_member(project, name)
    with pytest.raises(FinishRefused, match=problem):
        forecast(project, **goal)


def test_without_labeled_control_items_nothing_is_forecast(project: Project) -> None:
    project.items.control().update(label=None)
    with pytest.raises(FinishRefused, match="No control item has a label yet"):
        forecast(project)


def test_without_a_version_nothing_is_forecast() -> None:
    with pytest.raises(FinishRefused, match="no model version yet"):
        forecast(make_project("other", overlap_max=3))
