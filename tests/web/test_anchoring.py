"""Test the measure of whether annotators lean towards shown predictions, on the page and in the API."""

from typing import Any

import pytest
from factories import make_items, make_member, make_open_batch, make_project, recount
from test_agreement_page import api, page

from labeling.insight.anchoring import anchoring_of
from labeling.models import Annotation, Project

pytestmark = pytest.mark.django_db

NAMES = [f"class {number:02}" for number in range(12)]


def answered(question: str = "single", *, listed: bool = True, n: int = 80, **settings: Any) -> Project:
    """Create answers to tasks with the model's prediction 3, or else 1, 2, 4 or 5, shown on every second task.

    The answer is 3 where it is shown and on every second other task; the remaining answers are 4 and 9 in turn.
    """
    project = make_project(classes=NAMES, question=question, **{"show_predictions": True, **settings})
    batch = make_open_batch(project, make_items(project, n))
    batch.selected_by = project.versions.create(number=1, batch=batch, labels=1, seed=1, seconds=1, metrics={})
    batch.save()
    batch.tasks.update(predicted=3, likely="3 1 2 4 5 0 6 7 8 9" if listed else "")
    tasks = list(batch.tasks.order_by("rank"))
    shown = [task.pk for task in tasks[::2]]
    batch.tasks.filter(pk__in=shown).update(prompted=True, prompted_by="model")
    user = make_member(project, "annie")
    for place, task in enumerate(tasks):
        value = 3 if place % 4 != 1 else 4 if place % 8 == 1 else 9
        Annotation.objects.create(task=task, user=user, value=[value, 11] if question == "multi" else value)
    recount(project)
    return project


@pytest.mark.parametrize("question", ["single", "multi"])
def test_the_shares_and_their_difference(question: str) -> None:
    body = api(answered(question))["anchoring"]
    first, listed = body["first"], body["listed"]
    assert [(each["chosen"], each["n"]) for each in (first["prompted"], first["unprompted"])] == [(40, 40), (20, 40)]
    assert [(each["chosen"], each["n"]) for each in (listed["prompted"], listed["unprompted"])] == [(40, 40), (30, 40)]
    assert first["difference"] == pytest.approx({"value": 0.5, "low": 0.328, "high": 0.648}, abs=0.002)
    assert 0 < listed["difference"]["low"] < 0.25 < listed["difference"]["high"]


def test_the_page_says_it() -> None:
    text = page(answered())
    assert "The model’s first choice 100.0 % of 40 50.0 % of 40 +50.0" in text.replace("\xa0", " ")
    assert "One of the five suggestions" in text


def test_only_what_was_shown_counts() -> None:
    project = answered(listed=False)
    measured = anchoring_of(project)
    assert measured is not None
    assert measured.first is not None
    assert measured.listed is None, "one class was shown, not several"
    Project.objects.update(show_predictions=False)
    assert api(project)["anchoring"] is None


def test_few_answers_tell_nothing() -> None:
    project = answered(n=20)
    assert api(project)["anchoring"] == {"first": None, "listed": None}
    assert "Not enough data yet to tell: at least 20 answered items with a prediction in view" in page(project)
