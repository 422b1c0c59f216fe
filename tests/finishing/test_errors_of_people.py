"""Test the share of wrong answers that a proof reckons with."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.utils import timezone
from factories import make_member, make_open_batch, make_project, new_items

from labeling.finishing import people
from labeling.finishing.people import LEAST_GOLD, NEWEST_LABELS, USUAL_ERROR, errors_of
from labeling.labels.label_counts import Counts
from labeling.models import Batch, Item, Project
from labeling.models.batches import IMPORTED
from labeling.queue import gold
from labeling.queue.gold import GoldAnswer

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


def test_the_newest_batches_tell_how_often_the_next_labels_are_wrong() -> None:
    """The first labels are given without a model that could contradict them."""
    project = make_project(overlap_max=3)
    labeled_batch(project, 1, [0.9] * 300)
    labeled_batch(project, 2, [0.99] * NEWEST_LABELS)
    assert errors_of(project).label == pytest.approx(0.01)
    labeled_batch(project, 3, [0.97] * (NEWEST_LABELS // 2))
    assert errors_of(project).label == pytest.approx((0.01 * 2 + 0.03) / 3)


def test_the_labels_of_a_batch_count_whenever_they_were_given() -> None:
    """Doubtful items are asked again, so that the last labels of a batch are theirs."""
    project = make_project(overlap_max=3)
    labeled_batch(project, 1, [0.99] * 300 + [0.8] * NEWEST_LABELS)
    assert errors_of(project).label == pytest.approx((300 * 0.01 + NEWEST_LABELS * 0.2) / 500)


def test_neither_a_batch_in_training_nor_an_import_hides_what_was_measured() -> None:
    project = make_project(overlap_max=3)
    labeled_batch(project, 1, [0.99] * NEWEST_LABELS)
    labeled_batch(project, 2, [0.9] * NEWEST_LABELS, strategy=IMPORTED)
    labeled_batch(project, 3, [0.8] * NEWEST_LABELS, state=Batch.State.TRAINING, done_at=None)
    assert errors_of(project).label == pytest.approx(0.01)


def test_of_several_batches_the_newest_is_read_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "MOST_LABELS", 120)
    project = make_project(overlap_max=3)
    labeled_batch(project, 1, [0.9] * NEWEST_LABELS)
    labeled_batch(project, 2, [0.99] * 120)
    assert errors_of(project).label == pytest.approx(0.01)


@pytest.mark.parametrize("gold_items", [90, 300])
@pytest.mark.parametrize("alike", [True, False])
def test_labels_are_bounded_by_gold_if_everybody_makes_the_same_mistakes(
    monkeypatch: pytest.MonkeyPatch, gold_items: int, alike: bool
) -> None:
    """Everybody takes a third of class 0 for class 1. The probabilities of labels do not know it: they say 1 %."""
    project = make_project(overlap_max=3)
    labels = {0: 40, 1: 40, **dict.fromkeys(range(2, 10), 15)}  # twenty of the ones are noughts
    monkeypatch.setattr(people, "counts_of", lambda *_: Counts(labels, sum(labels.values())))
    labeled_batch(project, 1, [0.99] * NEWEST_LABELS)
    rng = np.random.default_rng(gold_items)
    answers = []
    for item in range(gold_items):
        known, both = item % 10, rng.random() < 1 / 3
        for who in (1, 2):
            is_wrong = known == 0 and (both if alike else rng.random() < 1 / 3)
            answers.append(GoldAnswer(who, item, 1 if is_wrong else known, known))
    monkeypatch.setattr(gold, "answers_of", lambda _: answers)
    errors = errors_of(project)
    truth = 20 / 200
    assert errors.label_at_most is not None
    assert errors.label_at_most > (truth if alike else truth / 3)
    assert not errors.shared or errors.label > 0.03


def test_without_gold_nothing_bounds_the_labels() -> None:
    project = make_project(overlap_max=3)
    labeled_batch(project, 1, [0.99] * NEWEST_LABELS)
    assert errors_of(project).label_at_most is None


def labeled_batch(project: Project, number: int, probabilities: list[float], **fields: Any) -> None:
    """Make a complete batch whose items got labels with these probabilities, one after the other."""
    first, now = project.items.count(), timezone.now()
    items = new_items(project, len(probabilities), first=first, label=1)
    for n, (item, probability) in enumerate(zip(items, probabilities, strict=True)):
        item.label_probability, item.labeled_at = probability, now + timedelta(seconds=n)
    Item.objects.bulk_create(items)
    batch = make_open_batch(project, items, number=number)
    values = {"state": Batch.State.DONE, "remaining": 0, "completed_at": now, "done_at": now, **fields}
    Batch.objects.filter(pk=batch.pk).update(**values)
