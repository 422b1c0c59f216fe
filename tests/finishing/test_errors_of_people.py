"""Test the share of wrong answers that a proof reckons with."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from factories import make_items, make_member, make_project

from labeling.answering import gold
from labeling.answering.gold import GoldAnswer
from labeling.finishing.people import LEAST_GOLD, NEWEST_LABELS, USUAL_ERROR, errors_of

pytestmark = pytest.mark.django_db


def test_gold_answers_give_an_upper_bound_if_they_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty right answers prove that few are wrong, not that none is."""
    project = make_project()
    user = make_member(project, "ann").pk
    answers = [GoldAnswer(user, item, 1, 1) for item in range(LEAST_GOLD)]
    monkeypatch.setattr(gold, "answers_of", lambda _: answers[1:])
    few = errors_of(project)
    assert few.answer == few.answer_at_most == pytest.approx(USUAL_ERROR)
    monkeypatch.setattr(gold, "answers_of", lambda _: answers)
    enough = errors_of(project)
    assert enough.answer < USUAL_ERROR
    assert enough.answer_at_most == pytest.approx(1 - 0.05 ** (1 / LEAST_GOLD), abs=0.02)


def test_the_newest_labels_tell_how_often_the_next_ones_are_wrong() -> None:
    """The first labels are given without a model that could contradict them."""
    project = make_project(overlap_max=3)
    now = timezone.now()
    make_items(project, 300, label=1, label_probability=0.9, labeled_at=now - timedelta(days=1))
    make_items(project, NEWEST_LABELS, first=300, label=1, label_probability=0.99, labeled_at=now)
    assert errors_of(project).label == pytest.approx(0.01)
