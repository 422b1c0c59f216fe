"""Test the overview's and the API's figures on whether picking pays off."""

import numpy as np
import pytest
from django.template.loader import render_to_string
from factories import make_items, make_open_batch, make_project
from pages import make_history, manager, member, text_of

from labeling.insight import labels_saved
from labeling.insight.labels_saved import LabelsSpent, NoFigure, Saved, Uniform
from labeling.insight.pace import Pace
from labeling.insight.payoff import Advice, Next, Payoff, advise
from labeling.models import Batch, ModelVersion, Project, Role
from labeling.models.batches import IMPORTED
from labeling.web.charts.drawing import LEFT, RIGHT, TOP
from labeling.web.charts.learning import BOTTOM, Accuracy
from labeling.web.charts.payoff import about, finding, payoff_chart
from labeling.web.overview.views import paying_off
from models_store.payoff import Band, NextGain, OpenEstimate

SPENT = LabelsSpent(learned=900, control=100)
PACE = Pace(seconds=3.6, answers=50, active=1, annotators=1)


def saved(low: float, value: float | None, high: float | None) -> Saved:
    labels = OpenEstimate(value, low, high)
    needed = OpenEstimate(*(None if each is None else each + SPENT.labels for each in (value, low, high)))  # type: ignore[arg-type]
    grid = np.geomspace(50, 5000, 20)
    curve = Band(grid, 0.6 + 0.05 * np.log10(grid), 0.5 + 0.05 * np.log10(grid), 0.7 + 0.05 * np.log10(grid))
    points = [Uniform(50, 0.65, 0.55, 0.75, 200), Uniform(200, 0.7, 0.62, 0.78, 200)]
    return Saved(needed, labels, 5000, points, curve)


def ahead(low: float, value: float, high: float) -> Next:
    gain = OpenEstimate(value, low, high)
    return Next(100, 90, NextGain(gain, OpenEstimate(value, low - 0.01, high + 0.01)))


def test_a_saving_is_told_with_its_interval() -> None:
    for estimate, text in (
        ((412, 1234, 3046), "About 1,200 labels saved so far (410 to 3,000)"),
        ((412, 1234, None), "About 1,200 labels saved so far (410 to more than 4,000)"),
        ((412, None, None), "At least 410 labels saved so far"),
        ((-80, 300, None), ""),
        ((-500, -300, -120), "Random labels would have been 120 fewer at least: picking has not paid off so far"),
    ):
        assert finding(saved(*estimate)) == text


@pytest.mark.parametrize(("labels", "text"), [(0.4, "0"), (-0.4, "0"), (7, "7"), (1251, "1,300"), (-1251, "−1,300")])
def test_labels_are_told_to_two_figures(labels: float, text: str) -> None:
    assert about(labels) == text


def test_the_suggestion_follows_the_stated_rule() -> None:
    for next_batch, control, advice, more in (
        (None, 20, Advice.TOO_EARLY, 30),
        (None, 60, Advice.TOO_EARLY, None),
        (ahead(0.001, 0.002, 0.0049), 100, Advice.STOP, None),
        (ahead(-0.01, 0.006, 0.02), 100, Advice.GO_ON, None),
        (ahead(-0.002, 0.001, 0.009), 100, Advice.UNCLEAR, 300),
        (ahead(-0.002, 0.0049, 0.009), 100, Advice.UNCLEAR, None),
    ):
        assert advise(next_batch, control) == (advice, more)


@pytest.mark.parametrize(
    ("high", "before", "advice"),
    [
        (0.006, 0.004, Advice.STOP),  # as close to half a point as it was below it
        (0.0099, 0.0049, Advice.STOP),
        (0.011, 0.004, Advice.UNCLEAR),  # the newest version says otherwise
        (0.006, 0.0051, Advice.UNCLEAR),
        (0.006, None, Advice.UNCLEAR),
    ],
)
def test_the_advice_to_stop_stands_until_a_batch_clearly_contradicts_it(
    high: float, before: float | None, advice: Advice
) -> None:
    earlier = None if before is None else OpenEstimate(0.001, -0.002, before)
    assert advise(ahead(-0.002, 0.001, high), 100, lambda: earlier)[0] == advice


def told(found: Payoff, *, with_cost: bool = True, **settings: object) -> dict[str, str]:
    project = Project(slug="digits", batch_size=100, currency="EUR", **settings)
    words = paying_off(project, found, PACE, with_cost=with_cost)
    return {"advice": words.advice, **{name: f"{value} {detail}".strip() for name, value, detail in words.facts}}


def whole(**changes: object) -> Payoff:
    values = {
        "advice": Advice.GO_ON,
        "control": 100,
        "versions": 4,
        "version": 4,
        "spent": SPENT,
        "learned": SPENT.learned,
        "saved": saved(412, 1234, None),
        "next": ahead(0.002, 0.012, 0.02),
    }
    return Payoff(**{**values, **changes})  # type: ignore[arg-type]


def test_gain_and_cost_of_the_next_batch_are_told() -> None:
    found = told(whole(), hourly_cost=30)
    assert found["Next batch brings"] == "+1.2 points −0.8 points to +3.0 points"
    assert found["It takes"].replace("\u00a0", " ") == "6 min of labeling, for 100 items"
    assert found["It costs"].replace("\u00a0", " ") == "EUR 3.00"
    assert found["advice"].startswith("Continue")


def test_cost_is_for_managers_and_only_if_it_is_known() -> None:
    assert "It costs" not in told(whole(), hourly_cost=30, with_cost=False)
    assert "It costs" not in told(whole())


def test_a_manager_is_told_that_picking_costs_labels_unless_items_are_drawn_at_random_already() -> None:
    def section(low: float, high: float | None, strategy: str = "cluster-margin", learned: int = 900) -> str:
        project = Project(slug="digits", batch_size=100, strategy=strategy)
        words = paying_off(project, whole(saved=saved(low, low, high), learned=learned), PACE, with_cost=False)
        return render_to_string("project/payoff.html", {"payoff": words})

    advice = "Change the strategy to Uniform"
    assert advice in section(-500, -120)
    assert advice not in section(-500, -80), "the control items cost them, not picking"
    assert advice not in section(-500, -120, learned=600), "a manager uses an earlier version"
    assert advice not in section(-500, 10)
    assert advice not in section(412, None)
    assert advice not in section(-500, -120, strategy="uniform")


def test_an_estimate_that_failed_is_told() -> None:
    project = Project(slug="digits", batch_size=100)
    words = paying_off(
        project, whole(saved=None, missing=NoFigure.FAILED, reason="The disk is full."), PACE, with_cost=False
    )
    assert words.warning == "Estimating the labels saved failed: The disk is full."


@pytest.mark.parametrize("advice", list(Advice))
def test_every_suggestion_is_a_sentence(advice: Advice) -> None:
    for more in (None, 120):
        text = told(whole(advice=advice, more_control=more))["advice"]
        assert text.endswith(".")
        assert "None" not in text


@pytest.mark.parametrize("estimate", [(412, 1234, None), (-80, 300, 900), (3000, None, None)])
def test_both_curves_are_within_the_frame(estimate: tuple[float, float | None, float | None]) -> None:
    points = [Accuracy(n, 90 * n, 100, 0.7 + 0.02 * n, 0.6 + 0.02 * n, 0.75 + 0.02 * n) for n in range(1, 11)]
    figure = payoff_chart(points, saved(*estimate))
    assert ("saved so far" in figure.finding) == (estimate[0] > 0)
    assert len(figure.rows) == len(figure.drawing.marks) == 12
    for path in (figure.drawing.other_band, figure.drawing.other_path, figure.drawing.band):
        places = np.array([place.split(",") for place in path.split()], float)
        assert places[:, 0].min() >= LEFT
        assert places[:, 0].max() <= RIGHT
        assert places[:, 1].min() >= TOP
        assert places[:, 1].max() <= BOTTOM


@pytest.mark.django_db
def test_overview_and_api_tell_why_nothing_is_told_yet_but_not_annotators() -> None:
    project = make_project()
    make_history(project, 2)
    page = text_of(manager(project).get("/p/digits/"))
    assert "Is it paying off?" in page
    assert "Too early for a suggestion" in page
    assert "paying off" not in text_of(member(project, Role.ANNOTATOR).get("/p/digits/"))
    answer = member(project, Role.ENGINEER).get("/api/v1/projects/digits/payoff/").json()
    assert answer["advice"] == "too-early"
    assert answer["missing"] == "no-control"
    assert answer["saved"] is None
    assert answer["next"] is None


@pytest.mark.django_db
def test_imported_and_asked_items_are_no_random_labels() -> None:
    project = make_project()
    batch = make_open_batch(project, make_items(project, 1))
    assert labels_saved._first_chosen(project, 4) == 4
    Batch.objects.create(project=project, number=3, strategy=IMPORTED, state=Batch.State.DONE)
    assert labels_saved._first_chosen(project, 4) == 3
    batch.tasks.update(asked=True)
    assert labels_saved._first_chosen(project, 4) == 1


def test_only_versions_of_random_labels_alone_are_points_of_the_uniform_curve() -> None:
    def version(batch: int, **training: object) -> ModelVersion:
        return ModelVersion(batch=Batch(number=batch), metrics={"training": training})

    assert labels_saved._is_uniform(version(1), first_chosen=2)
    assert not labels_saved._is_uniform(version(2), first_chosen=2)
    assert not labels_saved._is_uniform(version(1, pool={"items": 300}), first_chosen=2)
