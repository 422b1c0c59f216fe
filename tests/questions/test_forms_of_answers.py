"""Test that the forms of an answer lead back to it, and that arrays and SQL say the same as the plain methods."""

from typing import Any

import numpy as np
import pytest
from factories import make_items, make_project
from hypothesis import given
from hypothesis import strategies as st

from labeling.models import Item
from labeling.questions import QUESTIONS, InvalidValue

NAMES = ["1", "2", "3", "4"]  # a scale, so that each question takes them
INDICES = {name: index for index, name in enumerate(NAMES)}
INDEX = st.integers(0, len(NAMES) - 1)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "single": INDEX,
    "multi": st.lists(INDEX, unique=True).map(sorted),
    "verify": st.booleans(),
    "score": INDEX,
}


@pytest.mark.parametrize("name", VALUES)
@given(data=st.data())
def test_what_is_shown_or_in_a_cell_leads_back_to_the_answer(name: str, data: st.DataObject) -> None:
    asks, value = QUESTIONS[name], data.draw(VALUES[name])
    shown = asks.show(value, NAMES)
    assert asks.parse(shown, INDICES) == value
    cell = asks.cell(shown)
    assert asks.parse(asks.from_cell(cell), INDICES) == value
    assert asks.parse(asks.from_parts(asks.spelled(asks.split(cell), str)), INDICES) == value
    assert asks.names_in(shown) == {NAMES[index] for index in asks.classes_in(value)}


def test_two_texts_are_no_answer_where_one_is_asked_for() -> None:
    for name in ("single", "verify", "score"):
        with pytest.raises(InvalidValue):
            QUESTIONS[name].from_parts(["1", "2"])


@pytest.mark.parametrize("name", [name for name in VALUES if not QUESTIONS[name].why_best_class_is_no_answer])
@given(data=st.data())
def test_distances_of_arrays_are_those_of_their_answers(name: str, data: st.DataObject) -> None:
    asks = QUESTIONS[name]
    pairs = data.draw(st.lists(st.tuples(VALUES[name], VALUES[name])))
    best, right = np.array(pairs, np.int64).reshape(-1, 2).T
    assert asks.distances(best, right).tolist() == [asks.distance(*pair) for pair in pairs]
    assert [asks.is_wrong(*pair) for pair in pairs] == [one != other for one, other in pairs]
    assert asks.counted_each(best).tolist() == [asks.counted(one)[0] for one, _ in pairs]


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["single", "multi", "score"])
def test_the_condition_in_sql_finds_the_answers_that_name_a_class(name: str) -> None:
    asks = QUESTIONS[name]
    project = make_project(question=name, classes=[str(number) for number in range(1, 13 if name == "multi" else 5)])
    values: list[Any] = [[], [1], [11], [1, 11], [0, 2]] if name == "multi" else [0, 1, 2, 3, 1]
    for item, value in zip(make_items(project, len(values)), values, strict=True):
        Item.objects.filter(pk=item.pk).update(gold=value)
    for classes in ([1], [2, 0], [3]):
        found = project.items.filter(asks.holding("gold", classes)).order_by("pk").values_list("gold", flat=True)
        assert list(found) == [value for value in values if set(classes) & set(asks.classes_in(value))]
