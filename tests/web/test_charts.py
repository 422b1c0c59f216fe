"""Test the charts: their findings, drawings and scales."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.insight.annotators import Annotator, Rate
from labeling.insight.balance import Balance, Frequency
from labeling.insight.work import Slice
from labeling.web.charts import balance, pace, people, rounds
from labeling.web.charts.drawing import Figure, Scale, shares_from, shares_to, short, time_steps, time_word, whole_steps
from labeling.web.charts.rounds import Round
from models_store.metrics import wilson

NOW = datetime.datetime(2026, 3, 2, 9, 30, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)


def within(figure: Figure) -> None:
    """Check that a drawing stays within its picture, that bars and marks have titles, and that rows fit the columns."""
    drawing = figure.drawing
    for box in drawing.boxes:
        assert 0 <= box.x <= box.x + box.width <= drawing.width + 2
        assert 0 <= box.y <= box.y + box.height <= drawing.height
        assert box.title
    for mark in drawing.marks:
        assert 0 <= min(mark.x1, mark.x) <= max(mark.x, mark.x2) <= drawing.width
        assert mark.title
    assert all(len(row) == len(figure.columns) for row in figure.rows)


@given(st.floats(-1e9, 1e9), st.floats(0.001, 1e9), st.floats(-2e9, 2e9))
def test_a_scale_never_leaves_its_range(low: float, span: float, value: float) -> None:
    assert 46 <= Scale(low, low + span, 46, 366)(value) <= 366
    assert 12 <= Scale(low, low + span, 158, 12)(value) <= 158


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_scale_keeps_the_order(one: float, other: float) -> None:
    scale = Scale(0, 1, 0, 1000)
    assert scale(min(one, other)) <= scale(max(one, other))


@given(st.integers(0, 10**9))
def test_whole_steps_are_few_and_not_beyond(most: int) -> None:
    steps = whole_steps(most)
    assert steps[0] == 0
    assert steps[-1] <= most
    assert len(steps) <= 6


@given(st.floats(0, 1))
def test_shares_cover_what_is_drawn(most: float) -> None:
    steps = shares_to(most)
    assert steps[0] == 0
    assert steps[-1] >= most or steps[-1] == pytest.approx(most)
    assert 2 <= len(steps) <= 6
    assert all(0 <= share <= 1 for share in shares_from(int(most * 10) / 10))


@given(st.floats(0.1, 10**9))
def test_time_steps_are_few_and_not_beyond(most: float) -> None:
    steps = time_steps(most)
    assert steps[0] == 0
    assert steps[-1] <= most
    assert 2 <= len(steps) <= 6


def test_times_on_an_axis_and_long_names() -> None:
    said = [time_word(n).replace("\u00a0", " ") for n in (0, 0.5, 30, 300, 7200, 86400)]
    assert said == ["0", "0.5 s", "30 s", "5 min", "2 h", "1 d"]
    assert short("kayak", 15) == "kayak"
    assert short("a class with a long name", 15) == "a class with a…"
    assert Scale(5, 5, 10, 90)(5) == 10


def frequency(name: str, labels: int, labeled: int, control: int = 0, n: int = 0) -> Frequency:
    return Frequency(name, labels, labels / labeled, control, control / n if n else 0.0, *wilson(control, n))


def test_class_balance_with_the_pools_share() -> None:
    classes = [frequency("seven", 60, 100, 10, 20), frequency("one", 40, 100, 10, 20)]
    figure = balance.class_balance(Balance(classes, labeled=100, control=20, seen=2, n_classes=2))
    assert figure is not None
    assert figure.finding.replace("\u00a0", " ") == "“seven” has 60 % of 100 labeled items, “one” 40 %"
    assert "on 20 control items" in figure.note
    assert figure.rows[0] == ["seven", "60", "60.0\u00a0%", "10", "29.9\u00a0% to 70.1\u00a0%"]
    assert len(figure.drawing.marks) == 2
    within(figure)


def test_class_balance_without_control_items_claims_nothing_of_the_pool() -> None:
    figure = balance.class_balance(Balance([frequency("a", 5, 5)], labeled=5, control=0, seen=1, n_classes=3))
    assert figure is not None
    assert figure.drawing.marks == []
    assert "appears once control items are labeled" in figure.note
    assert "2 of 3 classes have none yet" in figure.finding
    assert figure.columns[-1] == "Share of labels"


def test_of_many_classes_the_others_are_counted() -> None:
    classes = [frequency(f"class {n}", 30 - n, 1000) for n in range(20)]
    figure = balance.class_balance(Balance(classes, labeled=1000, control=0, seen=312, n_classes=20_000))
    assert figure is not None
    assert "292 rarer classes are not shown" in figure.note
    assert "19,688 of 20,000 classes have none yet" in figure.finding
    within(figure)


def test_nothing_measured_is_no_chart() -> None:
    assert balance.class_balance(Balance([], 0, 0, 0, 10)) is None
    assert pace.pace_chart([], HOUR) is None
    assert rounds.round_times([]) is None
    assert people.pace_of_people([]) is None
    assert people.accuracy_of_people([]) is None


@given(st.lists(st.tuples(st.integers(0, 71), st.integers(1, 10**6)), min_size=1, max_size=40))
def test_pace_leaves_gaps_where_nobody_answered(found: list[tuple[int, int]]) -> None:
    slices = [Slice(NOW + place * HOUR, n) for place, n in sorted(dict(found).items())]
    figure = pace.pace_chart(slices, HOUR)
    assert figure is not None
    within(figure)
    boxes = figure.drawing.boxes
    assert len(boxes) == len(slices)
    span = max(pace.FEWEST, (slices[-1].start - slices[0].start) / HOUR + 1)
    for each, box in zip(slices, boxes, strict=True):
        assert box.x == pytest.approx(46 + 320 * ((each.start - slices[0].start) / HOUR) / span, abs=0.1)
        assert box.width <= 320 / span + 0.1


def test_the_pace_is_told() -> None:
    figure = pace.pace_chart([Slice(NOW, 5), Slice(NOW + 3 * HOUR, 7)], HOUR)
    assert figure is not None
    assert figure.finding == "12 answers; the busiest hour had 7"
    assert figure.rows == [["2 Mar 12:30", "7"], ["2 Mar 09:30", "5"]]


def test_what_the_time_of_rounds_goes_into() -> None:
    done = [Round(n, 10, 3600 * n, 90, NOW, labeling=600 * n) for n in (1, 2, 3)]
    figure = rounds.round_times([*done, Round(4, 10, 60, 0, NOW, under_way=True)])
    assert figure is not None
    # Whoever leaves it open overnight has not labeled all night.
    told = "A batch usually takes 2 h 2 min (median of 3): it is open 98.6 % of the time, with 20 min of labeling"
    assert figure.finding.replace("\u00a0", " ") == told
    assert figure.rows[-1][-1] == "70\u00a0s so far"
    assert [meaning for _, meaning in figure.legend] == ["picking", "open to people", "training"]
    within(figure)
    alone = rounds.round_times([Round(4, 10, 60, 0, NOW, under_way=True)])
    assert alone is not None
    assert alone.finding == "Batch 4 has been under way for 70\u00a0s"


def annotator(name: str, median: float, right: int | None = None, n: int = 100) -> Annotator:
    control = None if right is None else Rate(right, n, *wilson(right, n))
    return Annotator(name, 200, 1, 3, 0.5, median / 2, median, median * 2, NOW, None, control)


def test_people_are_called_different_only_where_the_intervals_say_so() -> None:
    figure = people.accuracy_of_people([annotator("annie", 2, 98), annotator("bert", 3, 70), annotator("carl", 3)])
    assert figure is not None
    assert figure.finding.replace("\u00a0", " ") == "bert is right less often (70 %) than annie (98 %)"
    assert [row[0] for row in figure.rows] == ["annie", "bert"]
    within(figure)
    alike = people.accuracy_of_people([annotator("annie", 2, 18, 20), annotator("bert", 3, 16, 20)])
    assert alike is not None
    assert "No person stands out" in alike.finding
    assert people.accuracy_of_people([annotator("annie", 2, 1, 1)]) is None  # one item tells nothing


def test_how_long_an_answer_takes_people() -> None:
    figure = people.pace_of_people([annotator("annie", 2), annotator("bert", 6)])
    assert figure is not None
    assert figure.finding.replace("\u00a0", " ") == "An answer takes from 2.0 s (annie) to 6.0 s (bert)"
    within(figure)
