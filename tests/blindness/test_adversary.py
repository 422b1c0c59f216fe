"""Test that colluding annotators cannot recognise gold and control tasks, and that they can without each safeguard."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import pytest
from adversary import Verdict, judge, kinds_of
from digit_worlds import LARGE, adversary_in, drain, imported, world

from labeling.finishing.certifying import schedule
from labeling.labels import item_labels
from labeling.models import Assignment, Batch, Project, Task
from labeling.queue import gold, rechecking
from labeling.steps import replace
from tests.extent import ALL, some

pytestmark = pytest.mark.django_db(transaction=True)

DRAWS = 40 if ALL else 14
KINDS = ("gold", "control", "audit")
"""Checks are played, too. A person who saw one as a near-copy knows it again: docs/decisions/09-near-copies.md."""
SUSPICIOUS = 0.01
IN_GRIDS: dict[str, Any] = {
    "question": "verify",
    "grids": True,
    "overlap_max": None,  # one answer settles a task: a skip is replaced at once
    "near_copies": 0,
    "class_proposals": False,
}


@pytest.fixture(autouse=True)
def _few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the audit ask the same number of draws, whatever it needs."""
    monkeypatch.setattr(schedule, "advise", lambda *_, **__: schedule.Advice(None, float(DRAWS)))


def verdicts(
    folder: Path,
    number: int,
    settings: dict[str, Any],
    others: Collection[str] = ("other",),
    before: Callable[[Project], Callable[[], int]] = lambda project: lambda: 0,
) -> list[Verdict]:
    """Return the adversary's verdicts about a world's third batch. `others`: the kinds of its tasks besides. `before`
    prepares the world, and returns `Adversary.reads`.
    """
    project = world(folder, number, settings)
    reads = before(project)
    batch = project.batches.open().get()
    kinds = kinds_of(project, batch.number)
    features = adversary_in(project, batch, number, reads).play()
    played = {kinds[task] for task in features if task in kinds}
    assert played == {*KINDS, *(("check",) if project.near_copies else ()), *others}
    tasks = Task.objects.filter(pk__in=features).select_related("item", "repeats")
    proposed = {task.pk: task.shown.proposed for task in tasks if task.shown.proposed is not None}
    unseen = {task.pk: kinds[task.pk] for task in tasks if not task.prompted}
    return [
        *(judge(features, kinds, kind, proposed) for kind in KINDS if kind in played),
        judge(features, unseen, "audit", proposed),  # the tasks whose answers prove: decoys left out
    ]


def first_verdicts(folder: Path, number: int) -> list[Verdict]:
    """Return the adversary's verdicts about a first batch: no model has picked it, and most of its items cover the
    pool.
    """
    project = imported(folder, number, {"batch_size": LARGE})
    drain()
    batch = project.batches.open().get()
    covering = batch.tasks.filter(asked=True).values_list("pk", flat=True)
    kinds = kinds_of(project, 1) | dict.fromkeys(covering, "covering")
    features = adversary_in(project, batch, number).play()
    assert {kinds[task] for task in features if task in kinds} == {"control", "covering", "other"}
    return [judge(features, kinds, kind, {}) for kind in ("control", "covering")]


def unmend_skips(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove a safeguard: do not replace skipped gold tasks."""
    real = replace._skipped
    monkeypatch.setattr(replace, "_skipped", lambda batch: real(batch).picked())


def unmend_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove a safeguard: judge gold answers in the request that submits them."""

    def keep(project: Project, items: Mapping[int, int], answers: Mapping[int, Any]) -> None:
        for item in items.values():
            place = Assignment.objects.filter(task__repeats=item, task__is_gold=True).latest("answered_at")
            gold.pause_if_inaccurate(place.task.batch.project, place.user)

    monkeypatch.setattr(item_labels, "keep_gold_labels", keep)


def unmend_repetition(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove a safeguard: never ask a second person about gold tasks, and ignore the model's prediction on control
    tasks.
    """
    real = rechecking.ask_one_more

    def ask_one_more(project: Project, batch: Batch, ids: Collection[int]) -> set[int]:
        others = Task.objects.filter(pk__in=ids, is_gold=False).values_list("pk", flat=True)
        return real(project, batch, list(others))

    monkeypatch.setattr(rechecking, "ask_one_more", ask_one_more)
    monkeypatch.setattr(rechecking, "asking_vote_of", rechecking.model_vote_of)


@pytest.mark.long
@pytest.mark.parametrize(("unmend", "changes"), [(unmend_skips, IN_GRIDS), (unmend_time, {}), (unmend_repetition, {})])
def test_the_adversary_finds_what_is_not_mended(
    unmend: Callable[[pytest.MonkeyPatch], None],
    changes: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unmend(monkeypatch)
    found = {verdict.kind: verdict for verdict in verdicts(tmp_path, 3, changes)}
    assert found["gold"].p <= SUSPICIOUS, str(found["gold"])
    assert found["gold"].area > 0.7, str(found["gold"])


def assert_nothing_tells(verdicts_about: Callable[[int], list[Verdict]]) -> None:
    """A second world is tested if the first looks suspicious, because one world in some dozens does so by chance."""
    suspected = [each for each in verdicts_about(4) if each.p <= SUSPICIOUS]
    for verdict in verdicts_about(2) if suspected else []:
        before = next((each for each in suspected if each.kind == verdict.kind), None)
        assert before is None or verdict.p > SUSPICIOUS, f"{before}; again {verdict}"


@pytest.mark.parametrize("changes", some([{}, IN_GRIDS]))
def test_nothing_tells(changes: dict[str, Any], tmp_path: Path) -> None:
    assert_nothing_tells(lambda number: verdicts(tmp_path, number, changes))


@pytest.mark.long
def test_nothing_tells_early_in_a_long_audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All tasks of the batch but its gold and control tasks are draws."""
    monkeypatch.setattr(schedule, "advise", lambda *_, **__: schedule.Advice(None, 4.0 * LARGE))
    only_draws = {"near_copies": 0}
    assert_nothing_tells(lambda number: verdicts(tmp_path, number, only_draws, others=()))


@pytest.mark.long
def test_nothing_tells_in_a_first_batch(tmp_path: Path) -> None:
    assert_nothing_tells(lambda number: first_verdicts(tmp_path, number))
