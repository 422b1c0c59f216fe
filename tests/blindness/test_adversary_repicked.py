"""Test that colluding annotators cannot recognise gold and control tasks where a newer model picks a batch again, and
where predictions from outside pick it.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from adversary import Adversary, Verdict, judge, kinds_of
from digit_worlds import adversary_in, answer_some, drain, imported
from django.db.models import F
from factories import make_member
from predicting.handed import hand_in, npz
from scipy.special import softmax

from labeling.models import Batch, Project
from labeling.steps import repick
from tests.blindness.test_adversary import SUSPICIOUS, assert_nothing_tells

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]

KINDS = ("gold", "control")
SIZE = 80
"""Items of a batch, beside its gold tasks: enough to notice if gold tasks alone never show predictions."""
FROM_OUTSIDE: dict[str, Any] = {"model": {"name": "given"}, "near_copies": 0, "class_proposals": False}


def with_gold(folder: Path, number: int, settings: Mapping[str, Any], **more: bool) -> Project:
    """Create a project whose first batch has gold tasks: the answers of a tenth of its items are known."""
    changes = {"batch_size": SIZE, "gold_share": 0.3, "pick_ahead": 0.5, **settings}
    project = imported(folder, number, changes, **more)
    keys = list(project.items.filter(reserved=False).values_list("pk", flat=True))
    known = np.random.default_rng(number).choice(keys, len(keys) // 10, replace=False).tolist()
    project.items.filter(pk__in=known).update(gold=F("truth"))
    drain()
    return project


def picked_ahead(folder: Path, number: int) -> Adversary:
    """Return an adversary for a second batch that was picked without a model, before the first batch was complete, and
    then by the first model. The adversary has answered some tasks in between.
    """
    project = with_gold(folder, number, {})
    honest = make_member(project, f"hana-{project.slug}")
    first = project.batches.get()
    while project.batches.count() == 1:
        assert answer_some(project, honest, 4)
    drain()
    while Batch.objects.get(pk=first.pk).remaining:
        assert answer_some(project, honest, 4)
    return played_twice(project, project.batches.get(number=2), number, drain)


def handed_in(folder: Path, number: int, *, ahead: bool) -> Adversary:
    """Return an adversary for a first batch that predictions from outside picked. With `ahead` it was picked without
    any before, and the adversary has answered some tasks in between.
    """
    project = with_gold(folder, number, {**FROM_OUTSIDE, "pick_ahead": 0.5 if ahead else None}, suggesting=True)
    make_member(project, "mona", "manager")
    if ahead:
        return played_twice(project, project.batches.get(), number, lambda: hand_in_predictions(project))
    hand_in_predictions(project)
    return adversary_in(project, project.batches.get(), number)


def hand_in_predictions(project: Project) -> None:
    """Hand in predictions that are mostly right, with much noise."""
    ids, truths = zip(*project.items.order_by("pk").values_list("external_id", "truth"), strict=True)
    scores = np.random.default_rng(0).normal(2 * np.eye(10)[list(truths)])
    content = npz(ids=ids, probabilities=softmax(scores, axis=1), classes=[str(digit) for digit in range(10)])
    assert hand_in(project, content).state == "done"


def played_twice(project: Project, batch: Batch, number: int, newer: Callable[[], None]) -> Adversary:
    """Let one of the colluders answer some tasks of the batch, and `newer` predictions pick the other tasks again."""
    adversary = adversary_in(project, batch, number)
    assert adversary.work(adversary.names[:1])
    newer()
    batch.refresh_from_db()
    assert batch.selection == 2
    return adversary


def verdicts(adversary: Adversary) -> list[Verdict]:
    """Return the verdicts by all features, and by the items that claims return alone."""
    features = adversary.play()
    kinds = kinds_of(adversary.project, adversary.batch)
    assert {kinds[task] for task in features if task in kinds} >= {*KINDS, "other"}
    items = {
        task: {name: value for name, value in noted.items() if name.startswith("item.")}
        for task, noted in features.items()
    }
    return [
        *(judge(features, kinds, kind, {}) for kind in KINDS),
        *(replace(judge(items, kinds, kind, {}), kind=f"{kind}, by its item") for kind in KINDS),
    ]


def test_nothing_tells_in_a_batch_that_is_picked_again(tmp_path: Path) -> None:
    assert_nothing_tells(lambda number: verdicts(picked_ahead(tmp_path, number)))


@pytest.mark.parametrize("ahead", [False, True])
def test_nothing_tells_where_predictions_come_from_outside(ahead: bool, tmp_path: Path) -> None:
    assert_nothing_tells(lambda number: verdicts(handed_in(tmp_path, number, ahead=ahead)))


def test_the_adversary_finds_gold_tasks_without_newer_predictions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repick, "_show", lambda *_: None)
    found = {verdict.kind: verdict for verdict in verdicts(picked_ahead(tmp_path, 3))}
    assert found["gold, by its item"].p <= SUSPICIOUS, str(found["gold, by its item"])
    assert found["control, by its item"].p > SUSPICIOUS, str(found["control, by its item"])
