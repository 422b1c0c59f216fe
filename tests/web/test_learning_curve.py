"""Test the drawing and the finding of the learning curve."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from labeling.web.charts.drawing import LEFT, RIGHT, TOP
from labeling.web.charts.learning import BOTTOM, Accuracy, accuracy_of, finding, learning_curve


def point(version: int, labels: int, low: float, value: float, high: float) -> Accuracy:
    return Accuracy(version=version, labels=labels, n=50, value=value, low=low, high=high)


FIRST = point(1, 80, 0.6, 0.7, 0.8)
UNCERTAIN = point(2, 160, 0.7, 0.8, 0.9)
BETTER = point(3, 240, 0.85, 0.9, 0.95)


def test_the_finding() -> None:
    for points, text in (
        ([FIRST], "Accuracy is 70 % after 80 labels"),
        ([FIRST, UNCERTAIN, BETTER], "Accuracy rose from 70 % to 90 % in 3 rounds"),
        ([BETTER, FIRST], "Accuracy fell from 90 % to 70 % in 2 rounds"),
    ):
        assert finding(points).replace("\u00a0", " ") == text


def test_a_change_within_the_intervals_is_not_called_one() -> None:
    text = finding([FIRST, UNCERTAIN])
    assert "rose" not in text
    assert "too few control items" in text
    assert learning_curve([]) is None
    now = {"accuracy": 0.9, "low": 0.8, "high": 0.95, "n": 40}
    then = {"accuracy": 0.5, "low": 0.4, "high": 0.6, "n": 10}
    measured = accuracy_of(version(now, then))
    assert measured is not None
    assert (measured.value, measured.n) == (0.9, 40)
    assert getattr(accuracy_of(version(None, then)), "value", None) == 0.5
    assert accuracy_of(version(None, {"n": 0})) is None
    assert accuracy_of({**version(None, None), "metrics": {}}) is None


@given(
    st.lists(
        st.tuples(st.integers(1, 10**7), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)),
        min_size=1,
        max_size=30,
    )
)
def test_everything_is_within_the_frame(rounds: list[tuple[int, float, float, float]]) -> None:
    curve = learning_curve([point(n, labels, *sorted(shares)) for n, (labels, *shares) in enumerate(sorted(rounds), 1)])
    assert curve is not None
    assert len(curve.drawing.marks) == len(curve.rows) == len(rounds)
    for mark in curve.drawing.marks:
        assert LEFT <= mark.x <= RIGHT
        assert TOP <= mark.y2 <= mark.y <= mark.y1 <= BOTTOM
    assert all(0 <= text.x <= RIGHT + 14 for text in curve.drawing.texts)
    assert 2 <= len(curve.drawing.lines) <= 6


def version(now: Any, then: Any) -> dict[str, Any]:
    return {"version": 1, "labels": 80, "control_now": now, "metrics": {"control": then}}
